//! `rfx-inspect audit` and `doctor`: on planted faults, and on the real CIFAR-10.

#[path = "../../loader/tests/support/mod.rs"]
mod support;

mod program;

use std::path::Path;

use program::{INSPECT, copy, flip, generated, packed, run};

const RECORD: usize = 3073;

/// CIFAR-10 files of random images of coarse blocks, ten records each but for the first, in which `plant` may write.
fn cifar(folder: &Path, plant: impl Fn(&mut [Vec<u8>])) {
    let mut state = 1u32;
    let mut word = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16
    };
    let mut records: Vec<Vec<u8>> = (0..60)
        .map(|i| {
            let blocks: Vec<u8> = (0..3 * 64).map(|_| (40 + word() % 170) as u8).collect();
            let pixel = |k: usize| blocks[k / 1024 * 64 + k % 1024 / 32 / 4 * 8 + k % 32 / 4];
            std::iter::once(i % 10).chain((0..3072).map(pixel)).collect()
        })
        .collect();
    plant(&mut records);
    for (file, chunk) in records.chunks(10).enumerate() {
        let name = if file == 5 { "test_batch.bin".into() } else { format!("data_batch_{}.bin", file + 1) };
        // The official number of records: the rest are noise of one kind, each different.
        let mut bytes: Vec<u8> = chunk.concat();
        bytes.extend((10..10_000u32).flat_map(|i| {
            let mut state = i + 100_000 * file as u32 + 7;
            let noise = move |_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            };
            std::iter::once((i % 10) as u8).chain((1..RECORD).map(noise)).collect::<Vec<u8>>()
        }));
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}

#[test]
fn planted_duplicates_leaks_contradictions_and_flat_images_are_found() {
    let folder = tempfile::tempdir().unwrap();
    cifar(folder.path(), |records| {
        records[11] = records[1].clone(); // identical, same label
        let image = records[2][1..].to_vec();
        records[23][1..].copy_from_slice(&image); // identical, labels 2 and 3
        let image: Vec<u8> = records[4][1..].iter().map(|&v| v + v / 8).collect();
        records[54][1..].copy_from_slice(&image); // near, in the test split
        let mut image = records[5][1..].to_vec();
        image.chunks_exact_mut(32).for_each(<[u8]>::reverse);
        records[15][1..].copy_from_slice(&image); // a mirror image
        records[36][1..].fill(9); // flat
    });
    let dataset = packed("audit-planted", "cifar10", Some(folder.path()));
    let [csv, png] = ["pairs.csv", "sheet.png"].map(|name| folder.path().join(name));
    let files = format!("audit -q --json --pairs {} --sheet {}", csv.display(), png.display());
    let json = run(INSPECT, &files, &[&dataset]).ended(0).json();
    assert_eq!(json["schema"], "rfx.audit/1");
    let ids = |pairs: &serde_json::Value| -> Vec<(i64, i64)> {
        let pair = |p: &serde_json::Value| (p["ids"][0].as_i64().unwrap(), p["ids"][1].as_i64().unwrap());
        pairs.as_array().unwrap().iter().map(pair).collect()
    };
    // Record 10 f + i is the file's i-th; each file has 10,000.
    assert_eq!(ids(&json["identical"]["pairs"]), [(1, 10_001), (2, 20_003)]);
    assert_eq!((&json["identical"]["contradictions"], &json["identical"]["leaked"]), (&1.into(), &0.into()));
    // The most alike first: a mirror image is one to the bit, brightness is rounded.
    assert_eq!(ids(&json["near"]["pairs"]), [(5, 10_005), (4, 50_004)]);
    assert_eq!(json["near"]["leaked"], 1);
    assert_eq!(json["near"]["pairs"][0]["mirrored"], true);
    assert_eq!(json["flat"], serde_json::json!([30_006]));
    assert_eq!((&json["labels"]["lost"], &json["labels"]["groups"]), (&1.into(), &1.into()));
    assert_eq!(json["labels"]["accuracy"].as_f64().unwrap(), 1.0 - 1.0 / 50_000.0);
    let rows = std::fs::read_to_string(&csv).unwrap();
    assert!(rows.lines().count() == 5 && rows.contains("near,train,4,deer,test,50004,deer,"), "{rows}");
    assert!(std::fs::read(&png).unwrap().starts_with(b"\x89PNG"));
    let text = run(INSPECT, "audit -q", &[&dataset]).ended(0).out;
    assert!(text.contains("no function of the image is right on more than 99.998 %"), "{text}");
    // Existing files are refused before anything is read.
    run(INSPECT, &format!("audit -q --pairs {}", csv.display()), &[&dataset]).refused(2, &["exists"]);
    // With random labels both pairs of identical images may contradict each other.
    let text = run(INSPECT, "audit -q --corrupt random-labels --seed 1", &[&dataset]).ended(0).out;
    assert!(text.contains("random-labels, seed 1:"), "{text}");
}

#[test]
fn a_damaged_record_is_named_and_the_others_are_audited() {
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("d");
    copy(generated("audit"), &damaged);
    flip(&damaged.join("train-00000-of-00001.safetensors"), 1);
    let ran = run(INSPECT, "audit -q --json", &[&damaged]).ended(1);
    let unreadable = ran.json()["unreadable"].clone();
    assert_eq!(unreadable.as_array().unwrap().len(), 1);
    assert!(unreadable[0]["message"].as_str().unwrap().contains("train-00000-of-00001"), "{unreadable}");
    assert!(run(INSPECT, "audit -q", &[&damaged]).ended(1).out.contains("UNREADABLE  1 sample"));
    run(INSPECT, "audit -q --near 0.5", &[&damaged]).refused(2, &[]);
}

/// A bound from a comparison of all pairs in NumPy: 164 test images have a train image at 0.97 or more, or 36 its
/// mirror; the hashing may miss 1 % of them.
#[test]
fn test_images_of_real_cifar10_are_found_in_its_train_split() {
    let test = "test_images_of_real_cifar10_are_found_in_its_train_split";
    let Some(source) = support::real_data("cifar-10-batches-bin", test) else { return };
    let dataset = packed("audit-cifar10", "cifar10", Some(&source));
    let json = run(INSPECT, "audit -q --json", &[&dataset]).ended(0).json();
    let leaked = json["near"]["leaked"].as_u64().unwrap();
    assert!((150..=210).contains(&leaked), "{leaked}");
    assert_eq!(json["identical"]["pairs"].as_array().unwrap().len(), 0);
    for class in json["classes"].as_array().unwrap() {
        assert_eq!(class["samples"], serde_json::json!([5000, 1000]));
    }
}

#[test]
fn a_doctor_tells_of_machine_and_data_set_and_finds_a_broken_one() {
    let sound = run(INSPECT, "doctor", &[&generated("audit")]).ended(0).out;
    for part in ["machine", "limits", "libtorch", "data set", "heads", "in memory"] {
        assert!(sound.contains(part), "{part} in {sound}");
    }
    run(INSPECT, "doctor", &[]).ended(0);
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("d");
    copy(generated("audit"), &damaged);
    let head = std::fs::metadata(damaged.join("train-00000-of-00001.safetensors")).unwrap().len() as usize;
    flip(&damaged.join("train-00000-of-00001.safetensors"), head - 100);
    let json = run(INSPECT, "doctor --json", &[&damaged]).ended(1).json();
    assert_eq!((&json["schema"], &json["state"]), (&"rfx.doctor/1".into(), &"broken".into()));
    let checks = json["checks"].as_array().unwrap();
    let broken: Vec<_> = checks.iter().filter(|c| c["state"] == "broken").collect();
    assert!(broken.len() == 1 && broken[0]["advice"].is_string(), "{broken:?}");
}
