//! A network's tensors: named as PyTorch modules name theirs, in the order they were made.

use rfx_loader::rng::{Key, Words};
use tch::{Device, Kind, TchError, Tensor};

/// A trained tensor.
#[derive(Debug)]
pub struct Parameter {
    /// Its name, for example `fc1.weight`.
    pub name: String,
    /// Its value, with gradient.
    pub tensor: Tensor,
    /// Whether weight decay applies: to weights, not to biases or batch normalisation's scale and shift.
    pub decays: bool,
}

/// A tensor that is kept but not trained.
#[derive(Debug)]
pub struct Buffer {
    /// Its name, for example `conv1.bn.running_mean`.
    pub name: String,
    /// Its value, without gradient.
    pub tensor: Tensor,
}

/// Makes and lists a network's tensors.
#[derive(Debug)]
pub struct Parameters {
    seed: u64,
    weights: u64,
    device: Device,
    list: Vec<Parameter>,
    buffers: Vec<Buffer>,
}

impl Parameters {
    /// None yet, to be made on `device` and initialised under `seed` (domain `init` of RANDOM.md).
    pub fn new(seed: u64, device: Device) -> Self {
        Parameters { seed, weights: 0, device, list: Vec::new(), buffers: Vec::new() }
    }

    /// A weight of independent normal values with deviation `std`: the same bits on every machine and device, a
    /// function of the seed and of how many weights were made before.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn weight(&mut self, name: impl Into<String>, shape: &[i64], std: f64) -> Result<Tensor, TchError> {
        let count = shape.iter().product::<i64>().unsigned_abs() as usize;
        let values = normals(&mut Key::derive("init", self.seed).words(self.weights, 0), count, std);
        self.weights += 1;
        self.parameter(name.into(), Tensor::f_from_slice(&values)?.f_view(shape)?, true)
    }

    /// A bias of `n` zeros.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn bias(&mut self, name: impl Into<String>, n: i64) -> Result<Tensor, TchError> {
        self.parameter(name.into(), Tensor::f_zeros([n], (Kind::Float, Device::Cpu))?, false)
    }

    /// A scale of `n` ones.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn scale(&mut self, name: impl Into<String>, n: i64) -> Result<Tensor, TchError> {
        self.parameter(name.into(), Tensor::f_ones([n], (Kind::Float, Device::Cpu))?, false)
    }

    fn parameter(&mut self, name: String, values: Tensor, decays: bool) -> Result<Tensor, TchError> {
        let tensor = values.f_to(self.device)?.f_set_requires_grad(true)?;
        self.list.push(Parameter { name, tensor: tensor.shallow_clone(), decays });
        Ok(tensor)
    }

    /// A buffer of `n` times `value`.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn buffer(&mut self, name: impl Into<String>, n: i64, value: f64) -> Result<Tensor, TchError> {
        let tensor = Tensor::f_full([n], value, (Kind::Float, self.device))?;
        self.buffers.push(Buffer { name: name.into(), tensor: tensor.shallow_clone() });
        Ok(tensor)
    }

    /// The trained tensors.
    pub fn list(&self) -> &[Parameter] {
        &self.list
    }

    /// The others.
    pub fn buffers(&self) -> &[Buffer] {
        &self.buffers
    }

    /// Number of trained values.
    pub fn count(&self) -> usize {
        self.list.iter().map(|p| p.tensor.numel()).sum()
    }
}

/// `count` values of N(0, std^2) by Box and Muller's method, a word each; tails end at 6.66 deviations. In f64 with
/// libm's functions, which are the same everywhere, unlike those of the system or of libtorch's vectors.
fn normals(words: &mut Words, count: usize, std: f64) -> Vec<f32> {
    const UNIT: f64 = 1.0 / 4_294_967_296.0;
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let (first, second) = (f64::from(words.next_u32()), f64::from(words.next_u32()));
        let radius = std * (-2.0 * libm::log((first + 1.0) * UNIT)).sqrt();
        let angle = std::f64::consts::TAU * (second * UNIT);
        values.extend([(radius * libm::cos(angle)) as f32, (radius * libm::sin(angle)) as f32]);
    }
    values.truncate(count);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kolmogorov and Smirnov's distance to the normal distribution; false alarm below 1e-6 (1.36 is 5%, 2.7 is 1e-6).
    #[test]
    fn normals_are_normal() {
        let mut values = normals(&mut Key::derive("init", 4).words(0, 0), 100_001, 2.0);
        assert_eq!(values.len(), 100_001);
        values.sort_by(f32::total_cmp);
        let n = values.len() as f64;
        let below = |x: f32| 0.5 * libm::erfc(-f64::from(x) / (2.0 * std::f64::consts::SQRT_2));
        let distance = values.iter().enumerate().map(|(i, x)| (below(*x) - (i as f64 + 0.5) / n).abs());
        let distance = distance.fold(0.0, f64::max);
        assert!(distance * n.sqrt() < 2.7, "{distance}");
    }

    #[test]
    fn a_change_of_these_bits_is_a_change_of_every_run() {
        let values = normals(&mut Key::derive("init", 1).words(0, 0), 4, 1.0);
        assert_eq!(
            values.iter().map(|v| v.to_bits()).collect::<Vec<_>>(),
            [1067994170, 3208938545, 3202646258, 3216607183]
        );
    }
}
