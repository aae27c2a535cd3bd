//! The paper's own numbers (Zhang et al. 2017, arXiv:1611.03530v2): tables from its text, curves from the vector graphics
//! of its figures, to about 0.001.

use crate::model::ModelName;

/// A curve of Figure 1a: the name of the corruption, and (epoch, train loss) of the small Inception on all of CIFAR-10.
pub(super) type Curve = (&'static str, &'static [(f64, f64)]);

/// Figure 1a, the loss at the end of epochs.
pub(super) const FIG_1A: [Curve; 5] = [
    (
        "true-labels",
        &[
            (1.0, 0.839),
            (2.0, 0.546),
            (4.0, 0.330),
            (6.0, 0.206),
            (8.0, 0.098),
            (10.0, 0.047),
            (12.0, 0.009),
            (14.0, 0.001),
            (20.0, 0.0),
        ],
    ),
    (
        "shuffled-pixels",
        &[
            (1.0, 1.468),
            (2.0, 1.319),
            (4.0, 0.890),
            (6.0, 0.612),
            (8.0, 0.373),
            (10.0, 0.220),
            (12.0, 0.132),
            (14.0, 0.050),
            (16.0, 0.005),
            (18.0, 0.001),
            (20.0, 0.0),
        ],
    ),
    (
        "gaussian",
        &[
            (1.0, 2.306),
            (2.0, 2.282),
            (4.0, 2.228),
            (6.0, 2.100),
            (8.0, 1.810),
            (10.0, 1.431),
            (12.0, 1.037),
            (14.0, 0.663),
            (16.0, 0.381),
            (18.0, 0.209),
            (20.0, 0.070),
            (22.0, 0.006),
            (24.0, 0.001),
        ],
    ),
    (
        "random-pixels",
        &[
            (1.0, 2.306),
            (2.0, 2.297),
            (4.0, 2.263),
            (6.0, 2.161),
            (8.0, 1.986),
            (10.0, 1.677),
            (12.0, 1.251),
            (14.0, 0.869),
            (16.0, 0.570),
            (18.0, 0.337),
            (20.0, 0.165),
            (22.0, 0.051),
            (24.0, 0.004),
            (26.0, 0.001),
        ],
    ),
    (
        "random-labels",
        &[
            (1.0, 2.303),
            (2.0, 2.305),
            (4.0, 2.301),
            (6.0, 2.300),
            (8.0, 2.291),
            (10.0, 2.280),
            (12.0, 2.264),
            (14.0, 2.207),
            (16.0, 2.125),
            (18.0, 2.013),
            (20.0, 1.799),
            (22.0, 1.548),
            (24.0, 1.274),
            (26.0, 0.986),
            (28.0, 0.666),
            (30.0, 0.459),
            (32.0, 0.267),
            (34.0, 0.115),
            (36.0, 0.024),
            (38.0, 0.004),
        ],
    ),
];

/// The shares p of Figures 1b and 1c.
pub(super) const SHARES: [f64; 11] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

/// Figure 1b: epochs to overfit over p. The figure shows them over those of p = 0.
pub(super) const FIG_1B: [(ModelName, [f64; 11]); 3] = [
    (ModelName::Inception, [10.0, 16.0, 19.0, 22.0, 24.0, 25.0, 27.0, 29.0, 31.0, 36.0, 36.0]),
    (ModelName::AlexNet, [31.0, 33.0, 34.0, 36.0, 38.0, 39.0, 41.0, 42.0, 44.0, 47.0, 48.0]),
    (ModelName::Mlp1x512, [28.0, 36.0, 40.0, 44.0, 47.0, 50.0, 54.0, 54.0, 55.0, 56.0, 55.0]),
];

/// Figure 1c: test error over p, against test labels that are corrupted with the same p.
pub(super) const FIG_1C: [(ModelName, [f64; 11]); 3] = [
    (ModelName::Inception, [0.128, 0.278, 0.406, 0.524, 0.629, 0.710, 0.785, 0.841, 0.879, 0.902, 0.902]),
    (ModelName::AlexNet, [0.301, 0.412, 0.522, 0.619, 0.692, 0.763, 0.820, 0.858, 0.881, 0.890, 0.901]),
    (ModelName::Mlp1x512, [0.495, 0.585, 0.657, 0.719, 0.757, 0.796, 0.865, 0.865, 0.883, 0.894, 0.898]),
];

/// Figure 2b: test accuracy by epoch with and without batch normalisation.
pub(super) const FIG_2B: [(ModelName, &[(f64, f64)]); 2] = [
    (
        ModelName::Inception,
        &[
            (1.0, 0.689),
            (2.0, 0.780),
            (3.0, 0.795),
            (5.0, 0.834),
            (10.0, 0.849),
            (15.0, 0.866),
            (20.0, 0.867),
            (51.0, 0.865),
        ],
    ),
    (
        ModelName::InceptionNoBn,
        &[
            (1.0, 0.661),
            (2.0, 0.685),
            (3.0, 0.747),
            (5.0, 0.791),
            (10.0, 0.784),
            (15.0, 0.823),
            (20.0, 0.821),
            (51.0, 0.849),
        ],
    ),
];

/// A row of Table 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row1 {
    pub model: ModelName,
    pub random_labels: bool,
    pub crop: bool,
    pub decay: bool,
    /// Train and test accuracy in percent.
    pub accuracy: [f64; 2],
}

const fn row(model: ModelName, labels: bool, crop: bool, decay: bool, train: f64, test: f64) -> Row1 {
    Row1 { model, random_labels: labels, crop, decay, accuracy: [train, test] }
}

/// Table 1.
pub(super) const TABLE_1: [Row1; 19] = [
    row(ModelName::Inception, false, true, true, 100.0, 89.05),
    row(ModelName::Inception, false, true, false, 100.0, 89.31),
    row(ModelName::Inception, false, false, true, 100.0, 86.03),
    row(ModelName::Inception, false, false, false, 100.0, 85.75),
    row(ModelName::Inception, true, false, false, 100.0, 9.78),
    row(ModelName::InceptionNoBn, false, false, true, 100.0, 83.00),
    row(ModelName::InceptionNoBn, false, false, false, 100.0, 82.00),
    row(ModelName::InceptionNoBn, true, false, false, 100.0, 10.12),
    row(ModelName::AlexNet, false, true, true, 99.90, 81.22),
    row(ModelName::AlexNet, false, true, false, 99.82, 79.66),
    row(ModelName::AlexNet, false, false, true, 100.0, 77.36),
    row(ModelName::AlexNet, false, false, false, 100.0, 76.07),
    row(ModelName::AlexNet, true, false, false, 99.82, 9.86),
    row(ModelName::Mlp3x512, false, false, true, 100.0, 53.35),
    row(ModelName::Mlp3x512, false, false, false, 100.0, 52.39),
    row(ModelName::Mlp3x512, true, false, false, 100.0, 10.48),
    row(ModelName::Mlp1x512, false, false, true, 99.80, 50.39),
    row(ModelName::Mlp1x512, false, false, false, 100.0, 50.51),
    row(ModelName::Mlp1x512, true, false, false, 99.34, 10.61),
];

/// A row of Table 2, Inception v3 on ImageNet: random labels, augmentation, dropout, weight decay; then in percent top-1 and
/// top-5 train accuracy, top-1 and top-5 test accuracy, and the best test accuracies of the run where the table has them.
pub(super) type Row2 = ([bool; 4], [f64; 2], [f64; 2], Option<[f64; 2]>);

/// Table 2. The first number of its third row is very likely a misprint of about 99.6.
pub(super) const TABLE_2: [Row2; 7] = [
    ([false, true, true, true], [92.18, 99.21], [77.84, 93.92], None),
    ([false, true, false, false], [92.33, 99.17], [72.95, 90.43], None),
    ([false, false, false, true], [90.60, 100.0], [67.18, 86.44], Some([72.57, 91.31])),
    ([false, false, false, false], [99.53, 100.0], [59.80, 80.38], Some([63.16, 84.49])),
    ([true, false, true, true], [91.18, 97.95], [0.09, 0.49], None),
    ([true, false, false, true], [87.81, 96.15], [0.12, 0.50], None),
    ([true, false, false, false], [95.20, 99.14], [0.11, 0.56], None),
];

/// A row of Table 4: network, what is done, training accuracy in percent; none where it "failed to converge".
pub(super) const TABLE_4: [(ModelName, &str, Option<f64>); 6] = [
    (ModelName::Inception, "weight decay", Some(100.0)),
    (ModelName::AlexNet, "weight decay", None),
    (ModelName::Mlp3x512, "weight decay", Some(100.0)),
    (ModelName::Mlp1x512, "weight decay", Some(99.21)),
    (ModelName::Inception, "random cropping", Some(99.93)),
    (ModelName::Inception, "augmentation", Some(99.28)),
];

/// Rows of Table 3: data, preprocessing, test error in percent.
pub(super) const TABLE_3: [(&str, &str, f64); 4] = [
    ("mnist", "pixels", 1.2),
    ("mnist", "gabor", 0.6),
    ("cifar10", "pixels", 46.0),
    ("cifar10", "random-patches", 17.0),
];
