//! A data set of format version 1 from a writer that is not ours (`tests/python/write_dataset.py`, made from FORMAT.md
//! alone), committed as bytes: it must keep opening for as long as version 1 is read.

#[path = "samples/mod.rs"]
mod samples;
mod support;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use rfx_loader::{
    Layout,
    dataset::{Dataset, Gaussian, Verify},
    shard::Decoder,
};
use samples::tree;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/dataset-v1")
}

fn assert_reads(dir: &Path) {
    let dataset = Dataset::open(dir, Verify::Always).unwrap();
    assert_eq!(dataset.classes(), ["even", "odd"]);
    assert_eq!((dataset.shape().unwrap().to_string().as_str(), dataset.layout()), ("2x1x3", Layout::Nhwc));
    assert_eq!(dataset.index().classes[1].superclass.as_deref(), Some("numbers"));
    for (name, ids) in [("train", 0..9i64), ("test", 9..12)] {
        let split = dataset.split(name).unwrap();
        assert_eq!(split.ids(), ids.clone().collect::<Vec<_>>());
        assert_eq!(split.labels(), ids.clone().map(|i| i % 2).collect::<Vec<_>>());
        for (position, id) in ids.enumerate() {
            // The writer's formula, value k in c, y, x order; stored is [h, w, c].
            let value = |k: i64| ((id * 53 + k * k * 29 + 7) % 200 + 20) as u8;
            let expected: Vec<u8> = (0..3).flat_map(|x| [value(x), value(3 + x)]).collect();
            assert_eq!(split.record(position, &mut Decoder::new()).unwrap(), expected, "id {id}");
        }
    }
    assert_eq!(dataset.gaussian().unwrap().len(), 2);
    let report = dataset.verify(&()).unwrap();
    assert!(report.is_sound(), "{:#?}", report.findings);
}

#[test]
fn a_version_1_data_set_of_another_writer_opens_and_verifies() {
    assert_reads(&golden());
    let dataset = Dataset::open(golden(), Verify::Once).unwrap();
    assert_eq!(dataset.content().to_string(), CONTENT);
    let Gaussian::Channels(tables) = &dataset.index().gaussian else { panic!("the set has tables") };
    assert!(tables.iter().all(|t| t.clipped < 0.2));
}

const CONTENT: &str = "32b0b882d8b0bcca26bf4183cf1581df6b3e2e049e55589da47216801b66bc92";

#[test]
fn the_writer_made_from_the_format_text_still_writes_that_data_set() {
    let test = "the_writer_made_from_the_format_text_still_writes_that_data_set";
    let Some(python) = support::python(test) else { return };
    let tmp = tempfile::tempdir().unwrap();
    let out = tmp.path().join("out");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/write_dataset.py");
    let output = Command::new(python).arg(script).arg(&out).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_reads(&out);
    // The index may differ in the last digit of mu, which is the machine's libm; the shards may not.
    let (mut ours, mut theirs) = (tree(&golden()), tree(&out));
    assert!(ours.remove("dataset.json").is_some() && theirs.remove("dataset.json").is_some());
    assert!(ours == theirs && ours.len() == 3);
}
