//! Theorem 1: 2n + d weights suffice for any labels of n images in d dimensions (Zhang et al. 2017, sec. 4, app. C).
//!
//! Images are projected on a random vector a of N(0, 1), `z = <a, x>`, x being pixels / 255, and the network through the
//! points (z, class number) is made by [`Interpolant`]. Plain f64 on one thread: O(n (d + log n)). In f32 it fails: the
//! weights grow to 10^10 while outputs are of 0 to 9.
//!
//! Images with the same bytes have the same z; of those one is kept, the first by id, and the report counts the rest.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use rfx_loader::{CorruptionSpec, digest::Digest, rng::Key};
use serde::{Deserialize, Serialize};

use super::{
    DeepNetwork, Experiment, Interpolant, TheoryError,
    draws::normals,
    samples::{self, Choice, Samples},
    watch::Watch,
};
use crate::{error::Result, signal::Interrupt};

/// Samples on which the network is also evaluated unit by unit, and of the deep networks.
const DENSE: usize = 1000;
/// Depths of the deep networks.
const DEPTHS: [usize; 3] = [2, 3, 5];

/// What to fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    /// Folder of the packed data set.
    #[serde(skip)]
    pub data: PathBuf,
    /// Numbers of training samples, each a fit of its own; none: the whole split.
    pub samples: Vec<usize>,
    /// Seed of the projection and, unless it has its own, of the corruption.
    pub seed: u64,
    /// The corruption of the labels, and of the images if it has one.
    pub corruption: CorruptionSpec,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// One fit for each number of samples.
    pub fits: Vec<Fit>,
    /// Corollary 1, on the first of those samples, 1,000 at most.
    pub deep: Vec<Deep>,
}

/// One network of Theorem 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// Samples fitted, n: those asked for without the ones left out.
    pub samples: usize,
    /// Samples left out because another has the same projection.
    pub left_out: usize,
    /// Those of them whose label is another one: no function can fit both.
    pub contradictions: usize,
    /// Values of an image, d.
    pub dimensions: usize,
    /// Weights of the network, 2n + d.
    pub weights: usize,
    /// Largest error on the n samples, in class numbers.
    pub max_error: f64,
    /// Share of the n samples whose output rounds to the label.
    pub exact_share: f64,
    /// `min_i (z_i - b_i)`, the smallest eigenvalue of the triangular matrix.
    pub smallest_diagonal: f64,
    /// `max_j |w_j|`.
    pub largest_weight: f64,
    /// Samples on which `max(x a - b, 0) w` was also computed unit by unit.
    pub dense_samples: usize,
    /// Largest error of that.
    pub dense_max_error: f64,
    /// Largest difference between the two evaluations.
    pub dense_difference: f64,
    /// Digest over the labels of all samples asked for.
    pub label_digest: Digest,
    /// Seconds for projecting, fitting and evaluating.
    pub seconds: f64,
}

/// One network of Corollary 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deep {
    /// Samples fitted, n.
    pub samples: usize,
    /// Depth k: layers of weights.
    pub depth: usize,
    /// Units of the hidden layers.
    pub widths: Vec<usize>,
    /// Weights and biases that are not 0, the projection's d included.
    pub weights: usize,
    /// Largest error on the n samples, in class numbers.
    pub max_error: f64,
}

impl Experiment for Settings {
    const NAME: &'static str = "theorem1";
    type Report = Report;

    fn data(&self) -> &Path {
        &self.data
    }

    fn run(&self, interrupt: &Interrupt, note: &mut dyn FnMut(&str)) -> Result<Report> {
        run(self, interrupt, note)
    }
}

/// Fits the networks. Costs `O(n (d + log n))` for each number of samples, and memory for the images as bytes.
///
/// # Errors
/// [`TheoryError::Interrupted`]; the loader's own, if the split has not so many samples.
pub fn run(settings: &Settings, interrupt: &Interrupt, note: &mut dyn FnMut(&str)) -> Result<Report> {
    let mut watch = Watch::new(interrupt, note);
    let dataset = samples::open(&settings.data)?;
    let all = samples::count(&dataset, "train")?;
    let whole = [all];
    let counts = if settings.samples.is_empty() { &whole[..] } else { &settings.samples };
    let choice = Choice::new(&settings.corruption, settings.seed);
    let read =
        |count, watch: &mut Watch<'_>| choice.read(&dataset, "train", samples::first(count, all), watch);
    let values = dataset.shape().map_err(rfx_loader::Error::from)?.values();
    let direction = normals(&mut Key::derive("theory/projection", settings.seed).words(0, 0), values);
    let mut fits = Vec::new();
    for &count in counts {
        let fit = fit(&read(count, &mut watch)?, &direction, &mut watch)?;
        watch.say(&format!(
            "n = {}: max error {:.1e}, {:.3}% exact, {:.1} s",
            fit.samples,
            fit.max_error,
            100.0 * fit.exact_share,
            fit.seconds
        ));
        fits.push(fit);
    }
    let few = counts.iter().max().map_or(all, |&most| most.min(DENSE));
    let deep = deep(&read(few, &mut watch)?, &direction, &mut watch)?;
    Ok(Report { fits, deep })
}

/// The distinct points of some samples, by z, ascending.
struct Points {
    z: Vec<f64>,
    y: Vec<f64>,
    /// Which sample each is.
    index: Vec<usize>,
    contradictions: usize,
}

fn project(image: &[u8], direction: &[f64]) -> f64 {
    image.iter().zip(direction).map(|(&value, a)| a * (f64::from(value) / 255.0)).sum()
}

fn points(samples: &Samples, direction: &[f64], watch: &mut Watch<'_>) -> Result<Points> {
    let mut sorted = Vec::with_capacity(samples.len());
    for (i, image) in samples.images.chunks_exact(direction.len()).enumerate() {
        if i % 1000 == 0 {
            watch.step(|| format!("{i} of {} images projected", samples.len()))?;
        }
        sorted.push((project(image, direction), i));
    }
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut points = Points { z: Vec::new(), y: Vec::new(), index: Vec::new(), contradictions: 0 };
    for (z, i) in sorted {
        let y = samples.labels[i] as f64;
        if points.z.last() == Some(&z) {
            points.contradictions += usize::from(points.y.last() != Some(&y));
            continue;
        }
        points.z.push(z);
        points.y.push(y);
        points.index.push(i);
    }
    Ok(points)
}

fn through(points: &Points) -> Result<Interpolant> {
    let no_order = || TheoryError::Degenerate {
        what: "projections of the samples",
        found: format!("{} values", points.z.len()),
        expected: "at least one, all finite: take another --seed",
    };
    Ok(Interpolant::through(&points.z, &points.y).ok_or_else(no_order)?)
}

fn fit(samples: &Samples, direction: &[f64], watch: &mut Watch<'_>) -> Result<Fit> {
    let begin = Instant::now();
    let points = points(samples, direction, watch)?;
    let network = through(&points)?;
    let outputs = network.at_sorted(&points.z);
    let (n, d) = (points.z.len(), direction.len());
    let exact = outputs.iter().zip(&points.y).filter(|(out, y)| out.round() == **y).count();
    let dense_samples = n.min(DENSE);
    let (mut dense_max_error, mut dense_difference) = (0.0, 0.0);
    for k in 0..dense_samples {
        watch.step(|| format!("{k} of {dense_samples} images through {n} units"))?;
        let at = k * n / dense_samples; // evenly, from the smallest projection to the largest
        let start = points.index[at] * d;
        let out = network.at(project(&samples.images[start..start + d], direction));
        dense_max_error = f64::max(dense_max_error, (out - points.y[at]).abs());
        dense_difference = f64::max(dense_difference, (out - outputs[at]).abs());
    }
    Ok(Fit {
        samples: n,
        left_out: samples.len() - n,
        contradictions: points.contradictions,
        dimensions: d,
        weights: 2 * n + d,
        max_error: largest_error(&outputs, &points.y),
        exact_share: exact as f64 / n as f64,
        smallest_diagonal: network.smallest_diagonal(),
        largest_weight: network.largest_weight(),
        dense_samples,
        dense_max_error,
        dense_difference,
        label_digest: samples.manifest.digest,
        seconds: begin.elapsed().as_secs_f64(),
    })
}

fn deep(samples: &Samples, direction: &[f64], watch: &mut Watch<'_>) -> Result<Vec<Deep>> {
    let points = points(samples, direction, watch)?;
    let network = through(&points)?;
    let of_depth = |depth| {
        watch.step(|| format!("depth {depth}"))?;
        let deep = DeepNetwork::of(&network, depth);
        let outputs: Vec<f64> = points.z.iter().map(|&z| deep.at(z)).collect();
        Ok(Deep {
            samples: points.z.len(),
            depth,
            widths: deep.widths(),
            weights: deep.parameters() + direction.len(),
            max_error: largest_error(&outputs, &points.y),
        })
    };
    DEPTHS.into_iter().map(of_depth).collect()
}

fn largest_error(outputs: &[f64], y: &[f64]) -> f64 {
    // Not `max`, which would lose a NaN.
    let worse = |worst: f64, error: f64| if error <= worst { worst } else { error };
    outputs.iter().zip(y).map(|(out, y)| (out - y).abs()).fold(0.0, worse)
}
