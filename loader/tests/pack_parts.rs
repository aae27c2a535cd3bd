//! Parts of a pack and their merge: byte for byte what one machine packs, whatever happened on the way.

#[path = "samples/mod.rs"]
mod samples;

use std::{
    fs,
    os::unix::{fs::MetadataExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, atomic::AtomicBool},
};

use rfx_loader::{
    ErrorKind,
    dataset::{Dataset, Verify},
    pack::{PackCodec, PackError, PackOptions, PackOrder, PackReport, Part, PartReport, merge, pack_part},
    source::Source,
};
use samples::{Small, options, overwrite, pack_to, tree};

const CHILD: [&str; 3] = ["RFX_TEST_PART_DIR", "RFX_TEST_PART", "RFX_TEST_KILL_AFTER"];

fn source() -> Small {
    Small { banded: true, ..Small::new(300, 60).with_columns(&["coarse"]) }
}

fn forms() -> [PackOptions; 2] {
    let order = PackOrder::Shuffled { seed: 9 };
    let codec = PackCodec::Zstd { level: 3, dictionary_bytes: 256 };
    [options(2, 1500), PackOptions { order, codec, ..options(2, 1500) }]
}

fn part_to(
    source: &dyn Source,
    k: u32,
    n: u32,
    out: &Path,
    options: &PackOptions,
) -> Result<PartReport, PackError> {
    pack_part(source, Part::new(k, n).unwrap(), out, options, &(), &AtomicBool::new(false))
}

fn merge_to(parts: &[PathBuf], out: &Path) -> Result<PackReport, PackError> {
    merge(parts, out, &(), &AtomicBool::new(false))
}

/// All parts of `n`, in folders below `dir`.
fn parts(dir: &Path, n: u32, options: &PackOptions) -> Vec<PathBuf> {
    let folder = |k: u32| {
        let out = dir.join(format!("part{k}-of-{n}"));
        // Each part with a number of jobs of its own, as on different machines.
        let report =
            part_to(&source(), k, n, &out, &PackOptions { jobs: 1 + k as usize % 3, ..options.clone() });
        assert_eq!(report.unwrap().part, Part::new(k, n).unwrap());
        out
    };
    (0..n).map(folder).collect()
}

#[test]
fn any_number_of_parts_merges_into_the_bytes_of_one_pack() {
    let tmp = tempfile::tempdir().unwrap();
    for (f, form) in forms().iter().enumerate() {
        let dir = tmp.path().join(f.to_string());
        let one = pack_to(&source(), &dir.join("one"), form).unwrap();
        let expected = tree(&dir.join("one"));
        assert!(one.shards > 8);
        // More parts than shards too: some have nothing to do.
        for n in [1, 2, 3, 7, one.shards as u32 + 3] {
            let mut folders = parts(&dir, n, form);
            folders.reverse(); // in any order
            let out = dir.join(format!("merged{n}"));
            let merged = merge_to(&folders, &out).unwrap();
            assert!(tree(&out) == expected, "{f} {n}");
            assert_eq!((merged.content, merged.pack, merged.shards), (one.content, one.pack, one.shards));
            let samples: usize = folders.iter().map(|p| tree(p).len()).sum();
            assert!(samples >= one.shards + 2 * n as usize, "parts stay as they are");
            // Again: nothing to do. The plain command on the merged folder: the same.
            assert!(merge_to(&folders, &out).unwrap().already_complete);
            assert!(pack_to(&source(), &out, form).unwrap().already_complete);
            assert!(Dataset::open(&out, Verify::Once).unwrap().verify(&()).unwrap().is_sound());
        }
    }
}

#[test]
fn shards_are_linked_where_that_is_possible_and_copied_where_they_are_damaged_or_there() {
    let tmp = tempfile::tempdir().unwrap();
    let form = &forms()[1];
    pack_to(&source(), &tmp.path().join("one"), form).unwrap();
    let folders = parts(tmp.path(), 2, form);
    let out = tmp.path().join("out");
    merge_to(&folders, &out).unwrap();
    let name = "train-00000-of-00006.safetensors";
    let name = if out.join(name).exists() {
        name.to_owned()
    } else {
        tree(&out).into_keys().find(|n| n.starts_with("train-00000")).unwrap()
    };
    let meta = |path: &Path| fs::metadata(path.join(&name)).unwrap();
    assert_eq!(meta(&out).ino(), meta(&folders[0]).ino());
    assert!(meta(&out).permissions().readonly());
    // A merge that was stopped: no index, a wrong shard, a leftover. The journal of a pack of the same plan.
    let expected = tree(&out);
    let stopped = tmp.path().join("stopped");
    let cancelled = merge(&folders, &stopped, &(), &AtomicBool::new(true)).unwrap_err();
    assert!(matches!(cancelled, PackError::Interrupted { .. }));
    fs::write(stopped.join(&name), "half").unwrap();
    fs::write(stopped.join(format!(".{name}.rfx-tmp")), "half").unwrap();
    merge_to(&folders, &stopped).unwrap();
    assert!(tree(&stopped) == expected);
}

/// Not a test of its own: the process that `a_killed_part...` kills.
#[test]
#[ignore = "run by a_killed_part_goes_on_and_merges_into_the_same_bytes"]
fn child_packs_a_part() {
    let [Ok(dir), Ok(part), Ok(kill)] = CHILD.map(std::env::var) else { return };
    let source = Small { kill_after: Some(Arc::new(kill.parse::<usize>().unwrap().into())), ..source() };
    let part: Part = part.parse().unwrap();
    part_to(&source, part.number(), part.of(), Path::new(&dir), &forms()[0]).unwrap();
}

#[test]
fn a_killed_part_goes_on_and_merges_into_the_same_bytes() {
    let tmp = tempfile::tempdir().unwrap();
    let form = &forms()[0];
    pack_to(&source(), &tmp.path().join("one"), form).unwrap();
    let folders: Vec<_> = (0..3).map(|k| tmp.path().join(k.to_string())).collect();
    for (k, out) in folders.iter().enumerate() {
        for kill_after in [0, 40, 70] {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", "child_packs_a_part", "--ignored"]);
            command.env(CHILD[0], out).env(CHILD[1], format!("{k}/3")).env(CHILD[2], kill_after.to_string());
            let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
            assert_eq!(status.signal(), Some(9), "part {k} after {kill_after}");
            assert!(!out.join("part.json").exists());
            // Not a data set, and nothing to merge.
            assert!(Dataset::open(out, Verify::Once).unwrap_err().to_string().contains("unfinished pack"));
            let error = merge_to(&folders[..=k], &tmp.path().join("none")).unwrap_err().to_string();
            assert!(error.contains("finished part"), "{error}");
        }
        let report = part_to(&source(), k as u32, 3, out, form).unwrap();
        assert!(report.resumed_shards > 0 && !report.already_complete, "{report:?}");
        assert!(part_to(&source(), k as u32, 3, out, form).unwrap().already_complete);
        assert!(Dataset::open(out, Verify::Once).unwrap_err().to_string().contains("rfx-pack merge"));
    }
    merge_to(&folders, &tmp.path().join("out")).unwrap();
    assert!(tree(&tmp.path().join("out")) == tree(&tmp.path().join("one")));
}

#[test]
fn parts_that_do_not_fit_together_are_refused_by_name() {
    let tmp = tempfile::tempdir().unwrap();
    let form = &forms()[0];
    let four = parts(tmp.path(), 4, form);
    let out = tmp.path().join("out");
    let refused = |parts: &[PathBuf], words: &[&str]| {
        let error = merge_to(parts, &out).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input, "{error}");
        for word in words {
            assert!(error.to_string().contains(word), "no {word:?} in {error}");
        }
        assert!(!out.exists(), "a refused merge writes nothing");
    };
    refused(&[], &["one or more folders"]);
    refused(&four[..1], &["parts: expected all of 0 to 3, found all but 1 to 3"]);
    refused(&[four[0].clone(), four[3].clone()], &["all but 1 to 2"]);
    refused(&[four[0].clone(), four[1].clone(), four[3].clone()], &["all but 2;"]);
    refused(&[&four[..], &four[1..2]].concat(), &["part 1/4 in", "part1-of-4", "each part once"]);
    // Of another plan: both digests.
    let other = tmp.path().join("other");
    let report = part_to(&Small::new(301, 60).with_columns(&["coarse"]), 3, 4, &other, form).unwrap();
    let digest = |path: &Path| -> String {
        let part: serde_json::Value =
            serde_json::from_slice(&fs::read(path.join("part.json")).unwrap()).unwrap();
        part["plan"].as_str().unwrap().to_owned()
    };
    assert_eq!(report.plan.to_string(), digest(&other));
    refused(
        &[&four[..3], std::slice::from_ref(&other)].concat(),
        &[&digest(&four[0]), &digest(&other), "part0-of-4"],
    );
    // Of the same plan cut otherwise.
    let three = parts(tmp.path(), 3, form);
    refused(&[&four[..3], &three[2..]].concat(), &["number of parts: expected 4", "found 3"]);
    // A data set, a folder of something else, nothing.
    pack_to(&source(), &tmp.path().join("whole"), form).unwrap();
    refused(&[tmp.path().join("whole")], &["finished part", "part.json"]);
    refused(&[tmp.path().join("nowhere")], &["nowhere", "finished part"]);
}

#[test]
fn damaged_parts_are_refused_and_folders_of_other_parts_left_alone() {
    let tmp = tempfile::tempdir().unwrap();
    let form = &forms()[0];
    let two = parts(tmp.path(), 2, form);
    let before = tree(&two[0]);
    // Another part, or all of it, into the folder of this one.
    let error = part_to(&source(), 1, 2, &two[0], form).unwrap_err();
    assert!(matches!(error, PackError::OtherPart { .. }), "{error}");
    assert!(error.to_string().contains("expected part 1/2 (this command), found part 0/2"), "{error}");
    let error = pack_to(&source(), &two[0], form).unwrap_err().to_string();
    assert!(error.contains("expected the whole pack (this command), found part 0/2"), "{error}");
    assert!(tree(&two[0]) == before);
    let whole = tmp.path().join("whole");
    pack_to(&source(), &whole, form).unwrap();
    assert!(matches!(part_to(&source(), 0, 2, &whole, form), Err(PackError::NotEmpty { .. })));
    // Every byte of the summary, a journal of another part, a shard cut short, a head that was changed.
    let refused = |damage: &dyn Fn(&Path), word: &str| {
        let copy = tmp.path().join("copy");
        let _ = fs::remove_dir_all(&copy);
        fs::create_dir(&copy).unwrap();
        before.iter().for_each(|(name, bytes)| fs::write(copy.join(name), bytes).unwrap());
        damage(&copy);
        let out = tmp.path().join("out");
        let _ = fs::remove_dir_all(&out);
        let error = merge_to(&[copy, two[1].clone()], &out).unwrap_err().to_string();
        assert!(error.contains(word), "no {word:?} in {error}");
        assert!(!out.join("dataset.json").exists());
    };
    let summary = &before["part.json"];
    for at in (0..summary.len()).step_by(5) {
        refused(
            &|copy| {
                let mut bytes = summary.clone();
                bytes[at] ^= 1;
                overwrite(&copy.join("part.json"), &bytes);
            },
            "part.json",
        );
    }
    refused(&|copy| overwrite(&copy.join("part.json"), &summary[..summary.len() / 2]), "part.json");
    refused(&|copy| fs::remove_file(copy.join("plan.json")).unwrap(), "plan.json");
    refused(
        &|copy| overwrite(&copy.join("plan.json"), &tree(&two[1])["plan.json"]),
        "part: expected 0/2 in plan.json",
    );
    let shard = before.keys().find(|n| n.ends_with(".safetensors")).unwrap();
    refused(&|copy| overwrite(&copy.join(shard), &before[shard][..100]), "length");
    refused(
        &|copy| {
            let mut bytes = before[shard].clone();
            bytes[65_536 - 9] ^= 1; // the last hash but one
            overwrite(&copy.join(shard), &bytes);
        },
        "BLAKE3 of the head",
    );
}
