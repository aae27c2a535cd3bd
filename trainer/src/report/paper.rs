//! The numbers of Zhang et al. 2017 (arXiv:1611.03530), and which runs may be put beside them.

use rfx_loader::Crop;

use super::{run::Run, text};
use crate::model::ModelName;

/// Training and test samples of CIFAR-10, all of which the paper uses.
const SAMPLES: [u64; 2] = [50_000, 10_000];

/// Where the curves of Fig. 1a stop, 26,774 steps; the paper gives no other length.
const EPOCHS: u32 = 69;

/// Two rows of Table 1, of the same network: no random crop, no weight decay. Accuracies in percent, train and test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Row {
    /// The network.
    pub model: ModelName,
    /// With true labels.
    pub true_labels: [f64; 2],
    /// With random labels.
    pub random_labels: [f64; 2],
}

/// Table 1, of all the networks that it has.
const TABLE_1: [Row; 5] = [
    Row { model: ModelName::Mlp1x512, true_labels: [100.0, 50.51], random_labels: [99.34, 10.61] },
    Row { model: ModelName::Mlp3x512, true_labels: [100.0, 52.39], random_labels: [100.0, 10.48] },
    Row { model: ModelName::AlexNet, true_labels: [100.0, 76.07], random_labels: [99.82, 9.86] },
    Row { model: ModelName::Inception, true_labels: [100.0, 85.75], random_labels: [100.0, 9.78] },
    Row { model: ModelName::InceptionNoBn, true_labels: [100.0, 82.00], random_labels: [100.0, 10.12] },
];

/// What may be said of a run beside the paper.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// Table 1 has this experiment: train and test accuracy there in percent, and what still differs.
    Comparable {
        /// Train and test accuracy in the paper, in percent.
        paper: [f64; 2],
        /// What to know before comparing.
        remarks: Vec<String>,
    },
    /// It does not, for these reasons.
    Not(Vec<String>),
}

/// Compares the settings of `run` with those of Table 1.
pub(super) fn compare(run: &Run) -> Verdict {
    let (manifest, config) = (&run.manifest, &run.manifest.config);
    let mut reasons = Vec::new();
    let mut expect = |ok: bool, reason: String| {
        if !ok {
            reasons.push(reason);
        }
    };
    let data = &manifest.data;
    expect(!data.generated, "generated data, and the paper uses CIFAR-10".into());
    expect(
        data.generated || data.kind == "cifar10",
        format!("data set {}, and the paper's table is of CIFAR-10", data.kind),
    );
    expect(manifest.samples == SAMPLES, {
        let [train, test] = manifest.samples.map(text::thousands);
        format!("{train} training and {test} test samples, the paper 50,000 and 10,000")
    });
    expect(config.lr == config.model.default_lr(), {
        format!("learning rate {}, the paper {}", config.lr, config.model.default_lr())
    });
    expect(config.lr_decay == 0.95, format!("rate x {} per epoch, the paper x 0.95", config.lr_decay));
    expect(config.momentum == 0.9, format!("momentum {}, the paper 0.9", config.momentum));
    expect(config.batch == 128, format!("batch {}, the paper's figures show 128", config.batch));
    expect(config.weight_decay == 0.0, format!("weight decay {}", config.weight_decay));
    expect(config.dropout == 0.0, format!("dropout {}", config.dropout));
    expect(
        matches!(config.crop, None | Some(Crop::Center(28))),
        "another crop than the centre 28 x 28".into(),
    );
    expect(!config.flip, "mirrored images".into());
    expect(config.rotate == 0, "turned images".into());
    expect(config.normalise.name() == "whiten", "images not whitened one by one".into());
    expect(
        run.is_true_labels() || run.is_random_labels(),
        "the table has true and random labels only".into(),
    );
    expect(run.last().is_some(), "no finished epoch".into());
    let row = TABLE_1.iter().find(|row| row.model == config.model);
    match row {
        Some(row) if reasons.is_empty() => Verdict::Comparable {
            paper: if run.is_true_labels() { row.true_labels } else { row.random_labels },
            remarks: remarks(run),
        },
        Some(_) => Verdict::Not(reasons),
        None => Verdict::Not(vec![format!("{} is not in the table", config.model.title())]),
    }
}

fn remarks(run: &Run) -> Vec<String> {
    let mut remarks = Vec::new();
    if !run.finished() {
        remarks.push(format!("unfinished, after {} epochs", run.epochs()));
    } else if run.epochs() < EPOCHS {
        remarks.push(format!(
            "stopped after {} epochs; the curves of the paper's Figure 1a go to 68.5",
            run.epochs()
        ));
    }
    // Read off the figures' vector graphics.
    match run.manifest.config.model {
        ModelName::Inception if run.is_true_labels() => {
            remarks.push("the paper's own Figure 2b ends at 86.5 for this row".into());
        }
        ModelName::AlexNet if run.is_true_labels() => {
            remarks.push("the paper's own Figure 1c has 69.9 for this row".into());
        }
        _ => {}
    }
    remarks
}

/// Whether the paper has this network, and with another learning rate.
pub(super) fn has_other_rate(run: &Run) -> bool {
    let config = &run.manifest.config;
    config.model.is_the_papers() && (config.lr != config.model.default_lr() || config.lr_decay != 0.95)
}
