//! A network's tensors: named as PyTorch modules name theirs, in the order they were made.

use tch::{Device, Kind, TchError, Tensor};

/// A trained tensor.
#[derive(Debug)]
pub struct Parameter {
    /// Its name, for example `fc1.weight`.
    pub name: String,
    /// Its value, with gradient.
    pub tensor: Tensor,
    /// Whether weight decay applies: to weights, not to biases or the shift of batch normalisation.
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
    device: Device,
    list: Vec<Parameter>,
    buffers: Vec<Buffer>,
}

impl Parameters {
    /// None yet, to be made on `device`.
    pub fn new(device: Device) -> Self {
        Parameters { device, list: Vec::new(), buffers: Vec::new() }
    }

    /// A weight of independent normal values with deviation `std`, from libtorch's CPU generator.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn weight(&mut self, name: impl Into<String>, shape: &[i64], std: f64) -> Result<Tensor, TchError> {
        let values = Tensor::f_randn(shape, (Kind::Float, Device::Cpu))?.f_mul_scalar(std)?;
        self.parameter(name.into(), values, true)
    }

    /// A bias of `n` zeros.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn bias(&mut self, name: impl Into<String>, n: i64) -> Result<Tensor, TchError> {
        self.parameter(name.into(), Tensor::f_zeros([n], (Kind::Float, Device::Cpu))?, false)
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
