//! What is computed in closed form: which solutions an experiment has at a scale, and what they show.

use std::{fs, path::PathBuf};

use super::{
    Scale,
    experiment::Experiment,
    paper,
    plan::{Part, Plan, Task},
    rules::{Claim, Verdict},
    table::Table,
};
use crate::{
    device::DeviceName,
    error::{Result, TrainError},
    theory::{Document, FeatureName, RESULT, min_norm, theorem1},
};

/// What solutions are computed of, and on.
#[derive(Clone, Debug)]
pub struct Data {
    /// The data set of all experiments.
    pub cifar: PathBuf,
    /// Its training samples.
    pub cifar_samples: usize,
    /// MNIST, if it is there.
    pub mnist: Option<PathBuf>,
    /// Where.
    pub device: DeviceName,
    /// Threads of each.
    pub threads: usize,
}

pub(super) fn title(experiment: Experiment) -> &'static str {
    match experiment {
        Experiment::Theorem1 => "Theorem 1: 2n + d weights fit any labels",
        _ => "Table 3: linear models of least norm",
    }
}

pub(super) fn scaled_down(experiment: Experiment, scale: Scale) -> &'static str {
    match (experiment, scale) {
        (Experiment::Theorem1, _) | (_, Scale::Full) => "",
        (_, Scale::Quick) => {
            "6,000 of 60,000 digits and 3,000 of 50,000 images; 1,000 random patches for 32,000"
        }
        (_, Scale::Medium) => {
            "20,000 of 60,000 digits and 10,000 of 50,000 images; 4,000 random patches for 32,000"
        }
    }
}

/// Name and command line of each.
pub(super) fn solutions(experiment: Experiment, scale: Scale, data: &Data) -> Vec<(String, Vec<String>)> {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let path = |path: &PathBuf| path.display().to_string();
    if experiment == Experiment::Theorem1 {
        let mut sizes: Vec<usize> = [1_000, 10_000].into_iter().filter(|n| *n < data.cifar_samples).collect();
        sizes.push(data.cifar_samples);
        let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
        let mut arguments = words("theory theorem1 --corrupt random-labels --data");
        arguments.extend([path(&data.cifar), "--samples".into(), sizes.join(",")]);
        return vec![("theorem1".into(), arguments)];
    }
    let (digits, images, filters) = match scale {
        Scale::Quick => (Some(6_000), Some(3_000), 1_000),
        Scale::Medium => (Some(20_000), Some(10_000), 4_000),
        Scale::Full => (None, None, 32_000),
    };
    let mut out = Vec::new();
    let mut add = |set: &str, at: &PathBuf, samples: Option<usize>, options: &str| {
        let mut arguments = words("theory min-norm --data");
        arguments.push(path(at));
        let samples = samples.filter(|n| set == "mnist" || *n < data.cifar_samples);
        if let Some(samples) = samples {
            arguments.extend(["--samples".to_owned(), samples.to_string()]);
        }
        arguments.extend(words(options));
        arguments.extend(["--device".to_owned(), data.device.to_string()]);
        arguments.extend(["--threads".to_owned(), data.threads.to_string()]);
        let n = samples.map_or("all".into(), |n| n.to_string());
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        let what: String = options.replace("--", "").chars().map(plain).collect();
        out.push((format!("min-norm_{set}_{n}_{what}"), arguments));
    };
    if let Some(mnist) = &data.mnist {
        add("mnist", mnist, digits, "--features pixels");
        add("mnist", mnist, digits, "--features gabor");
    }
    add("images", &data.cifar, images, "--features pixels");
    let patches = format!("--features random-patches --filters {filters}");
    add("images", &data.cifar, images, &patches);
    add("images", &data.cifar, images, &format!("{patches} --ridge 0.01"));
    out
}

/// What an experiment of solutions shows.
pub(super) struct Found {
    pub claims: Vec<Claim>,
    pub table: Table,
}

/// Reads the results of a part; none for one of training runs.
///
/// # Errors
/// [`TrainError::Io`], [`TrainError::RunFile`].
pub(super) fn section(plan: &Plan, part: &Part) -> Result<Option<Found>> {
    let tasks = part.tasks.iter().filter_map(|place| plan.tasks.get(*place)).filter(|task| task.is_done());
    Ok(match part.experiment {
        Some(Experiment::Theorem1) => {
            let all: Result<Vec<Document<theorem1::Settings, theorem1::Report>>> = tasks.map(read).collect();
            Some(theorem(&all?))
        }
        Some(Experiment::MinNorm) => {
            let all: Result<Vec<Document<min_norm::Settings, min_norm::Report>>> = tasks.map(read).collect();
            Some(least_norm(&all?))
        }
        _ => None,
    })
}

fn read<S: serde::de::DeserializeOwned, R: serde::de::DeserializeOwned>(
    task: &Task,
) -> Result<Document<S, R>> {
    let path = task.folder.join(RESULT);
    let text = fs::read_to_string(&path).map_err(|source| TrainError::Io {
        path: path.clone(),
        action: "read",
        source,
    })?;
    serde_json::from_str(&text).map_err(|error| TrainError::RunFile {
        path,
        what: "result",
        reason: error.to_string(),
    })
}

fn head(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn theorem(all: &[Document<theorem1::Settings, theorem1::Report>]) -> Found {
    let (mut rows, mut claims) = (Vec::new(), Vec::new());
    for report in all.iter().map(|document| &document.report) {
        for fit in &report.fits {
            rows.push(vec![
                format!("depth 2, n = {}", fit.samples),
                fit.weights.to_string(),
                format!("{:.3} %", 100.0 * fit.exact_share),
                format!("{:.1e}", fit.max_error),
                format!("{:.1e}", fit.smallest_diagonal),
                format!("{:.1e}", fit.largest_weight),
                fit.left_out.to_string(),
            ]);
        }
        for deep in &report.deep {
            rows.push(vec![
                format!(
                    "depth {}, n = {}, width {}",
                    deep.depth,
                    deep.samples,
                    deep.widths.iter().max().unwrap_or(&0)
                ),
                deep.weights.to_string(),
                "–".into(),
                format!("{:.1e}", deep.max_error),
                "–".into(),
                "–".into(),
                "–".into(),
            ]);
        }
        let most = report.fits.iter().map(|fit| fit.samples).max().unwrap_or(0);
        let worst = report.fits.iter().map(|fit| fit.max_error).fold(0.0, f64::max);
        let exact = report.fits.iter().all(|fit| fit.exact_share == 1.0);
        claims.push(Claim {
            text: format!("Theorem 1: a network of 2n + d weights gives {most} images any labels (every one exactly, when rounded)"),
            verdict: if exact { Verdict::Pass } else { Verdict::Fail },
            found: format!("largest error {worst:.1e}"),
        });
        let deepest = report.deep.iter().map(|deep| deep.max_error).fold(0.0, f64::max);
        claims.push(Claim {
            text:
                "Corollary 1: so do networks of depth k and width of order n / k, with n + d weights in order"
                    .into(),
            verdict: if deepest < 0.5 { Verdict::Pass } else { Verdict::Fail },
            found: format!(
                "depths {:?}, largest error {deepest:.1e}",
                report.deep.iter().map(|d| d.depth).collect::<Vec<_>>()
            ),
        });
    }
    let head = head(&[
        "network",
        "weights",
        "labels fitted",
        "largest error",
        "smallest diagonal",
        "largest weight",
        "alike, left out",
    ]);
    Found { claims, table: Table { head, rows } }
}

/// MNIST's whole training set, and how near 1.22 % its error has to be.
const DIGITS: usize = 60_000;
const MNIST_ERROR: f64 = 0.0122;
const MNIST_NEAR: f64 = 0.0005;

fn least_norm(all: &[Document<min_norm::Settings, min_norm::Report>]) -> Found {
    let (mut rows, mut claims) = (Vec::new(), Vec::new());
    for document in all {
        let (report, settings, kind) = (&document.report, &document.settings, document.data.kind.as_str());
        let features = settings.kernel.features;
        let paper =
            paper::TABLE_3.iter().find(|(set, name, _)| *set == kind && *name == features.to_string());
        let seconds = report.seconds;
        rows.push(vec![
            format!("{kind}, {features}"),
            report.samples.to_string(),
            report.kernel.kernel.to_string(),
            if settings.ridge == 0.0 { "none".into() } else { settings.ridge.to_string() },
            paper.map_or("–".into(), |(_, _, error)| error.to_string()),
            format!("{:.2}", 100.0 * report.test_error),
            format!("{:.2}", 100.0 * report.train_error),
            format!("{:.1}", report.norm),
            format!("{:.2} GB", report.bytes as f64 / 1e9),
            format!(
                "{:.1}",
                seconds.read + seconds.kernel + seconds.factor + seconds.solve + seconds.predict
            ),
        ]);
        if features == FeatureName::Pixels && kind == "mnist" {
            let near = (report.test_error - MNIST_ERROR).abs() <= MNIST_NEAR;
            let verdict = match report.samples == DIGITS {
                true if near => Verdict::Pass,
                true => Verdict::Fail,
                false => Verdict::NotComparable(format!("{} of {DIGITS} digits", report.samples)),
            };
            claims.push(Claim {
                text: "Table 3: the Gaussian kernel's interpolation errs on 1.22 ± 0.05 % of MNIST's test digits".into(),
                verdict,
                found: format!("{:.2} %", 100.0 * report.test_error),
            });
        } else if let Some((_, _, error)) = paper {
            let what = match features {
                FeatureName::Gabor => "the paper does not describe its bank of filters",
                FeatureName::Pixels => "the paper does not give the kernel's width",
                FeatureName::RandomPatches => {
                    "the paper's network of random filters is described by a reference alone"
                }
            };
            claims.push(Claim {
                text: format!("Table 3: {error} % of test errors on {kind} with {features}"),
                verdict: Verdict::NotComparable(what.into()),
                found: format!(
                    "{:.2} % with n = {}, ridge {}",
                    100.0 * report.test_error,
                    report.samples,
                    settings.ridge
                ),
            });
        }
    }
    let head = head(&[
        "data, features",
        "n",
        "kernel",
        "l2",
        "test error %: paper",
        "test error %: ours",
        "train error %",
        "norm",
        "memory",
        "seconds",
    ]);
    Found { claims, table: Table { head, rows } }
}
