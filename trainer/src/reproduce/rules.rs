//! The verdicts: what is claimed, when it may be judged, and when it holds. All rules are here; a change of one needs a
//! reason in CHANGELOG.md.
//!
//! A number of the paper is judged only of the paper's network, on all images of CIFAR-10 with the paper's settings, and
//! of three seeds or more. Claims about what is at hand (a to e) are judged of MLPs at any scale.

use rfx_loader::corrupt::LabelSpec;

use super::{
    experiment::Experiment,
    group::{Group, Mean},
    paper,
};
use crate::{
    model::ModelName,
    report::{Fit, Run},
};

/// Seeds without which no number of the paper is judged.
const SEEDS: usize = 3;
/// Epochs of the paper's shortest curves.
const EPOCHS: u32 = 51;
/// Train accuracy on random labels that counts as having fitted them.
const FITTED: f64 = 0.99;
/// Test accuracy on true labels, in times that of guessing.
const TIMES_CHANCE: f64 = 2.5;

/// Whether a claim holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    Fail,
    /// It is not judged, for this reason.
    NotComparable(String),
}

impl Verdict {
    /// For people and programs.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::NotComparable(_) => "not comparable at this scale",
        }
    }

    fn of(holds: bool) -> Verdict {
        if holds { Verdict::Pass } else { Verdict::Fail }
    }
}

/// A claim and what became of it.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    /// What is claimed.
    pub text: String,
    pub verdict: Verdict,
    /// The numbers that it was judged by.
    pub found: String,
}

/// The claims about an experiment.
pub(super) fn claims(experiment: Option<Experiment>, groups: &[Group]) -> Vec<Claim> {
    match experiment {
        Some(Experiment::Fig1a) => [
            random_labels_fit(groups),
            true_labels_generalise(groups),
            random_takes_longer(groups),
            shuffled_equals_true(groups),
            order_of_fig1a(groups),
        ]
        .concat(),
        Some(Experiment::Fig1b) => {
            [random_takes_longer(groups), rising_error(groups), fig1b(groups), fig1c(groups)].concat()
        }
        Some(Experiment::Table1) => {
            [random_labels_fit(groups), true_labels_generalise(groups), table1(groups)].concat()
        }
        Some(Experiment::Table4) => table4(groups),
        Some(Experiment::Fig2b) => fig2b(groups),
        Some(Experiment::Table2) => vec![table2(groups)],
        Some(Experiment::Rademacher) => rademacher(groups),
        _ => Vec::new(),
    }
}

/// The network was trained as the paper's, on all that the paper uses.
fn differs_from_paper(group: &Group) -> Option<String> {
    let config = &group.config;
    let Some(run) = group.runs.first() else { return Some("no run has finished an epoch".into()) };
    let data = &run.manifest.data;
    if data.generated || data.kind != "cifar10" {
        return Some(format!("data set {}", data.kind));
    }
    if !config.model.is_the_papers() {
        return Some(format!("{} is not the paper's", config.model));
    }
    if run.manifest.samples != [50_000, 10_000] {
        let [train, test] = run.manifest.samples;
        return Some(format!("{train} training and {test} test samples"));
    }
    let settings = [
        ("learning rate", config.lr.to_string(), config.model.default_lr().to_string()),
        ("momentum", config.momentum.to_string(), "0.9".to_owned()),
        ("batch", config.batch.to_string(), "128".to_owned()),
        ("normalisation", config.normalise.name().to_owned(), "whiten".to_owned()),
        ("dropout", config.dropout.to_string(), "0".to_owned()),
    ];
    if let Some((what, found, expected)) = settings.into_iter().find(|(_, found, expected)| found != expected)
    {
        return Some(format!("{what} {found}, the paper's is {expected}"));
    }
    // Of random labels under crops and augmentation the paper says 0.999, and more epochs.
    if config.lr_decay != 0.95 && !(config.lr_decay == 0.999 && (random_crop(group) || config.flip)) {
        return Some(format!("learning rate x {} per epoch", config.lr_decay));
    }
    if config.epochs < EPOCHS || config.until_loss.is_some() {
        return Some("runs shorter than the paper's".into());
    }
    if group.runs.len() < SEEDS {
        return Some(format!("{} seed{}", group.runs.len(), if group.runs.len() == 1 { "" } else { "s" }));
    }
    (!group.is_complete()).then(|| "runs are not finished".into())
}

fn is_mlp(group: &Group) -> bool {
    matches!(group.config.model, ModelName::Mlp1x512 | ModelName::Mlp3x512)
}

/// The share of labels that are redrawn, where nothing else is corrupted.
pub(super) fn share(group: &Group) -> Option<f64> {
    let spec = &group.config.corruption;
    if spec.inputs != rfx_loader::corrupt::InputSpec::default() {
        return None;
    }
    match spec.labels {
        LabelSpec::Clean {} => Some(0.0),
        LabelSpec::Uniform { p, exclude_true: false, exact: false, resample: 0.0 } => Some(p),
        _ => None,
    }
}

fn input_name(group: &Group) -> String {
    group.config.corruption.inputs.to_string()
}

fn is_plain(group: &Group) -> bool {
    group.config.weight_decay == 0.0 && !group.config.flip && group.config.rotate == 0 && !random_crop(group)
}

/// Whether training images are cropped at random.
pub(super) fn random_crop(group: &Group) -> bool {
    matches!(group.config.crop, Some(rfx_loader::Crop::Random(_) | rfx_loader::Crop::RandomResized { .. }))
}

fn chance(group: &Group) -> f64 {
    group.runs.first().map_or(0.1, Run::chance)
}

fn test_samples(group: &Group) -> f64 {
    group.runs.first().map_or(1.0, |run| run.manifest.samples[1].max(1) as f64)
        * group.runs.len().max(1) as f64
}

/// Deviation of a share `p` counted among `n`.
fn binomial(p: f64, n: f64) -> f64 {
    (p * (1.0 - p) / n).sqrt()
}

fn percent(mean: Mean) -> String {
    match mean.sd {
        Some(sd) => format!("{:.2} ± {:.2} %", 100.0 * mean.mean, 100.0 * sd),
        None => format!("{:.2} %", 100.0 * mean.mean),
    }
}

fn mlps(groups: &[Group]) -> impl Iterator<Item = &Group> {
    groups.iter().filter(|group| is_mlp(group) && is_plain(group))
}

/// Table 2 is never judged: its optimiser, its 50 asynchronous workers and much of its schedule are not here.
fn table2(groups: &[Group]) -> Claim {
    let is_the_papers = groups.iter().all(|group| group.config.model == ModelName::InceptionV3);
    let why = match is_the_papers {
        true => "another optimiser and schedule, and perhaps another data set",
        false => "another network and another data set",
    };
    Claim {
        text: "Table 2: accuracies of Inception v3 on ImageNet".into(),
        verdict: Verdict::NotComparable(why.into()),
        found: String::new(),
    }
}

/// Claim a.
fn random_labels_fit(groups: &[Group]) -> Vec<Claim> {
    let random = mlps(groups).filter(|group| share(group) == Some(1.0));
    let judged = random.filter_map(|group| {
        let (train, test) = (group.train()?, group.test()?);
        let chance = chance(group);
        let limit = 3.0 * binomial(chance, test_samples(group));
        Some(Claim {
            text: format!(
                "(a) {} fits random labels: train accuracy at least 99 %, test accuracy within 3 deviations of {:.0} %",
                group.config.model.title(),
                100.0 * chance
            ),
            verdict: Verdict::of(train.mean >= FITTED && (test.mean - chance).abs() <= limit),
            found: format!("train {}, test {} (3 deviations: {:.2} points)", percent(train), percent(test), 100.0 * limit),
        })
    });
    judged.collect()
}

/// Claim b.
fn true_labels_generalise(groups: &[Group]) -> Vec<Claim> {
    let plain = mlps(groups).filter(|group| share(group) == Some(0.0));
    let judged = plain.filter_map(|group| {
        let (test, least) = (group.test()?, TIMES_CHANCE * chance(group));
        Some(Claim {
            text: format!(
                "(b) {} generalises from true labels: test accuracy at least 2.5 times that of guessing",
                group.config.model.title()
            ),
            verdict: Verdict::of(test.mean >= least),
            found: format!("test {} (at least {:.0} %)", percent(test), 100.0 * least),
        })
    });
    judged.collect()
}

/// Claim c.
fn random_takes_longer(groups: &[Group]) -> Vec<Claim> {
    let of = |model, p| mlps(groups).find(|group| group.config.model == model && share(group) == Some(p));
    let judged = [ModelName::Mlp1x512, ModelName::Mlp3x512].into_iter().filter_map(|model| {
        let (random, plain) = (of(model, 1.0)?, of(model, 0.0)?);
        if random.runs.is_empty() || plain.runs.is_empty() {
            return None;
        }
        let longer = match (random.fit(), plain.fit()) {
            (Some(random), Some(plain)) => random.mean > plain.mean,
            // One that did not fit took longer than it ran.
            (None, Some(plain)) => random.runs.iter().all(|run| f64::from(run.epochs()) > plain.mean),
            _ => false,
        };
        Some(Claim {
            text: format!("(c) {} takes more epochs to fit random labels than true ones", model.title()),
            verdict: Verdict::of(longer),
            found: format!("random {}, true {}", random.fit_cell(), plain.fit_cell()),
        })
    });
    judged.collect()
}

/// Claim d.
fn shuffled_equals_true(groups: &[Group]) -> Vec<Claim> {
    let judged = mlps(groups).filter(|group| input_name(group) == "shuffled-pixels").filter_map(|shuffled| {
        let plain = mlps(groups).find(|group| {
            group.config.model == shuffled.config.model && share(group) == Some(0.0)
        })?;
        let (a, b) = (shuffled.test()?, plain.test()?);
        // With several seeds the deviation over them; of one seed only that of counting is known.
        let pooled = match (a.sd, b.sd) {
            (Some(x), Some(y)) => ((x * x + y * y) / 2.0).sqrt(),
            _ => (binomial(a.mean, test_samples(shuffled)).powi(2) + binomial(b.mean, test_samples(plain)).powi(2)).sqrt(),
        };
        Some(Claim {
            text: format!(
                "(d) {} cannot tell shuffled pixels from true ones: test accuracies within 2 pooled deviations",
                shuffled.config.model.title()
            ),
            verdict: Verdict::of((a.mean - b.mean).abs() <= 2.0 * pooled),
            found: format!("shuffled {}, true {} (2 deviations: {:.2} points)", percent(a), percent(b), 200.0 * pooled),
        })
    });
    judged.collect()
}

/// Claim e.
fn rising_error(groups: &[Group]) -> Vec<Claim> {
    let mut out = Vec::new();
    for model in [ModelName::Mlp1x512, ModelName::Mlp3x512] {
        let mut points: Vec<(f64, f64, f64)> = mlps(groups)
            .filter(|group| group.config.model == model)
            .filter_map(|group| Some((share(group)?, 1.0 - group.test()?.mean, test_samples(group))))
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        if points.len() < 3 {
            continue;
        }
        let falls = points.iter().zip(points.iter().skip(1)).filter(|(a, b)| {
            let noise = (binomial(a.1, a.2).powi(2) + binomial(b.1, b.2).powi(2)).sqrt();
            a.1 - b.1 > 2.0 * noise
        });
        let falls: Vec<String> =
            falls.map(|(a, b)| format!("from {:.3} at {} to {:.3} at {}", a.1, a.0, b.1, b.0)).collect();
        let ends = (points.first(), points.last());
        out.push(Claim {
            text: format!(
                "(e) {}'s test error rises with the share of redrawn labels: no step falls by more than 2 deviations",
                model.title()
            ),
            verdict: Verdict::of(falls.is_empty()),
            found: match (falls.is_empty(), ends) {
                (true, (Some(first), Some(last))) => format!("{:.3} at {} to {:.3} at {}", first.1, first.0, last.1, last.0),
                _ => falls.join("; "),
            },
        });
    }
    out
}

/// A claim of the paper's: judged if `group` was trained as there.
fn judged(text: String, groups: &[&Group], holds: impl FnOnce() -> Option<(bool, String)>) -> Claim {
    if let Some(why) = groups.iter().find_map(|group| differs_from_paper(group)) {
        return Claim { text, verdict: Verdict::NotComparable(why), found: String::new() };
    }
    match holds() {
        Some((holds, found)) => Claim { text, verdict: Verdict::of(holds), found },
        None => Claim { text, verdict: Verdict::Fail, found: "a run did not fit".into() },
    }
}

fn order_of_fig1a(groups: &[Group]) -> Vec<Claim> {
    let of = |name: &str| {
        groups.iter().find(|group| {
            group.config.model == ModelName::Inception
                && match name {
                    "true" => share(group) == Some(0.0),
                    "random-labels" => share(group) == Some(1.0),
                    inputs => input_name(group) == inputs,
                }
        })
    };
    let names = ["true", "shuffled-pixels", "gaussian", "random-pixels", "random-labels"];
    let found: Vec<&Group> = names.iter().filter_map(|name| of(name)).collect();
    let text = "Figure 1a: Inception fits true labels first, then shuffled pixels, Gaussian images, random pixels, random labels";
    if found.len() < names.len() {
        let verdict = Verdict::NotComparable(
            "the order is that of a convolutional network's curves, the small Inception's".into(),
        );
        return vec![Claim { text: text.into(), verdict, found: noise_first(groups) }];
    }
    vec![judged(text.into(), &found, || {
        let epochs: Option<Vec<f64>> = found.iter().map(|group| group.fit().map(|mean| mean.mean)).collect();
        let epochs = epochs?;
        let rises = epochs.iter().zip(epochs.iter().skip(1)).all(|(a, b)| a < b);
        Some((
            rises,
            format!(
                "epochs to fit: {}",
                epochs.iter().map(|e| format!("{e:.1}")).collect::<Vec<_>>().join(", ")
            ),
        ))
    })]
}

/// Why an MLP's curves come in another order, where there are such curves.
fn noise_first(groups: &[Group]) -> String {
    let epochs = |noise: bool| {
        let of = mlps(groups).filter(|group| match noise {
            true => ["gaussian", "random-pixels"].contains(&input_name(group).as_str()),
            false => share(group) == Some(0.0),
        });
        of.filter(|group| !group.runs.is_empty()).map(Group::fit_cell).collect::<Vec<_>>()
    };
    let (noise, plain) = (epochs(true), epochs(false));
    if noise.is_empty() || plain.is_empty() {
        return String::new();
    }
    format!(
        "an MLP fits noise first ({} epochs, true labels {}): images of independent noise are nearly orthogonal to each \
         other, so it moves its answer for one almost without touching the others",
        noise.join(" and "),
        plain.join(", ")
    )
}

fn by_share(groups: &[Group], model: ModelName) -> Vec<(f64, &Group)> {
    let mut all: Vec<(f64, &Group)> = groups
        .iter()
        .filter(|group| group.config.model == model)
        .filter_map(|group| Some((share(group)?, group)))
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all
}

fn fig1b(groups: &[Group]) -> Vec<Claim> {
    let all = by_share(groups, ModelName::Inception);
    let text = "Figure 1b: Inception takes 2.5 to 4.5 times as long for random labels as for true ones, and longer the more labels are redrawn";
    let Some((first, last)) = all.first().zip(all.last()) else {
        let verdict = Verdict::NotComparable("the small Inception was not run".into());
        return vec![Claim { text: text.into(), verdict, found: String::new() }];
    };
    let members: Vec<&Group> = all.iter().map(|(_, group)| *group).collect();
    vec![judged(text.into(), &members, || {
        let ratio = last.1.fit()?.mean / first.1.fit()?.mean;
        let epochs: Option<Vec<f64>> =
            all.iter().map(|(_, group)| group.fit().map(|mean| mean.mean)).collect();
        let epochs = epochs?;
        // Two neighbours may be as long: the paper's own are, twice.
        let rising = epochs.iter().zip(epochs.iter().skip(1)).all(|(a, b)| b >= a);
        Some(((2.5..=4.5).contains(&ratio) && rising, format!("{ratio:.2} times; epochs {epochs:?}")))
    })]
}

fn fig1c(groups: &[Group]) -> Vec<Claim> {
    let claims = paper::FIG_1C.iter().filter_map(|(model, errors)| {
        let all = by_share(groups, *model);
        if all.is_empty() {
            return None;
        }
        let members: Vec<&Group> = all.iter().map(|(_, group)| *group).collect();
        let text = format!(
            "Figure 1c: {}'s test error against same-p labels is within 0.03 of the paper's at every p",
            model.title()
        );
        Some(judged(text, &members, || {
            let differences = all.iter().filter_map(|(p, group)| {
                let paper = paper::SHARES.iter().zip(errors).find(|(share, _)| (*share - p).abs() < 1e-9)?.1;
                Some((1.0 - group.test_given()?.mean - paper).abs())
            });
            let most = differences.fold(0.0, f64::max);
            Some((most <= 0.03, format!("largest difference {most:.3}")))
        }))
    });
    claims.collect()
}

fn table1(groups: &[Group]) -> Vec<Claim> {
    let mut out = Vec::new();
    for group in groups.iter().filter(|group| share(group) == Some(1.0) && is_plain(group)) {
        let text = format!(
            "Table 1: {} fits random labels to 99 % or more, and its test accuracy is 10 ± 1 %",
            group.config.model.title()
        );
        out.push(judged(text, &[group], || {
            let (train, test) = (group.train()?, group.test()?);
            let holds = train.mean >= FITTED && (test.mean - 0.1).abs() <= 0.01;
            Some((holds, format!("train {}, test {}", percent(train), percent(test))))
        }));
    }
    let plain = groups.iter().find(|group| {
        group.config.model == ModelName::Inception && share(group) == Some(0.0) && is_plain(group)
    });
    if let Some(group) = plain {
        let text = "Table 1: Inception without regularisers reaches 84 to 88 % on the test set".into();
        out.push(judged(text, &[group], || {
            let test = group.test()?;
            Some(((0.84..=0.88).contains(&test.mean), format!("test {}", percent(test))))
        }));
    }
    out
}

fn table4(groups: &[Group]) -> Vec<Claim> {
    // AlexNet "failed to converge" there: with which weight decay is not said, so nothing is claimed of it.
    let converged = |group: &Group, what: &str| {
        let of = |row: &&(ModelName, &str, Option<f64>)| row.0 == group.config.model && row.1 == what;
        paper::TABLE_4.iter().find(of).is_some_and(|row| row.2.is_some())
    };
    let rows = groups.iter().filter(|group| share(group) == Some(1.0) && !group.runs.is_empty());
    let claims = rows.filter_map(|group| {
        let what = super::table::regulariser(group);
        if !converged(group, &what) {
            return None;
        }
        let text = format!(
            "Table 4: {} fits random labels with {what} as far as the paper's (99 % or more)",
            group.config.model.title()
        );
        Some(judged(text, &[group], || {
            let train = group.train()?;
            Some((train.mean >= FITTED, format!("train {}", percent(train))))
        }))
    });
    claims.collect()
}

fn fig2b(groups: &[Group]) -> Vec<Claim> {
    let of = |model| groups.iter().find(|group| group.config.model == model);
    let text = "Figure 2b: batch normalisation is worth about 3 to 4 points of test accuracy (Table 1: 85.75 and 82.00 %)";
    match (of(ModelName::Inception), of(ModelName::InceptionNoBn)) {
        (Some(with), Some(without)) => vec![judged(text.into(), &[with, without], || {
            let gain = with.test()?.mean - without.test()?.mean;
            Some(((0.01..=0.06).contains(&gain), format!("{:.2} points", 100.0 * gain)))
        })],
        _ => vec![Claim {
            text: text.into(),
            verdict: Verdict::NotComparable("not the paper's network".into()),
            found: String::new(),
        }],
    }
}

fn rademacher(groups: &[Group]) -> Vec<Claim> {
    let claims = groups.iter().filter_map(|group| {
        let train = group.train()?;
        let fitted = group.runs.iter().all(|run| matches!(run.fit(), Fit::After(_)));
        Some(Claim {
            text: format!(
                "{} fits random signs: the empirical Rademacher complexity is close to 1 (at least 0.98)",
                group.config.model.title()
            ),
            verdict: Verdict::of(2.0 * train.mean - 1.0 >= 0.98),
            found: format!(
                "{:.4} over {} draw{}{}",
                2.0 * train.mean - 1.0,
                train.n,
                if train.n == 1 { "" } else { "s" },
                if fitted { "" } else { ", not all fitted" }
            ),
        })
    });
    claims.collect()
}

#[cfg(test)]
mod tests {
    use rfx_loader::digest::Hasher;

    use super::*;
    use crate::{
        config::Options,
        folder::{Applied, DataManifest, LabelManifest, Outcome, RunManifest},
        metrics::{EpochMetrics, Score},
    };

    /// What a run of `config` found: train and test accuracy, and the epoch at whose end it fitted.
    struct Found {
        train: f64,
        test: f64,
        fitted: Option<u32>,
    }

    fn score(samples: u64, loss: f64, accuracy: f64) -> Score {
        let none = None;
        Score {
            samples,
            loss,
            accuracy,
            top5: none,
            clean_loss: none,
            clean_accuracy: none,
            corrupted_loss: none,
            corrupted_accuracy: none,
        }
    }

    fn run(config: &crate::config::RunConfig, samples: [u64; 2], found: &Found) -> Run {
        let digest = Hasher::new("test").finish();
        let line = |epoch: u32| {
            let fits = found.fitted.is_some_and(|fitted| epoch >= fitted);
            EpochMetrics {
                epoch,
                step: u64::from(epoch),
                lr: config.lr,
                running: score(samples[0], 1.0, found.train),
                train: score(samples[0], if fits { 0.01 } else { 1.0 }, found.train),
                test: score(samples[1], 1.0, found.test),
                test_given: None,
                seconds: 1.0,
                evaluation_seconds: 0.5,
                loader_wait_seconds: 0.0,
            }
        };
        let words = |text: &str| text.to_owned();
        let manifest = RunManifest {
            schema: words("rfx.run/1"),
            config: config.clone(),
            data: DataManifest {
                kind: words("cifar10"),
                generated: false,
                content: digest,
                pack: digest,
                classes: 10,
                shape: [3, 32, 32],
            },
            spec: digest,
            corruption_seed: 1,
            applied: Applied {
                train_labels: words("clean"),
                train_inputs: words("clean"),
                test_labels: words("clean"),
                test_inputs: words("clean"),
            },
            labels: LabelManifest { nominal_rate: 0.0, expected_changed: 0.0, realised_changed: 0.0, digest },
            network: config.model.title(),
            parameters: 1,
            samples,
            steps_per_epoch: 391,
            rfx: words("0"),
            libtorch: words("0"),
            outcome: Some(Outcome {
                epochs: config.epochs,
                fitted: None,
                best: None,
                kept: None,
                stopped_early: false,
            }),
        };
        Run {
            label: String::new(),
            folder: String::new(),
            manifest,
            metrics: (1..=config.epochs).map(line).collect(),
            forgetting: None,
        }
    }

    /// A group of `seeds` runs with these options, alike but for what `found` says of each.
    fn group(sets: &[&str], samples: [u64; 2], found: &[Found]) -> Group {
        let mut options = Options { data: Some("d".into()), threads: Some(1), ..Options::default() };
        for set in sets {
            options = Options::from_set(set).unwrap().over(options);
        }
        let config = options.resolve().unwrap();
        let runs = found.iter().map(|found| run(&config, samples, found)).collect();
        Group { config, runs, planned: found.len() }
    }

    const ALL: [u64; 2] = [50_000, 10_000];
    const FEW: [u64; 2] = [10_000, 10_000];

    fn found(train: f64, test: f64, fitted: u32) -> Found {
        Found { train, test, fitted: (fitted > 0).then_some(fitted) }
    }

    fn verdicts(experiment: Experiment, groups: &[Group], about: &str) -> Vec<&'static str> {
        let claims = claims(Some(experiment), groups);
        claims.iter().filter(|claim| claim.text.contains(about)).map(|claim| claim.verdict.name()).collect()
    }

    const OPEN: &str = "not comparable at this scale";

    #[test]
    fn claims_about_what_is_at_hand_are_judged_of_mlps_at_any_size() {
        let random =
            |train, test, fitted| group(&["corruption=random-labels"], FEW, &[found(train, test, fitted)]);
        let plain = |test, fitted| group(&[], FEW, &[found(1.0, test, fitted)]);
        let shuffled = |test| group(&["corruption=shuffled-pixels"], FEW, &[found(1.0, test, 14)]);
        let judged = |groups: &[Group], about| verdicts(Experiment::Fig1a, groups, about);
        let good = [plain(0.44, 14), random(0.999, 0.104, 22), shuffled(0.445)];
        for about in ["(a)", "(b)", "(c)", "(d)"] {
            assert_eq!(judged(&good, about), ["pass"], "{about}");
        }
        assert_eq!(judged(&good, "Figure 1a"), [OPEN]);
        let noise = group(&["corruption=gaussian"], FEW, &[found(1.0, 0.1, 4)]);
        let claims = claims(Some(Experiment::Fig1a), &[plain(0.44, 14), noise]);
        let order = claims.iter().find(|claim| claim.text.starts_with("Figure 1a")).unwrap();
        assert!(order.found.contains("noise first (4 epochs, true labels 14)"), "{}", order.found);
        // Three deviations of 10,000 guesses among ten are 0.9 points.
        for (bad, about) in [
            ([plain(0.44, 14), random(0.989, 0.1, 22), shuffled(0.44)], "(a)"),
            ([plain(0.44, 14), random(0.999, 0.1091, 22), shuffled(0.44)], "(a)"),
            ([plain(0.249, 14), random(0.999, 0.1, 22), shuffled(0.249)], "(b)"),
            ([plain(0.44, 22), random(0.999, 0.1, 22), shuffled(0.44)], "(c)"),
            ([plain(0.44, 0), random(0.999, 0.1, 0), shuffled(0.44)], "(c)"),
            ([plain(0.44, 14), random(0.999, 0.1, 22), shuffled(0.42)], "(d)"),
        ] {
            assert_eq!(judged(&bad, about), ["fail"], "{about}");
        }
        // What did not fit in all its epochs took longer than what did.
        assert_eq!(judged(&[plain(0.44, 14), random(0.9, 0.1, 0), shuffled(0.44)], "(c)"), ["pass"]);
    }

    #[test]
    fn the_error_may_not_fall_beyond_noise() {
        let at = |p: &str, test| {
            group(&[&format!("corruption=partially-corrupted:{p}")], FEW, &[found(1.0, test, 9)])
        };
        let judged = |tests: [f64; 3]| {
            let groups = [at("0.2", tests[0]), at("0.8", tests[2]), at("0.5", tests[1])];
            verdicts(Experiment::Fig1b, &groups, "(e)")
        };
        assert_eq!(judged([0.4, 0.3, 0.2]), ["pass"]);
        assert_eq!(judged([0.4, 0.3, 0.31]), ["pass"], "a point is less than two deviations");
        assert_eq!(judged([0.4, 0.3, 0.32]), ["fail"]);
    }

    #[test]
    fn numbers_of_the_paper_need_its_network_its_data_and_three_seeds() {
        let three = |train, test| [found(train, test, 60), found(train, test, 60), found(train, test, 60)];
        let judged = |sets: &[&str], samples, found: &[Found]| {
            let sets = [&["corruption=random-labels"], sets].concat();
            verdicts(Experiment::Table1, &[group(&sets, samples, found)], "Table 1")
        };
        assert_eq!(judged(&[], ALL, &three(0.995, 0.1)), ["pass"]);
        assert_eq!(judged(&[], ALL, &three(0.989, 0.1)), ["fail"]);
        assert_eq!(judged(&[], ALL, &three(0.995, 0.111)), ["fail"]);
        assert_eq!(judged(&[], FEW, &three(0.995, 0.1)), [OPEN]);
        assert_eq!(judged(&[], ALL, &three(0.995, 0.1)[..2]), [OPEN]);
        for other in
            ["lr=0.02", "epochs=20", "until-loss=0.05", "batch=64", "model=resnet-18", "lr-decay=0.98"]
        {
            assert_eq!(judged(&[other], ALL, &three(0.995, 0.1)), [OPEN], "{other}");
        }
        let inception = |test| {
            let group = group(&["model=inception"], ALL, &three(1.0, test));
            verdicts(Experiment::Table1, &[group], "84 to 88")
        };
        assert_eq!((inception(0.86), inception(0.83)), (vec!["pass"], vec!["fail"]));
    }

    #[test]
    fn table_4_claims_what_the_paper_could_fit() {
        let judged = |model: &str| {
            let sets = ["corruption=random-labels", "weight-decay=default", &format!("model={model}")];
            let three = [found(0.995, 0.1, 60), found(0.995, 0.1, 60), found(0.995, 0.1, 60)];
            verdicts(Experiment::Table4, &[group(&sets, ALL, &three)], "Table 4")
        };
        assert_eq!(judged("mlp-1x512"), ["pass"]);
        assert!(judged("alexnet").is_empty(), "it failed to converge there");
    }

    #[test]
    fn the_order_of_figure_1a_is_inceptions() {
        let of = |corruption: &str, fitted| {
            let sets = ["model=inception", &format!("corruption={corruption}")];
            group(&sets, ALL, &[found(1.0, 0.5, fitted), found(1.0, 0.5, fitted), found(1.0, 0.5, fitted)])
        };
        let judged = |epochs: [u32; 5]| {
            let names = ["true-labels", "shuffled-pixels", "gaussian", "random-pixels", "random-labels"];
            let groups: Vec<Group> =
                names.iter().zip(epochs).map(|(name, epochs)| of(name, epochs)).collect();
            verdicts(Experiment::Fig1a, &groups, "Figure 1a")
        };
        assert_eq!(judged([10, 15, 21, 23, 36]), ["pass"]);
        assert_eq!(judged([10, 15, 23, 21, 36]), ["fail"]);
        assert_eq!(judged([10, 15, 21, 23, 0]), ["fail"], "a run that did not fit is not dropped");
    }
}
