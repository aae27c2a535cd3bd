//! The network of Corollary 1: depth k, width O(n / k), O(n + d) weights (Zhang et al. 2017, sec. 4, app. C).
//!
//! The sorted samples are cut into k - 1 blocks, one for each hidden layer. Layer l holds the units of block l,
//! `max(z - b_j, 0)`, where a layer follows one that passes `z - b_1` on (never negative on the samples, so a rectified
//! unit loses nothing), and two, one for each sign, for the sum over all blocks before. The output adds the last block's.
//! With k = 2 this is Theorem 1's network.

use super::Interpolant;

/// A rectified unit, or the output: weights by number of the unit in the layer before, and a bias.
#[derive(Clone, Debug)]
struct Unit {
    inputs: Vec<(usize, f64)>,
    bias: f64,
}

impl Unit {
    fn sum(&self, below: &[f64]) -> f64 {
        self.inputs.iter().map(|&(unit, weight)| weight * below[unit]).sum::<f64>() + self.bias
    }

    fn negated(&self) -> Unit {
        let inputs = self.inputs.iter().map(|&(unit, weight)| (unit, -weight)).collect();
        Unit { inputs, bias: -self.bias }
    }

    fn parameters(&self) -> usize {
        let given = |value: f64| usize::from(value != 0.0);
        self.inputs.iter().map(|&(_, weight)| given(weight)).sum::<usize>() + given(self.bias)
    }
}

/// A network of depth k over a projection z.
#[derive(Clone, Debug)]
pub struct DeepNetwork {
    hidden: Vec<Vec<Unit>>,
    output: Unit,
}

impl DeepNetwork {
    /// The function of `network`, spread over `depth` layers of weights, 2 or more (less counts as 2; more than there are
    /// units leaves the last layers without units of their own).
    pub fn of(network: &Interpolant, depth: usize) -> DeepNetwork {
        let (n, layers) = (network.weights().len(), depth.max(2) - 1);
        let first = network.thresholds()[0]; // an interpolant has a point
        let block = n.div_ceil(layers);
        let mut hidden: Vec<Vec<Unit>> = Vec::with_capacity(layers);
        // What the layer before holds of the sum: the terms of its block, and the sum before it.
        let mut sum = Unit { inputs: Vec::new(), bias: 0.0 };
        for layer in 0..layers {
            let range = (layer * block).min(n)..((layer + 1) * block).min(n);
            let carries = layer > 0;
            // Where z comes from, and how much smaller it is there.
            let (source, shift) = match hidden.last() {
                None => (0, 0.0),
                Some(below) => (below.len() - if layer > 1 { 3 } else { 1 }, first),
            };
            let unit = |b: f64| Unit { inputs: vec![(source, 1.0)], bias: -(b - shift) };
            let mut units: Vec<Unit> = network.units(range.clone()).map(|(_, b)| unit(b)).collect();
            let mut next: Vec<(usize, f64)> = network.units(range).map(|(w, _)| w).enumerate().collect();
            if layer + 1 < layers {
                units.push(unit(first));
            }
            if carries {
                next.extend([(units.len(), 1.0), (units.len() + 1, -1.0)]);
                units.extend([sum.clone(), sum.negated()]);
            }
            sum = Unit { inputs: next, bias: 0.0 };
            hidden.push(units);
        }
        DeepNetwork { hidden, output: sum }
    }

    /// The output at `z`, layer by layer. Defined as [`Interpolant::at`] is for z of at least the first threshold.
    pub fn at(&self, z: f64) -> f64 {
        let mut below = vec![z];
        for layer in &self.hidden {
            below = layer.iter().map(|unit| unit.sum(&below).max(0.0)).collect();
        }
        self.output.sum(&below)
    }

    /// Units of each hidden layer.
    pub fn widths(&self) -> Vec<usize> {
        self.hidden.iter().map(Vec::len).collect()
    }

    /// Weights and biases that are not 0, without the projection's d.
    pub fn parameters(&self) -> usize {
        self.hidden.iter().flatten().chain([&self.output]).map(Unit::parameters).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_depth_computes_the_same_function_with_width_n_over_k() {
        let z: Vec<f64> = (0..60).map(|i| f64::from(i) * 0.5 + f64::from(i * i % 7) * 0.01 - 20.0).collect();
        let y: Vec<f64> = (0..60).map(|i| f64::from(i * 7 % 10)).collect();
        let network = Interpolant::through(&z, &y).unwrap();
        for depth in [2, 3, 4, 5, 13, 100] {
            let deep = DeepNetwork::of(&network, depth);
            assert_eq!(deep.widths().len(), depth - 1);
            assert!(
                deep.widths().iter().all(|&w| w <= 60usize.div_ceil(depth - 1) + 3),
                "{:?}",
                deep.widths()
            );
            // 1 and b for each threshold, w once or, where it goes into both signs of the sum, twice.
            assert!(deep.parameters() <= 4 * 60 + 8 * depth, "{}", deep.parameters());
            for (z, y) in z.iter().zip(&y) {
                assert!((deep.at(*z) - y).abs() < 1e-10, "depth {depth}: {} {y}", deep.at(*z));
                let between = z + 0.123;
                assert!((deep.at(between) - network.at(between)).abs() < 1e-10, "depth {depth}");
            }
        }
        assert_eq!(DeepNetwork::of(&network, 2).widths(), [60], "Theorem 1's own");
    }
}
