//! `rfx-inspect` on the generated set.

mod program;

use std::{collections::HashMap, path::Path};

use program::{INSPECT, PACK, Ran, copy, flip, generated, run};
use safetensors::SafeTensors;

fn inspect(args: &str) -> Ran {
    let (command, rest) = args.split_once(' ').unwrap_or((args, ""));
    run(INSPECT, &format!("{command} {} {rest}", generated("inspect").display()), &[])
}

#[test]
fn info_tells_ids_splits_classes_and_that_data_are_generated() {
    let text = inspect("info").ended(0).out;
    let json = inspect("info --json").ended(0).json();
    assert_eq!(json["schema"], "rfx.info/1");
    for part in
        [json["content"].as_str().unwrap(), json["pack"].as_str().unwrap(), "generated data", "train", "test"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    for class in json["classes"].as_array().unwrap() {
        assert!(text.contains(class["name"].as_str().unwrap()));
    }
}

#[test]
fn verify_finds_one_flipped_bit_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let sound = inspect("verify -q --json").ended(0).json();
    assert_eq!((&sound["schema"], &sound["sound"]), (&"rfx.verify/1".into(), &true.into()));
    assert!(inspect("verify").ended(0).out.starts_with("sound "));
    let shard = "train-00000-of-00001.safetensors";
    for (name, from_end) in [(shard, 1), (shard, 1_000_000), ("dataset.json", 2000)] {
        let damaged = folder.path().join(format!("{name}-{from_end}"));
        copy(generated("inspect"), &damaged);
        flip(&damaged.join(name), from_end);
        let text = run(INSPECT, "verify -q", &[&damaged]).ended(1).out;
        assert!(text.contains(name) && text.contains("damaged"), "{text}");
        let json = run(INSPECT, "verify -q --json", &[&damaged]).ended(1).json();
        assert_eq!(json["sound"], false);
        assert_eq!(json["findings"][0]["file"], name);
        if name == shard && from_end == 1 {
            let message = json["findings"].to_string();
            assert!(message.contains("record") && message.contains("content id"), "{message}");
        }
    }
    // The head: labels are never trusted unread.
    let damaged = folder.path().join("head");
    copy(generated("inspect"), &damaged);
    let path = damaged.join(shard);
    let length = std::fs::metadata(&path).unwrap().len() as usize;
    flip(&path, length - 2000);
    run(INSPECT, "labels --corrupt random-labels --seed 1", &[&damaged])
        .refused(1, &[shard, "BLAKE3 of the head", "help:"]);
    run(INSPECT, "verify -q", &[&damaged]).ended(1);
}

type Rows = Vec<[i64; 4]>;

fn csv(ran: &Ran) -> Rows {
    let mut lines = ran.out.lines();
    assert_eq!(lines.next(), Some("id,old,new,rule"));
    let row = |line: &str| {
        let values: Vec<i64> = line.split(',').map(|v| v.parse().unwrap()).collect();
        <[i64; 4]>::try_from(values).unwrap()
    };
    lines.map(row).collect()
}

fn npy(ran: &Ran) -> (Rows, Vec<u8>) {
    assert_eq!(&ran.raw[..8], b"\x93NUMPY\x01\x00");
    let start = 10 + usize::from(u16::from_le_bytes([ran.raw[8], ran.raw[9]]));
    let data = &ran.raw[start..];
    let integer = |b: &[u8]| i64::from_le_bytes(b.try_into().unwrap());
    let rows = data
        .chunks_exact(25)
        .map(|r| [integer(&r[..8]), integer(&r[8..16]), integer(&r[16..24]), i64::from(r[24])]);
    (rows.collect(), data.to_vec())
}

#[test]
fn csv_json_and_npy_agree_and_the_digest_is_of_the_npy_data() {
    for options in [
        "--corrupt partially-corrupted:0.5 --seed 7",
        "--corrupt labels=uniform:p=0.3,exclude-true,exact,resample=0.5 --seed 1 --epoch 4 --subset 1000:balanced",
        "--corrupt random-labels --seed 1 --split test",
    ] {
        let as_format = |format: &str| inspect(&format!("labels {options} --format {format}")).ended(0);
        let (from_csv, from_npy, json) = (as_format("csv"), as_format("npy"), as_format("json").json());
        let rows = csv(&from_csv);
        let (npy_rows, data) = npy(&from_npy);
        assert_eq!(rows, npy_rows);
        let json_rows: Rows = serde_json::from_value(json["rows"].clone()).unwrap();
        assert_eq!(rows, json_rows);
        assert_eq!(json["schema"], "rfx.labels/1");
        let digest = json["digest"].as_str().unwrap();
        let of_data = blake3::Hasher::new_derive_key("rfx v1 label-digest").update(&data).finalize();
        assert_eq!(of_data.to_hex().as_str(), digest);
        assert!(from_csv.err.contains(digest) && from_npy.err.contains(digest));
        // The summary tells what the rows say.
        let samples = rows.len() as u64;
        let changed = rows.iter().filter(|r| r[1] != r[2]).count() as u64;
        assert_eq!((json["samples"].as_u64(), json["changed"].as_u64()), (Some(samples), Some(changed)));
        let matrix: Vec<Vec<u64>> = serde_json::from_value(json["matrix"].clone()).unwrap();
        let mut counted = vec![vec![0; matrix.len()]; matrix.len()];
        rows.iter().for_each(|r| counted[r[1] as usize][r[2] as usize] += 1);
        assert_eq!(matrix, counted);
        assert!(rows.is_sorted_by_key(|r| r[0]));
        // `verify` derives the digest again, and tells another one from it.
        let what = options.replace("--format csv", "");
        assert!(inspect(&format!("verify {what} --label-digest {digest}")).ended(0).out.starts_with("same"));
        let other = digest.chars().rev().collect::<String>();
        assert!(
            inspect(&format!("verify {what} --label-digest {other}")).ended(1).out.starts_with("differs")
        );
    }
}

#[test]
fn label_noise_is_for_train_unless_the_spec_says_otherwise() {
    let changed = |options: &str| {
        inspect(&format!("labels --seed 1 --format json {options}")).ended(0).json()["changed"]
            .as_u64()
            .unwrap()
    };
    assert_eq!(changed("--corrupt random-labels --split test"), 0);
    assert!(changed("--corrupt random-labels") > 0);
    // A value with a space needs the argument as one.
    let spec = "random-labels test-labels=same";
    let json =
        run(INSPECT, "labels --seed 1 --format json --split test --corrupt", &[&spec, &generated("inspect")]);
    assert!(json.ended(0).json()["changed"].as_u64().unwrap() > 0);
}

/// Shape and bytes of each tensor.
type Tensors = HashMap<String, (Vec<usize>, Vec<u8>)>;

fn tensors(path: &Path) -> (Tensors, serde_json::Value) {
    let bytes = std::fs::read(path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let about = serde_json::from_str(&header.metadata().as_ref().unwrap()["rfx"]).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.tensors().into_iter().map(|(name, t)| (name, (t.shape().to_vec(), t.data().to_vec())));
    (tensors.collect(), about)
}

#[test]
fn a_batch_is_a_safetensors_file_that_says_which_batch_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let batch = |name: &str, options: &str| {
        inspect(&format!("batch --seed 1 {options} --out {}", at(name).display())).ended(0);
        tensors(&at(name))
    };
    let spec = "--corrupt partially-corrupted:0.5 --crop random:28 --flip --epoch 3 --step 2";
    let (whole, about) = batch("a", spec);
    let mut names: Vec<_> = whole.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["clean_label", "id", "input", "input_rule", "label", "rule"]);
    assert_eq!(whole["input"].0, [128, 3, 28, 28]);
    assert_eq!(whole["input"].1.len(), 128 * 3 * 28 * 28 * 4);
    assert_eq!(about["schema"], "rfx.batch/1");
    assert_eq!((about["epoch"].as_u64(), about["step"].as_u64()), (Some(3), Some(2)));
    assert_eq!(about["spec"]["crop"], "random:28");
    assert_eq!(about["generated"], true);
    // Equal questions give equal files; ranks put together give the batch.
    batch("b", spec);
    assert!(std::fs::read(at("a")).unwrap() == std::fs::read(at("b")).unwrap());
    let ranks: Vec<_> =
        (0..3).map(|r| batch(&format!("rank{r}"), &format!("{spec} --rank {r} --world 3")).0).collect();
    for name in names {
        let parts: Vec<u8> = ranks.iter().flat_map(|r| r[name].1.clone()).collect();
        assert!(parts == whole[name].1, "{name}");
    }
    for (dtype, size) in [("u8", 1), ("f16", 2), ("bf16", 2), ("f32", 4)] {
        let (tensors, about) =
            batch(dtype, &format!("--corrupt gaussian --dtype {dtype} --layout nhwc --batch 5"));
        assert_eq!(tensors["input"].0, [5, 32, 32, 3]);
        assert_eq!(tensors["input"].1.len(), 5 * 32 * 32 * 3 * size);
        let expected = if dtype == "u8" { "none" } else { "whiten" };
        assert_eq!(about["spec"]["normalise"], expected);
    }
}

#[test]
fn a_sheet_shows_pairs_and_is_the_same_every_time() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let sheet = |name: &str, options: &str| {
        let ran = inspect(&format!("sheet --seed 1 {options} --out {}", at(name).display())).ended(0);
        // The title as it is drawn: what data these are, and what was done to them.
        assert!(ran.out.starts_with("generated data, train: "), "{}", ran.out);
        assert!(ran.out.contains("left clean, right corrupted. seed 1, epoch "), "{}", ran.out);
        assert!(ran.out.contains(&format!("{}: ", at(name).display())), "{}", ran.out);
        image::open(at(name)).unwrap().into_rgb8()
    };
    let first = sheet("a.png", "--corrupt gaussian --count 4 --scale 2 --crop 28");
    assert!(first == sheet("b.png", "--corrupt gaussian --count 4 --scale 2 --crop 28"));
    assert!(std::fs::read(at("a.png")).unwrap() == std::fs::read(at("b.png")).unwrap());
    let clean = sheet("c.png", "--corrupt true-labels --count 4 --scale 2 --crop 28");
    assert_eq!(first.dimensions(), clean.dimensions());
    assert!(first != clean);
    // Clean samples on the left are on both sheets, and enlarged by whole pixels.
    let differing = first.pixels().zip(clean.pixels()).filter(|(a, b)| a != b).count();
    assert!((4 * 28 * 28 * 3..first.pixels().len() / 2).contains(&differing), "{differing}");
    // However few and small the samples, there is room for title and captions.
    let small = sheet("d.png", "--corrupt labels=uniform:p=1,resample=1 --epoch 2 --count 1 --scale 1");
    assert!((500..600).contains(&small.width()) && small.height() < 200, "{:?}", small.dimensions());
}

/// The generated set is stored with its classes in turn; by class, a window has few of them.
#[test]
fn an_order_is_measured_against_a_full_shuffle() {
    let folder = tempfile::tempdir().unwrap();
    let by_class = folder.path().join("by-class");
    let images: Vec<u8> = (0..2000u32).flat_map(|i| [i as u8; 16]).collect();
    let labels: Vec<u8> = (0..2000u32).map(|i| (i / 200) as u8).collect();
    let npy = |shape: &str, data: &[u8]| {
        let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n");
        [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
    };
    let (x, y) = (folder.path().join("x.npy"), folder.path().join("y.npy"));
    std::fs::write(&x, npy("(2000, 4, 4, 1)", &images)).unwrap();
    std::fs::write(&y, npy("(2000,)", &labels)).unwrap();
    run(PACK, "npy -q --layout nhwc", &[&"--images", &x, &"--labels", &y, &"--out", &by_class]).ended(0);
    let orders = "--order windowed:100,block=50 --order windowed:1000,block=10 --order sequential --batch 50";
    let json = run(INSPECT, &format!("order --json {orders}"), &[&by_class]).ended(0).json();
    assert_eq!((&json["schema"], &json["samples"]), (&"rfx.order/1".into(), &2000.into()));
    let number = |order: usize, key: &str| json["orders"][order][key].as_f64().unwrap();
    assert_eq!(json["orders"][0]["order"], "windowed:100,block=50");
    assert_eq!(json["orders"][3]["order"], "shuffled");
    // Two classes at most in a window of two blocks; a full shuffle is near 1; sequential batches have one class.
    assert!(number(0, "mix") > 10.0 && number(1, "mix") < 3.0 && number(1, "mix") > 1.0, "{json}");
    assert!((0.8..1.2).contains(&number(3, "mix")), "{json}");
    assert!((number(2, "mix") - 50.0).abs() < 1e-6 && number(2, "moved") == 0.0, "{json}");
    assert!(
        (0.25..0.42).contains(&number(0, "moved")) && (0.3..0.37).contains(&number(3, "moved")),
        "{json}"
    );
    // Of neighbours in a block, about half come in the same of the window's two batches.
    assert!((0.4..0.6).contains(&number(0, "together")) && number(3, "together") < 0.05, "{json}");
    let text = run(INSPECT, &format!("order {orders}"), &[&by_class]).ended(0).out;
    assert!(text.contains("windowed:100,block=50") && text.contains("together"), "{text}");
    run(INSPECT, "order --order windowed:100", &[&by_class]).refused(2, &["windowed:W[,block=B]"]);
}
