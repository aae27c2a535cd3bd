//! Columns: written, read back in id order, part of the content id where there are any, taken for labels, verified.

#[path = "samples/mod.rs"]
mod samples;

use std::fs;

use rfx_loader::{
    Error, LoaderSpec, OrderKind, Partition, Recipe,
    dataset::{Class, Dataset, Parameter, Verify},
    pack::{PackOptions, PackOrder},
    shard::FormatError,
    source::Source,
};
use safetensors::SafeTensors;
use samples::{Small, compressed, edit_index, options, overwrite, pack_to, reseal_shard, shard_path};

fn open(dir: &std::path::Path) -> Dataset {
    Dataset::open(dir, Verify::Once).unwrap()
}

#[test]
fn columns_are_read_back_in_id_order_from_any_stored_form() {
    let tmp = tempfile::tempdir().unwrap();
    let source = Small::new(300, 40).with_columns(&["coarse", "b"]);
    let forms = [
        options(2, 3000),
        PackOptions { order: PackOrder::Shuffled { seed: 5 }, ..options(1, 2000) },
        compressed(1, 1 << 20, 0),
    ];
    let mut content = None;
    for (i, form) in forms.iter().enumerate() {
        let dir = tmp.path().join(i.to_string());
        let report = pack_to(&source, &dir, form).unwrap();
        assert_eq!(*content.get_or_insert(report.content), report.content);
        let dataset = open(&dir);
        assert!(dataset.verify(&()).unwrap().is_sound());
        assert_eq!(dataset.index().version, 2);
        let ranges: Vec<_> =
            dataset.index().columns.iter().map(|c| (c.name.as_str(), c.min, c.max)).collect();
        assert_eq!(ranges, [("coarse", 0, 4), ("b", -2, 2)]);
        for (number, split) in source.splits().iter().enumerate() {
            let packed = dataset.split(&split.name).unwrap();
            for (column, name) in ["coarse", "b"].into_iter().enumerate() {
                let expected: Vec<_> = (0..split.samples).map(|i| source.value(column, number, i)).collect();
                assert_eq!(packed.column(name).unwrap(), expected);
                assert_eq!(packed.column(name).unwrap(), expected, "and a second time");
            }
            let error = packed.column("fine").unwrap_err().to_string();
            assert!(error.contains("`fine`") && error.contains("coarse, b"), "{error}");
        }
        // Any safetensors library finds them.
        let bytes = fs::read(dir.join(&dataset.index().splits[1].shards[0].name)).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(
            tensors.tensor("coarse").unwrap().data().len(),
            8 * dataset.index().splits[1].shards[0].samples
        );
    }
}

#[test]
fn the_content_id_covers_names_order_and_values_of_columns_and_the_plan_their_names() {
    let tmp = tempfile::tempdir().unwrap();
    let base = || Small::new(20, 4);
    let sources = [
        base(),
        base().with_columns(&["a"]),
        base().with_columns(&["b"]),
        base().with_columns(&["a", "b"]),
        base().with_columns(&["b", "a"]),
    ];
    let (mut contents, mut plans) = (std::collections::HashSet::new(), std::collections::HashSet::new());
    for (i, source) in sources.iter().enumerate() {
        let report = pack_to(source, &tmp.path().join(i.to_string()), &options(1, 1 << 27)).unwrap();
        assert!(contents.insert(report.content) && plans.insert(report.plan), "{i}");
    }
    assert_eq!(open(&tmp.path().join("0")).index().version, 1);
}

#[test]
fn parameters_of_a_source_are_listed_and_part_of_the_plan_alone() {
    let tmp = tempfile::tempdir().unwrap();
    let with = |value: &str| Small { parameters: vec![Parameter::new("resize", value)], ..Small::new(20, 4) };
    let at = |name: &str| tmp.path().join(name);
    let none = pack_to(&Small::new(20, 4), &at("none"), &options(1, 1 << 27)).unwrap();
    let a = pack_to(&with("32"), &at("a"), &options(1, 1 << 27)).unwrap();
    let b = pack_to(&with("64"), &at("b"), &options(1, 1 << 27)).unwrap();
    assert!(none.content == a.content && a.content == b.content, "the samples are the same");
    assert!(none.plan != a.plan && a.plan != b.plan);
    let dataset = open(&at("b"));
    assert_eq!(dataset.index().source.parameters, [Parameter::new("resize", 64)]);
    assert!(dataset.verify(&()).unwrap().is_sound());
    edit_index(&at("b"), |i| i["source"]["parameters"][0]["value"] = "65".into());
    let findings = open(&at("b")).verify(&()).unwrap().findings;
    assert!(findings.len() == 1 && findings[0].message.contains("source digest"), "{findings:?}");
    let twice =
        Small { parameters: vec![Parameter::new("a", 1), Parameter::new("a", 2)], ..Small::new(5, 2) };
    let error = pack_to(&twice, &at("twice"), &options(1, 1 << 27)).unwrap_err().to_string();
    assert!(error.contains("parameters") && error.contains("found a"), "{error}");
}

#[test]
fn a_column_is_taken_for_labels_with_classes_of_its_own() {
    let tmp = tempfile::tempdir().unwrap();
    let mut source = Small::new(60, 10).with_columns(&["coarse", "b"]);
    pack_to(&source, &tmp.path().join("plain"), &options(1, 1 << 27)).unwrap();
    let dataset = open(&tmp.path().join("plain"));
    let spec = || {
        LoaderSpec::new("train").batch(60).order(OrderKind::Sequential).label_column(Some("coarse".into()))
    };
    let recipe = Recipe::new(&dataset, &spec(), 1).unwrap();
    let expected: Vec<_> = (0..60).map(|i| source.value(0, 0, i)).collect();
    let batch = recipe.batch(0, 0, Partition::WHOLE).unwrap();
    assert_eq!((batch.labels(), batch.clean_labels()), (&expected[..], &expected[..]));
    assert_eq!(
        (recipe.classes(), recipe.class_names()),
        (5, &["0", "1", "2", "3", "4"].map(String::from)[..])
    );
    // Corruption, balanced subsets and the report go by the column's classes.
    let noisy = Recipe::new(&dataset, &spec().corruption("random-labels".parse().unwrap()), 1).unwrap();
    let labels = noisy.batch(0, 0, Partition::WHOLE).unwrap().labels().to_vec();
    assert!(labels.iter().all(|l| (0..5).contains(l)) && labels.contains(&4));
    assert_eq!(noisy.label_report(0).classes, 5);
    let balanced = Recipe::new(&dataset, &spec().subset("10:balanced".parse().unwrap()), 1).unwrap();
    let mut counts = [0; 5];
    balanced.labels(0).for_each(|row| counts[row.old as usize] += 1);
    assert_eq!(counts, [2; 5]);
    // Values below 0 are no classes; what is not there is said.
    for (name, part) in
        [("b", "values of 0 to 1048575, as classes are, found -2 to 2"), ("c", "one of coarse, b")]
    {
        let error = Recipe::new(&dataset, &spec().label_column(Some(name.into())), 1).unwrap_err();
        assert!(matches!(error, Error::Format(FormatError::UnknownColumn { .. })), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    // CIFAR-100's way: coarse labels are the ranks of the superclasses.
    source.columns[0] = "coarse_label".into();
    source.classes = (0..10)
        .map(|c| Class { superclass: Some(format!("super {}", c % 5)), ..Class::named(c.to_string()) })
        .collect();
    pack_to(&source, &tmp.path().join("super"), &options(1, 1 << 27)).unwrap();
    let names = open(&tmp.path().join("super")).label_classes(Some("coarse_label")).unwrap();
    assert_eq!(names, (0..5).map(|c| format!("super {c}")).collect::<Vec<_>>());
    let no_columns = tmp.path().join("none");
    pack_to(&Small::new(5, 2), &no_columns, &options(1, 1 << 27)).unwrap();
    let error = open(&no_columns).label_classes(Some("a")).unwrap_err().to_string();
    assert!(error.contains("has no columns"), "{error}");
}

#[test]
fn impossible_columns_are_refused_before_anything_is_written() {
    let tmp = tempfile::tempdir().unwrap();
    for (i, names) in [&["label"][..], &["a", "a"], &["A"], &[""], &["__metadata__"]].into_iter().enumerate()
    {
        let dir = tmp.path().join(i.to_string());
        let error = pack_to(&Small::new(5, 2).with_columns(names), &dir, &options(1, 1 << 27)).unwrap_err();
        assert!(error.to_string().contains("columns"), "{error}");
        assert!(!dir.exists());
    }
    let many: Vec<_> = (0..65).map(|i| format!("c{i}")).collect();
    let many = Small { columns: many, ..Small::new(5, 2) };
    assert!(pack_to(&many, &tmp.path().join("many"), &options(1, 1 << 27)).is_err());
}

#[test]
fn changed_columns_are_found_by_readers_and_by_a_verification() {
    let tmp = tempfile::tempdir().unwrap();
    pack_to(&Small::new(6, 3).with_columns(&["coarse"]), tmp.path(), &options(1, 1 << 27)).unwrap();
    let path = shard_path(tmp.path(), "train");
    let bytes = fs::read(&path).unwrap();
    let (data, column) = (bytes.len() - 6 * 20, bytes.len() - 6 * 20 - 6 * 16);
    let put = |value: i64| {
        let mut changed = bytes.clone();
        changed[column..column + 8].copy_from_slice(&value.to_le_bytes());
        overwrite(&path, &changed);
    };
    put(3);
    assert!(matches!(open(tmp.path()).split("train"), Err(FormatError::Checksum { what: "the head", .. })));
    // With every digest made right again: a value outside the index's range is refused, one inside it changes the id.
    put(5);
    reseal_shard(tmp.path(), 0, 0, data);
    let error = open(tmp.path()).split("train").unwrap_err().to_string();
    assert!(error.contains(&format!("coarse[0] at byte {column}: expected 0..=4, found 5")), "{error}");
    put(3);
    reseal_shard(tmp.path(), 0, 0, data);
    assert!(open(tmp.path()).split("train").is_ok());
    let findings = open(tmp.path()).verify(&()).unwrap().findings;
    assert!(findings.iter().any(|f| f.message.contains("content id")), "{findings:?}");
    // A range that is too wide, a column that is not there, a version that knows no columns.
    let tmp = tempfile::tempdir().unwrap();
    pack_to(&Small::new(6, 3).with_columns(&["coarse"]), tmp.path(), &options(1, 1 << 27)).unwrap();
    edit_index(tmp.path(), |i| i["columns"][0]["max"] = 9.into());
    let findings = open(tmp.path()).verify(&()).unwrap().findings;
    assert!(findings.len() == 1 && findings[0].message.contains("range of column coarse"), "{findings:?}");
    edit_index(tmp.path(), |i| i["columns"][0]["name"] = "fine".into());
    let error = open(tmp.path()).split("train").unwrap_err().to_string();
    assert!(error.contains("tensor fine"), "{error}");
    for (member, value) in [("min", 99.into()), ("name", "label".into())] {
        let mut before = None;
        edit_index(tmp.path(), |i| before = Some(std::mem::replace(&mut i["columns"][0][member], value)));
        assert!(Dataset::open(tmp.path(), Verify::Once).unwrap_err().to_string().contains("columns."));
        edit_index(tmp.path(), |i| i["columns"][0][member] = before.unwrap());
    }
    edit_index(tmp.path(), |i| i["version"] = 1.into());
    let error = Dataset::open(tmp.path(), Verify::Once).unwrap_err().to_string();
    assert!(error.contains("version: expected 2, for what is in the index, found 1"), "{error}");
}
