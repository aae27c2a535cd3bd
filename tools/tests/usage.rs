//! Wrong usage: unknown flags and keys, values out of range, outputs that are in the way. Exit code 2, and a message
//! that says what would be right.

mod program;

use std::{fs, path::Path};

use program::{INSPECT, PACK, generated, run};

fn inspect(args: &str) -> program::Ran {
    let (command, rest) = args.split_once(' ').unwrap_or((args, ""));
    run(INSPECT, &format!("{command} {} {rest}", generated("usage").display()), &[])
}

#[test]
fn output_that_is_in_the_way_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("there");
    fs::create_dir_all(&there).unwrap();
    fs::write(there.join("mine"), "precious").unwrap();
    run(PACK, "generated -q --out", &[&there]).refused(2, &["mine", "choose another output folder"]);
    let file = there.join("mine");
    run(PACK, "generated -q --out", &[&file]).refused(2, &["mine"]);
    for command in [
        "labels --corrupt random-labels --seed 1",
        "batch --corrupt gaussian --seed 1",
        "sheet --corrupt gaussian --seed 1",
    ] {
        let ran = inspect(&format!("{command} --out {}", file.display()));
        ran.refused(2, &["mine", "exists already", "help: give another path"]);
        let ran = inspect(&format!("{command} --out {}/no/such/folder", there.display()));
        ran.refused(2, &["no/such/folder", "help: "]);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    assert_eq!(fs::read_dir(&there).unwrap().count(), 1);
}

#[test]
fn words_that_name_nothing_get_a_suggestion() {
    let cases = [
        ("labels --corrupt random-lables --seed 1", "did you mean `random-labels`?"),
        ("labels --corrupt labels=unifrom:p=1 --seed 1", "did you mean `uniform`?"),
        ("labels --corrupt partially-corrupted:2 --seed 1", "a probability, 0 to 1"),
        ("labels --corrupt random-labels", "--seed"),
        ("labels --seed 1", "--corrupt"),
        ("labels --corrupt random-labels --seed -1", "--seed"),
        ("labels --corrupt random-labels --seed 18446744073709551616", "--seed"),
        ("labels --corrupt random-labels --seed one", "'one' for '--seed <S>'"),
        ("labels --corrupt random-labels --seed 1 --sped 3", "--sp"),
        ("labels --corrupt random-labels --seed 1 --format xml", "csv, json, npy"),
        ("labels --corrupt random-labels --seed 1 --split validation", "expected one of train, test"),
        ("labels --corrupt random-labels --seed 1 --subset 10000000", "at most the split's"),
        ("labels --corrupt random-labels --seed 1 --subset 10:balance", "N:balanced"),
        ("labels --corrupt random-labels --seed 1 --epoch 4294967296", "--epoch"),
        ("batch --corrupt random-labels --seed 1 --step 100000 --out x", "numbered from 0"),
        ("batch --corrupt random-labels --seed 1 --crop 33 --out x", "expected a side of 1 to 32"),
        ("batch --corrupt random-labels --seed 1 --crop middle:3 --out x", "center:S"),
        ("batch --corrupt random-labels --seed 1 --crop random-resized:0 --out x", "S at least 1"),
        (
            "batch --corrupt random-labels --seed 1 --crop random-resized:8,area=0.9..0.1 --out x",
            "A <= B <= 1",
        ),
        (
            "batch --corrupt random-labels --seed 1 --crop random-resized:65536 --out x",
            "a side of at most 65535",
        ),
        ("batch --corrupt random-labels --seed 1 --crop random-resized:8 --rotate 5 --out x", "not turned"),
        ("batch --corrupt random-labels --seed 1 --batch 0 --out x", "batch size 0"),
        ("batch --corrupt random-labels --seed 1 --dtype f64 --out x", "bf16"),
        ("batch --corrupt random-labels --seed 1 --dtype u8 --normalise whiten --out x", "use f32"),
        ("batch --corrupt random-labels --seed 1 --rank 3 --world 3 --out x", "below the world size"),
        ("batch --corrupt random-labels --seed 1 --world 0 --out x", "below the world size"),
        ("batch --corrupt random-labels --seed 1 --layout hwc --out x", "nhwc"),
        ("batch --corrupt random-labels --seed 1 --order windowed:100 --out x", "W a multiple of B"),
        ("batch --corrupt random-labels --seed 1", "--out"),
        ("sheet --corrupt random-labels --seed 1 --count 0 --out x", "--count"),
        ("sheet --corrupt random-labels --seed 1 --count 4096 --scale 32 --out x", "too large"),
        ("verify --label-digest abc --corrupt random-labels --seed 1", "64 lowercase hexadecimal digits"),
        ("verify --corrupt random-labels --seed 1", "--label-digest"),
        ("verifi", "verify"),
    ];
    for (args, part) in cases {
        inspect(args).refused(2, &[part]);
    }
    for (args, part) in [
        ("generated", "--out"),
        ("generated --out x --jobs 0", "--jobs"),
        ("generated --out x --shard-size 0", "--shard-size"),
        ("generated --out x --codec zip", "raw"),
        ("generated --out x --pack-order sorted", "shuffled:SEED"),
        ("generated --out x --job 3", "--jobs"),
        ("cifar1000 a --out x", "cifar100"),
        ("npy --images a --out x", "--labels"),
        ("cifar10 --out x", "<SRC>"),
    ] {
        run(PACK, args, &[]).refused(2, &[part]);
    }
    assert!(!Path::new("x").exists());
}
