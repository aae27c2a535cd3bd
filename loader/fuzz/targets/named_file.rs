//! Any bytes as a file that a corruption names: labels, or a transition matrix.
#![no_main]

use std::cell::OnceCell;

use libfuzzer_sys::fuzz_target;
use rfx_fuzz::{DataSet, told};
use rfx_loader::{Dataset, LoaderSpec, Recipe, dataset::Verify};

thread_local!(static SET: OnceCell<(DataSet, Dataset)> = const { OnceCell::new() });

fuzz_target!(|bytes: &[u8]| SET.with(|set| {
    let (set, dataset) = set.get_or_init(|| {
        let set = DataSet::pack();
        let dataset = Dataset::open(set.path(), Verify::Once).expect("just packed");
        (set, dataset)
    });
    let path = set.path().join("named");
    std::fs::write(&path, bytes).expect("a file");
    for kind in ["matrix:file", "matrix:amount=0.5,exact,file", "file:path", "file:column=label,path"] {
        let text = format!("labels={kind}={}", path.display());
        let spec = LoaderSpec::new("train").corruption(text.parse().expect("a corruption"));
        match Recipe::new(dataset, &spec, 1) {
            Ok(recipe) => {
                let report = recipe.label_report(1);
                assert!(recipe.labels(1).all(|row| (0..3).contains(&row.new)));
                assert!((0.0..=1.0).contains(&report.expected_changed), "{report:?}");
            }
            Err(error) => told(&error),
        }
    }
}));
