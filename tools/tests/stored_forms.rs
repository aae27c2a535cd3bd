//! What `rfx-pack` can store otherwise, from the command line: compressed, in parts, as a corrupted copy.

mod program;

use std::path::Path;

use program::{INSPECT, PACK, contents, copy, flip, generated, run};
use safetensors::SafeTensors;

/// Input, labels and ids of a batch that `rfx-inspect batch` writes.
fn batch(dataset: &Path, how: &str) -> [Vec<u8>; 3] {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("b.st");
    run(INSPECT, &format!("batch --seed 3 --step 5 {how} --out"), &[&out, &dataset]).ended(0);
    let bytes = std::fs::read(out).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    ["input", "label", "id"].map(|name| tensors.tensor(name).unwrap().data().to_vec())
}

#[test]
fn compressed_records_are_the_same_samples_in_fewer_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let raw = run(INSPECT, "info --json", &[&generated("forms")]).ended(0).json();
    let pack = |options: &str, name: &str| {
        run(PACK, &format!("generated --codec zstd {options} --json -q --out"), &[&at(name)]).ended(0).json()
    };
    let plain = pack("--zstd-level 1", "plain");
    let small = pack("--zstd-level 3 --zstd-dictionary 4096 --shard-size 8", "small");
    for packed in [&plain, &small] {
        assert_eq!(packed["content"], raw["content"]);
        assert!(packed["bytes"].as_u64().unwrap() < 12_000 * 3072);
    }
    let text = run(INSPECT, "info", &[&at("small")]).ended(0).out;
    assert!(text.contains("stored zstd") && text.contains("level 3, a dictionary of"), "{text}");
    let text = run(INSPECT, "info", &[&at("plain")]).ended(0).out;
    assert!(text.contains("level 1, no dictionary"), "{text}");
    for how in ["--corrupt random-pixels --epoch 2", "--corrupt random-labels --crop random:28 --flip"] {
        assert!(batch(&at("plain"), how) == batch(generated("forms"), how));
        assert!(batch(&at("small"), how) == batch(generated("forms"), how));
    }
    run(INSPECT, "verify -q", &[&at("small")]).ended(0);
    copy(&at("small"), &at("damaged"));
    flip(&at("damaged").join("dictionary.zstd"), 100);
    let said = run(INSPECT, "verify -q", &[&at("damaged")]).ended(1).out;
    assert!(said.contains("dictionary.zstd: BLAKE3 of the file"), "{said}");
    // Options that go with another codec.
    let out = at("none");
    run(PACK, "generated --zstd-level 3 -q --out", &[&out])
        .refused(2, &["--zstd-level", "help: give --codec zstd"]);
    assert!(
        run(PACK, "generated --codec jpeg -q --out", &[&out])
            .ended(2)
            .err
            .contains("--codec jpeg is for image files")
    );
    assert!(
        run(PACK, "generated --codec zstd --zstd-level 23 -q --out", &[&out]).ended(2).err.contains("1..=22")
    );
    assert!(!out.exists());
}

#[test]
fn parts_are_packed_and_merged_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    run(PACK, "generated --shard-size 4 -q --out", &[&at("one")]).ended(0);
    let part = |k: u32, options: &str| {
        let out = at(&format!("part{k}"));
        run(PACK, &format!("generated --shard-size 4 --part {k}/2 {options} --out"), &[&out]).ended(0)
    };
    let text = part(0, "").out;
    assert!(text.contains("part     0/2: 4 shards of 8"), "{text}");
    run(PACK, "merge -q --out", &[&at("merged"), &at("part0")])
        .refused(2, &["expected all of 0 to 1, found all but 1", "help: pack the missing parts"]);
    let json = part(1, "--json -q").json();
    assert_eq!((json["schema"].as_str(), json["part"].as_str()), (Some("rfx.pack-part/1"), Some("1/2")));
    assert_eq!((json["shards"].as_u64(), json["plan_shards"].as_u64()), (Some(4), Some(8)));
    let merged = run(PACK, "merge --json -q --out", &[&at("merged"), &at("part1"), &at("part0")]).ended(0);
    assert_eq!(merged.json()["schema"], "rfx.pack/1");
    assert!(contents(&at("merged")) == contents(&at("one")));
    run(INSPECT, "info", &[&at("part0")])
        .refused(2, &["a part of a pack", "help: join all parts with rfx-pack merge"]);
    let err = run(PACK, "generated --part 2/2 --out", &[&at("x")]).ended(2).err;
    assert!(err.contains("parts numbered from 0"), "{err}");
}

#[test]
fn a_materialised_copy_gives_what_streaming_gives() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let original = generated("forms");
    let how = "--corrupt labels=uniform:p=0.5 --crop random:20 --flip --epoch 4";
    let ran = run(PACK, &format!("materialise {how} --seed 3 -q --out"), &[&at("copy"), &original]).ended(0);
    assert!(ran.out.contains("materialised (generated data)"), "{}", ran.out);
    let clean = "--corrupt true-labels --epoch 4";
    assert!(batch(&at("copy"), clean) == batch(original, how));
    assert!(
        batch(&at("copy"), &format!("{clean} --split test"))
            == batch(original, &format!("{how} --split test"))
    );
    let info = run(INSPECT, "info", &[&at("copy")]).ended(0).out;
    for word in [
        "made with corruption: partially-corrupted:0.5",
        "made with seed: 3",
        "column    clean_label: 0 to 9",
    ] {
        assert!(info.contains(word), "no {word:?} in {info}");
    }
    // The labels before the corruption are the original's.
    let labels = |dataset: &Path, options: &str| {
        run(INSPECT, &format!("labels --corrupt true-labels --seed 1 {options}"), &[&dataset]).ended(0)
    };
    assert_eq!(labels(&at("copy"), "--label-column clean_label").out, labels(original, "").out);
    assert_ne!(labels(&at("copy"), "").out, labels(original, "").out);
    let json = labels(&at("copy"), "--label-column clean_label --format json").json();
    let digest = json["digest"].as_str().unwrap();
    let verify = |column: &str| {
        let args = format!("verify --corrupt true-labels --seed 1 {column} --label-digest {digest}");
        run(INSPECT, &args, &[&at("copy")])
    };
    verify("--label-column clean_label").ended(0);
    verify("").ended(1);
    verify("--label-column fine").refused(2, &["column `fine`", "clean_label"]);
    // Noise says whose moments it has.
    let ran =
        run(PACK, "materialise --corrupt gaussian --seed 3 -q --out", &[&at("noise"), &original]).ended(0);
    assert!(ran.err.contains("drawn with the original's moments"), "{}", ran.err);
    run(PACK, "materialise --corrupt gaussian --seed 3 -q --out", &[&at("again"), &at("copy")])
        .refused(2, &["found a materialised copy", "help: materialise its original"]);
}
