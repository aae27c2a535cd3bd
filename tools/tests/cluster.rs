//! The recipes of docs/cluster, run as a cluster runs them: with its variables set, one task after another. The result is
//! what one machine packs.

mod program;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use program::{PACK, Ran, contents, finish, run};

const PARTS: usize = 3;
const SOURCE: &str = "generated --shard-size 4 --codec zstd --zstd-level 1";

fn recipe(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cluster").join(name)
}

/// The data set of one machine, and the folder beside which a cluster shall write.
fn expected(tmp: &Path) -> Vec<(String, Vec<u8>)> {
    let one = tmp.join("one");
    run(PACK, &format!("{SOURCE} -q --out"), &[&one]).ended(0);
    contents(&one)
}

#[test]
fn the_slurm_scripts_pack_what_one_machine_packs() {
    let tmp = tempfile::tempdir().unwrap();
    let out = tmp.path().join("packed");
    let script = |name: &str, task: Option<usize>| -> Ran {
        let mut command = Command::new("bash");
        command.arg(recipe(name)).env("RFX_PACK", PACK).env("RFX_SOURCE", SOURCE).env("RFX_OUT", &out);
        command.env("RFX_PARTS", PARTS.to_string()).env("SLURM_CPUS_PER_TASK", "2");
        task.map(|task| command.env("SLURM_ARRAY_TASK_ID", task.to_string()));
        finish(command)
    };
    for task in [2, 0] {
        script("pack.sbatch", Some(task)).ended(0);
    }
    script("merge.sbatch", None).refused(2, &["packed.parts/1", "finished part"]);
    for task in [1, 1] {
        script("pack.sbatch", Some(task)).ended(0); // a task that is run again does nothing
    }
    script("merge.sbatch", None).ended(0);
    assert!(contents(&out) == expected(tmp.path()));
    // What a user forgets is told.
    let forgot = script("pack.sbatch", None).ended(1);
    assert!(forgot.err.contains("sbatch --array=0-2"), "{}", forgot.err);
}

/// The lines of the block after `args:` in one of our own YAML files.
fn shell_of(yaml: &Path) -> String {
    let text = std::fs::read_to_string(yaml).unwrap();
    let (_, block) = text.split_once("args:\n            - |\n").unwrap();
    block.lines().take_while(|l| l.starts_with("              ")).map(|l| format!("{}\n", l.trim())).collect()
}

#[test]
fn the_shell_lines_of_the_kubernetes_jobs_pack_what_one_machine_packs() {
    let tmp = tempfile::tempdir().unwrap();
    let out = tmp.path().join("packed");
    let path = format!("{}:{}", Path::new(PACK).parent().unwrap().display(), std::env::var("PATH").unwrap());
    let pod = |yaml: &str, index: usize| {
        let mut command = Command::new("/bin/sh");
        command
            .arg("-c")
            .arg(shell_of(&recipe(yaml)))
            .env("PATH", &path)
            .env("SOURCE", SOURCE)
            .env("OUT", &out);
        command.env("PARTS", PARTS.to_string()).env("JOB_COMPLETION_INDEX", index.to_string());
        finish(command).ended(0)
    };
    (0..PARTS).for_each(|index| drop(pod("kubernetes-pack.yaml", index)));
    pod("kubernetes-merge.yaml", 0);
    assert!(contents(&out) == expected(tmp.path()));
}

#[test]
fn the_ray_script_packs_what_one_machine_packs() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python");
    let has_ray =
        || Command::new(&python).args(["-c", "import ray"]).output().is_ok_and(|o| o.status.success());
    if !has_ray() {
        return support::skip(
            "ray",
            "the_ray_script_packs_what_one_machine_packs",
            "no Python with ray in .venv",
        );
    }
    let tmp = tempfile::tempdir().unwrap();
    let out = tmp.path().join("packed");
    let mut command = Command::new(python);
    command.arg(recipe("ray_pack.py")).args([
        "--parts",
        "3",
        "--jobs",
        "1",
        "--program",
        PACK,
        "--address",
        "local",
    ]);
    command.arg("--out").arg(&out).arg("--").args(SOURCE.split(' '));
    finish(command).ended(0);
    assert!(contents(&out) == expected(tmp.path()));
}

#[path = "../../loader/tests/support/mod.rs"]
mod support;
