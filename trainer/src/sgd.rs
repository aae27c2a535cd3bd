//! Stochastic gradient descent with momentum, whose state can be saved (tch's cannot).

use tch::Tensor;

use crate::{model::Parameters, shim, shim::ShimError};

/// `g += decay * w` (weights only), `v = momentum * v + g`, `w -= lr * v`: PyTorch's convention, no dampening, no
/// Nesterov. Weight decay is L2 in the loss, `decay / 2 * |w|^2`, not decoupled.
#[derive(Debug)]
pub struct Sgd {
    momentum: f64,
    decay: Vec<f64>,
    buffers: Vec<Tensor>,
}

impl Sgd {
    /// An optimiser at rest for these parameters.
    pub fn new(parameters: &Parameters, momentum: f64, weight_decay: f64) -> Sgd {
        let list = parameters.list();
        Sgd {
            momentum,
            decay: list.iter().map(|p| if p.decays { weight_decay } else { 0.0 }).collect(),
            buffers: list.iter().map(|p| tch::no_grad(|| p.tensor.zeros_like())).collect(),
        }
    }

    /// The momentum of each parameter, in the parameters' order.
    pub fn buffers(&self) -> &[Tensor] {
        &self.buffers
    }

    /// Moves the parameters by their gradients, and forgets the gradients.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn step(&mut self, parameters: &Parameters, lr: f64) -> Result<(), ShimError> {
        let params: Vec<&Tensor> = parameters.list().iter().map(|p| &p.tensor).collect();
        let buffers: Vec<&Tensor> = self.buffers.iter().collect();
        shim::sgd_step(&params, &buffers, &self.decay, lr, self.momentum)
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    /// f(w, b) = w^2 / 2 + 3 b has gradients w and 3: the steps can be done by hand.
    #[test]
    fn steps_are_those_done_by_hand() {
        let mut parameters = Parameters::new(1, Device::Cpu);
        let w = parameters.weight("w", &[1], 0.0).unwrap();
        let b = parameters.bias("b", 1).unwrap();
        tch::no_grad(|| {
            let _ = w.shallow_clone().fill_(2.0);
        });
        let (lr, momentum, decay) = (0.1, 0.9, 0.5);
        let mut sgd = Sgd::new(&parameters, momentum, decay);
        let (mut hand_w, mut hand_b, mut v_w, mut v_b) = (2.0, 0.0, 0.0, 0.0);
        for _ in 0..4 {
            let loss = w.square().sum(Kind::Float) / 2.0 + b.sum(Kind::Float) * 3.0;
            loss.backward();
            sgd.step(&parameters, lr).unwrap();
            v_w = momentum * v_w + (hand_w + decay * hand_w);
            v_b = momentum * v_b + 3.0; // biases do not decay
            hand_w -= lr * v_w;
            hand_b -= lr * v_b;
            assert!((w.double_value(&[0]) - hand_w).abs() < 1e-6);
            assert!((b.double_value(&[0]) - hand_b).abs() < 1e-6);
            assert!(!w.grad().defined(), "gradients are forgotten");
        }
        assert!((sgd.buffers()[0].double_value(&[0]) - v_w).abs() < 1e-6);
    }
}
