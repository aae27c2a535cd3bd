//! Wrong usage and bad input: the exit code, one clear message, and nothing left behind.

mod program;
#[path = "../../loader/tests/support/mod.rs"]
mod support;

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use program::{INSPECT, PACK, finish, generated, run};

fn inspect(args: &str) -> program::Ran {
    let (command, rest) = args.split_once(' ').unwrap_or((args, ""));
    run(INSPECT, &format!("{command} {} {rest}", generated("errors").display()), &[])
}

#[test]
fn sources_that_are_not_there_or_of_another_kind() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let out = at("out");
    for kind in ["cifar10", "mnist"] {
        run(PACK, &format!("{kind} -q --out"), &[&out, &at("nowhere")]).refused(2, &["nowhere", "help: "]);
        fs::create_dir_all(at("empty")).unwrap();
        run(PACK, &format!("{kind} -q --out"), &[&out, &at("empty")])
            .refused(2, &["empty", "expected", "help: "]);
        fs::write(at("text"), "not a data set").unwrap();
        run(PACK, &format!("{kind} -q --out"), &[&out, &at("text")]).refused(2, &["text", "help: "]);
    }
    // MNIST's files given to cifar10, and the other way round.
    fs::create_dir_all(at("mnist")).unwrap();
    fs::write(at("mnist/train-images-idx3-ubyte"), [0, 0, 8, 3]).unwrap();
    run(PACK, "cifar10 -q --out", &[&out, &at("mnist")]).refused(2, &["mnist", "data_batch_1.bin"]);
    fs::create_dir_all(at("cifar")).unwrap();
    fs::write(at("cifar/data_batch_1.bin"), [0; 3073]).unwrap();
    run(PACK, "mnist -q --out", &[&out, &at("cifar")]).refused(2, &["cifar", "train-images-idx3-ubyte"]);
    assert!(!out.exists());
}

#[test]
fn sources_that_are_damaged_are_named_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("cifar");
    fs::create_dir_all(&source).unwrap();
    for i in 1..=5 {
        fs::write(source.join(format!("data_batch_{i}.bin")), vec![0; 30_730_000]).unwrap();
    }
    let test = source.join("test_batch.bin");
    let out = folder.path().join("out");
    let pack = || run(PACK, "cifar10 -q --out", &[&out, &source]);
    fs::write(&test, vec![0; 30_729_999]).unwrap();
    pack().refused(2, &["test_batch.bin", "30729999"]);
    let mut bytes = vec![0; 30_730_000];
    bytes[3073 * 7] = 10;
    fs::write(&test, &bytes).unwrap();
    pack().refused(2, &["test_batch.bin", "record 7", "label", "found 10"]);
    fs::write(&test, b"").unwrap();
    pack().refused(2, &["test_batch.bin"]);
    assert!(!out.join("dataset.json").exists());
}

#[test]
fn a_file_that_may_not_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cifar-10-binary.tar.gz");
    fs::write(&path, "secret").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let out = folder.path().join("out");
    let mut command = Command::new(PACK);
    if fs::read(&path).is_ok() {
        // This user may read everything: run as one who may not, where that is possible.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let tool = folder.path().join("rfx-pack");
        fs::copy(PACK, &tool).unwrap();
        command = Command::new("setpriv");
        command.args(["--reuid=65534", "--clear-groups", "--"]).arg(&tool);
    }
    command.args(["cifar10", "-q"]).arg(&path).arg("--out").arg(&out);
    match command.output() {
        Ok(output) if !output.stderr.starts_with(b"setpriv") => {}
        _ => return support::skip("setpriv", "a_file_that_may_not_be_read", "this user may read every file"),
    }
    finish(command).refused(3, &["cifar-10-binary.tar.gz", "Permission denied", "help: "]);
    assert!(!out.exists());
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
        ("batch --corrupt random-labels --seed 1 --batch 0 --out x", "batch size 0"),
        ("batch --corrupt random-labels --seed 1 --dtype f64 --out x", "bf16"),
        ("batch --corrupt random-labels --seed 1 --dtype u8 --normalise whiten --out x", "use f32"),
        ("batch --corrupt random-labels --seed 1 --rank 3 --world 3 --out x", "below the world size"),
        ("batch --corrupt random-labels --seed 1 --world 0 --out x", "below the world size"),
        ("batch --corrupt random-labels --seed 1 --layout hwc --out x", "nhwc"),
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
        ("cifar100 a --out x", "cifar10"),
        ("cifar10 --out x", "<SRC>"),
    ] {
        run(PACK, args, &[]).refused(2, &[part]);
    }
    assert!(!Path::new("x").exists());
}

#[test]
fn folders_that_are_no_data_set() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["info", "verify -q", "labels --corrupt random-labels --seed 1"] {
        run(INSPECT, command, &[&folder.path().join("nowhere")]).refused(2, &["nowhere", "help: "]);
        run(INSPECT, command, &[&folder.path()]).refused(2, &["dataset.json", "rfx-pack"]);
        let file = generated("errors").join("dataset.json");
        run(INSPECT, command, &[&file]).refused(2, &["give the folder"]);
    }
    // A shard that is missing or cut short.
    let damaged = folder.path().join("damaged");
    program::copy(generated("errors"), &damaged);
    let shard = damaged.join("test-00000-of-00001.safetensors");
    let bytes = fs::read(&shard).unwrap();
    fs::write(&shard, &bytes[..bytes.len() - 1]).unwrap();
    let labels = "labels --corrupt random-labels --seed 1 --split test";
    run(INSPECT, labels, &[&damaged])
        .refused(2, &["test-00000-of-00001.safetensors", "expected", "found", "help: "]);
    fs::remove_file(&shard).unwrap();
    run(INSPECT, labels, &[&damaged]).refused(2, &["test-00000-of-00001.safetensors", "No such file"]);
    let found = run(INSPECT, "verify -q", &[&damaged]).ended(1);
    assert!(found.out.contains("No such file"), "{}", found.out);
}

#[test]
fn a_standard_output_that_cannot_be_written() {
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else {
        return support::skip("dev-full", "a_standard_output_that_cannot_be_written", "no /dev/full");
    };
    let mut command = Command::new(INSPECT);
    command.arg("labels").arg(generated("errors")).args(["--corrupt", "random-labels", "--seed", "1"]);
    let output = command.stdout(full).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{err}");
    assert!(err.starts_with("error: standard output: cannot write: No space left"), "{err}");
    // A reader that has seen enough is no error.
    let script = r#""$0" labels "$1" --corrupt random-labels --seed 1 --format json | head -c 100; exit ${PIPESTATUS[0]}"#;
    let mut command = Command::new("bash");
    command.args(["-c", script, INSPECT]).arg(generated("errors"));
    let ran = finish(command).ended(0);
    assert!(ran.err.is_empty(), "{}", ran.err);
}
