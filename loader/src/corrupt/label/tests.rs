//! Label noise against its definitions.

use super::{super::CorruptionSpec, *};
use crate::dataset::Class;

const CLASSES: usize = 10;
const N: i64 = 50_000;

fn classes() -> Vec<Class> {
    let names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
    names.map(Class::named).to_vec()
}

fn resolve(text: &str, seed: u64) -> (Vec<i64>, Vec<i64>, LabelTable) {
    let ids: Vec<i64> = (0..N).collect();
    let labels: Vec<i64> = ids.iter().map(|i| (i * 7 + i / 10) % 10).collect();
    let spec: CorruptionSpec = text.parse().unwrap();
    let classes = classes();
    let samples = Samples { ids: &ids, labels: &labels, classes: &classes, images: no_images() };
    let table =
        LabelTable::resolve(&spec.labels, seed, &samples, Poison::of(&spec.inputs, seed, true)).unwrap();
    (ids, labels, table)
}

fn drawn(text: &str, seed: u64, epoch: u32) -> Vec<(i64, i64, LabelRule)> {
    let (ids, labels, table) = resolve(text, seed);
    let at = |(&id, &old): (&i64, &i64)| {
        let (new, rule) = table.at(id as usize, id, old, epoch);
        (old, new, rule)
    };
    ids.iter().zip(&labels).map(at).collect()
}

/// A number that chi-square with `df` degrees of freedom exceeds once in 10,000 true samples (Wilson & Hilferty 1931).
fn critical(df: f64) -> f64 {
    df * (1.0 - 2.0 / (9.0 * df) + 3.72 * (2.0 / (9.0 * df)).sqrt()).powi(3)
}

/// The nominal transition matrix of a kind, written out from its definition.
fn nominal(text: &str) -> [[f64; CLASSES]; CLASSES] {
    let mut t = [[0.0; CLASSES]; CLASSES];
    let flips: Vec<(usize, usize, f64)> = match text {
        "pair-flip" => (0..10).map(|y| (y, (y + 1) % 10, 0.45)).collect(),
        "asymmetric" => [(9, 1), (2, 0), (4, 7), (3, 5), (5, 3)].map(|(y, k)| (y, k, 0.4)).to_vec(),
        // Class y keeps 0.5 + 0.05 y; the others get shares that rise with their number.
        _ => (0..10)
            .flat_map(|y: usize| {
                let others: f64 = (0..10).filter(|&k| k != y).map(|k| k as f64).sum();
                (0..10)
                    .filter(move |&k| k != y)
                    .map(move |k| (y, k, (0.5 - 0.05 * y as f64) * k as f64 / others))
            })
            .collect(),
    };
    for (y, row) in t.iter_mut().enumerate() {
        row[y] = 1.0;
    }
    for (y, k, p) in flips {
        t[y][k] += p;
        t[y][y] -= p;
    }
    t
}

fn uniform(p: f64, exclude_true: bool) -> [[f64; CLASSES]; CLASSES] {
    let off = if exclude_true { p / 9.0 } else { p / 10.0 };
    std::array::from_fn(|y| std::array::from_fn(|k| if y == k { 1.0 - 9.0 * off } else { off }))
}

/// The matrix of [`nominal`] as a file.
fn matrix_file() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("T.csv");
    let line = |row: [f64; CLASSES]| row.map(|p| p.to_string()).join(",");
    std::fs::write(&path, nominal("matrix").map(line).join("\n")).unwrap();
    let text = path.to_str().unwrap().to_owned();
    (folder, text)
}

/// The realised counts of every (old, new) pair against the nominal transition matrix, by chi-square: a true
/// implementation fails once in 10,000 times for each of the 27 cases; seeds are fixed, so the test never flickers.
/// What the matrix says never happens never does.
#[test]
fn transition_matrix_fits_by_chi_square() {
    let (_folder, file) = matrix_file();
    for (text, expected) in [
        ("labels=uniform:p=0.5".to_owned(), uniform(0.5, false)),
        ("labels=uniform:p=1".into(), uniform(1.0, false)),
        ("labels=uniform:p=0.4,exclude-true".into(), uniform(0.4, true)),
        ("labels=uniform:p=0.25,exact".into(), uniform(0.25, false)),
        ("labels=uniform:p=0.5,resample=1".into(), uniform(0.5, false)),
        ("labels=pair-flip:p=0.45".into(), nominal("pair-flip")),
        ("labels=asymmetric:p=0.4".into(), nominal("asymmetric")),
        (format!("labels=matrix:file={file}"), nominal("matrix")),
        (format!("labels=matrix:file={file},exact,resample=1"), nominal("matrix")),
    ] {
        for (seed, epoch) in [(1, 0), (2, 0), (1, 4)] {
            let mut counts = [[0f64; CLASSES]; CLASSES];
            for (old, new, _) in drawn(&text, seed, epoch) {
                counts[old as usize][new as usize] += 1.0;
            }
            let (mut chi, mut df) = (0.0, 0.0);
            for (counts, row) in counts.iter().zip(expected) {
                let n: f64 = counts.iter().sum();
                for (&count, p) in counts.iter().zip(row) {
                    if p < 1e-12 {
                        assert_eq!(count, 0.0, "{text}: an impossible flip");
                    } else {
                        chi += (count - n * p).powi(2) / (n * p);
                        df += 1.0;
                    }
                }
                df -= 1.0; // a row adds up
            }
            assert!(chi < critical(df), "{text} seed {seed} epoch {epoch}: {chi} of {df}");
        }
    }
}

#[test]
fn exact_counts_of_conditional_noise_are_exact_in_every_class() {
    let (_folder, file) = matrix_file();
    for (text, t) in [
        ("labels=pair-flip:p=0.45,exact".to_owned(), nominal("pair-flip")),
        ("labels=asymmetric:p=0.4,exact".into(), nominal("asymmetric")),
        (format!("labels=matrix:file={file},exact"), nominal("matrix")),
    ] {
        let rows = drawn(&text, 5, 0);
        for (y, row) in t.iter().enumerate() {
            let of_class = || rows.iter().filter(|r| r.0 == y as i64);
            let expected = ((1.0 - row[y]) * of_class().count() as f64).round() as usize;
            assert_eq!(of_class().filter(|r| r.0 != r.1).count(), expected, "{text}: class {y}");
            assert!(of_class().all(|r| (r.0 != r.1) == (r.2 == LabelRule::Redrawn)));
        }
    }
}

#[test]
fn an_amount_of_a_matrix_or_a_file_is_a_nested_part_of_it() {
    let (folder, file) = matrix_file();
    let labels = folder.path().join("labels, mine.csv");
    std::fs::write(&labels, "3\n".repeat(N as usize)).unwrap();
    let labels = format!("labels=file:path=\"{}\"", labels.display());
    for whole in [format!("labels=matrix:file={file}"), labels] {
        let (part, whole) = (drawn(&format!("{whole},amount=0.3"), 4, 0), drawn(&whole, 4, 0));
        let share =
            |rows: &[(i64, i64, LabelRule)]| rows.iter().filter(|r| r.2 == LabelRule::Redrawn).count() as f64;
        assert!(part.iter().zip(&whole).all(|(p, w)| p.2 == LabelRule::Untouched || p.1 == w.1));
        // Five standard errors of at most 50,000 draws: one false alarm in a million.
        let ratio = share(&part) / share(&whole);
        assert!((ratio - 0.3).abs() < 5.0 * (0.21 / share(&whole)).sqrt(), "{ratio}");
    }
}

#[test]
fn a_trigger_gives_its_label_to_a_share_and_overrules_noise() {
    let rows = drawn("labels=uniform:p=0.5 inputs=trigger:target=7,amount=0.1", 6, 0);
    let noise = drawn("labels=uniform:p=0.5", 6, 0);
    let mut poisoned = 0.0;
    for (row, without) in rows.iter().zip(&noise) {
        if row.2 == LabelRule::Poisoned {
            assert_eq!(row.1, 7);
            poisoned += 1.0;
        } else {
            assert_eq!(row, without);
        }
    }
    // Five standard errors: one false alarm in a million.
    let n = N as f64;
    assert!(f64::abs(poisoned / n - 0.1) < 5.0 * (0.09 / n).sqrt(), "{poisoned}");
    let (_, _, table) = resolve("inputs=trigger:target=7,amount=0.1", 6);
    assert!((table.change(0, 3) - 0.1).abs() < 1e-9 && table.change(0, 7) == 0.0);
    let spec: CorruptionSpec = "inputs=trigger:target=10,amount=0.1".parse().unwrap();
    let samples = Samples { ids: &[0], labels: &[0], classes: &classes(), images: no_images() };
    assert!(LabelTable::resolve(&spec.labels, 1, &samples, Poison::of(&spec.inputs, 1, true)).is_err());
}

#[test]
fn resolved_integers_name_the_noise_and_paths_do_not() {
    let digest = |text: &str| {
        let mut hasher = Hasher::new("test");
        resolve(text, 1).2.hash_into(&mut hasher);
        hasher.finish()
    };
    let (folder, file) = matrix_file();
    let copy = folder.path().join("copy of T.csv");
    std::fs::copy(&file, &copy).unwrap();
    let same = format!("labels=matrix:file=\"{}\"", copy.display());
    assert_eq!(digest(&format!("labels=matrix:file={file}")), digest(&same));
    // A pair flip is a matrix: the same integers, the same name.
    let flip: Vec<String> = nominal("pair-flip").iter().map(|r| r.map(|p| p.to_string()).join(",")).collect();
    let path = folder.path().join("flip.csv");
    std::fs::write(&path, flip.join("\n")).unwrap();
    let as_matrix = format!("labels=matrix:file={}", path.display());
    let mut all = vec![digest(&as_matrix)];
    for text in [
        "true-labels",
        "labels=uniform:p=0.45",
        "labels=pair-flip:p=0.46",
        "labels=pair-flip:p=0.45,exact",
        "labels=asymmetric:p=0.45",
        "labels=zhang2017:p=0.45",
        "inputs=trigger:target=1,amount=0.45",
        "inputs=trigger:target=2,amount=0.45",
        same.as_str(),
    ] {
        all.push(digest(text));
    }
    let different: std::collections::HashSet<_> = all.iter().collect();
    assert_eq!(different.len(), all.len());
    assert_eq!(digest("labels=pair-flip:p=0.45"), all[0]);
}

#[test]
fn corruption_is_nested_in_p() {
    let low = drawn("labels=uniform:p=0.2", 3, 0);
    let high = drawn("labels=uniform:p=0.7", 3, 0);
    for (l, h) in low.iter().zip(&high) {
        assert!(l.2 == LabelRule::Untouched || (h.2 == LabelRule::Redrawn && l.1 == h.1));
    }
}

#[test]
fn exact_count_is_exact_and_true_excluded_never_keeps_a_label() {
    for (p, expected) in [(0.0, 0), (0.25, 12_500), (0.333_33, 16_667), (1.0, 50_000)] {
        let rows = drawn(&format!("labels=uniform:p={p},exact"), 5, 0);
        assert_eq!(rows.iter().filter(|r| r.2 == LabelRule::Redrawn).count(), expected);
    }
    let rows = drawn("labels=uniform:p=1,exclude-true", 5, 0);
    assert!(rows.iter().all(|r| r.0 != r.1 && (0..10).contains(&r.1)));
}

#[test]
fn resampling_touches_a_fixed_nested_set_and_changes_every_epoch() {
    let rows = |q: f64, epoch| drawn(&format!("labels=uniform:p=0.5,resample={q}"), 9, epoch);
    let fixed = drawn("labels=uniform:p=0.5", 9, 0);
    assert_eq!(rows(0.5, 0), fixed);
    let resampled = |rows: &[(i64, i64, LabelRule)]| -> Vec<usize> {
        rows.iter().enumerate().filter(|r| r.1.2 == LabelRule::Resampled).map(|r| r.0).collect()
    };
    let (one, two) = (rows(0.5, 1), rows(0.5, 2));
    assert_eq!(resampled(&one), resampled(&two));
    let share = resampled(&one).len() as f64 / resampled(&rows(1.0, 1)).len() as f64;
    assert!((share - 0.5).abs() < 0.02, "{share}");
    let small = resampled(&rows(0.2, 1));
    assert!(small.iter().all(|i| one[*i].2 == LabelRule::Resampled));
    let moved = resampled(&one).iter().filter(|&&i| one[i].1 != two[i].1).count();
    assert!(moved * 100 > resampled(&one).len() * 85);
    // Whether a sample is corrupted is static; so is what becomes of the others.
    for ((a, b), f) in one.iter().zip(&two).zip(&fixed) {
        assert_eq!(a.2 == LabelRule::Untouched, f.2 == LabelRule::Untouched);
        assert!(a.2 == LabelRule::Resampled || (a.1 == f.1 && b.1 == f.1));
    }
}

#[test]
fn p_zero_is_identity_and_one_class_cannot_be_excluded() {
    assert!(drawn("labels=uniform:p=0", 1, 7).iter().all(|r| r.0 == r.1 && r.2 == LabelRule::Untouched));
    let spec: CorruptionSpec = "labels=uniform:p=1,exclude-true".parse().unwrap();
    let samples = Samples { ids: &[0], labels: &[0], classes: &classes()[..1], images: no_images() };
    assert!(LabelTable::resolve(&spec.labels, 1, &samples, None).is_err());
}
