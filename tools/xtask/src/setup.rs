//! `cargo xtask setup`: every step says what it does, does nothing where it is done, and fails with what to do.

use std::{
    fs::{self, File, TryLockError},
    io::Write,
    path::Path,
};

use crate::{
    Failure,
    shell::{self, has, output, say},
};

/// The libtorch that tch 0.24 is for.
const TORCH: &str = "2.11.0";

/// Programs that building or testing needs, and the Debian package of each. cmake and nasm build libjpeg-turbo.
const PROGRAMS: [(&str, &str); 4] =
    [("g++", "g++"), ("cmake", "cmake"), ("nasm", "nasm"), ("python3", "python3")];

/// Python packages of the tests, pinned.
const PYTHON: [&str; 4] = ["numpy==2.2.6", "safetensors==0.6.2", "blake3==1.0.5", "pillow==13.0.0"];

/// The command `setup`: everything, and PyTorch where asked for.
pub fn run(pytorch: bool) -> Result<(), Failure> {
    prepare(true)?;
    if pytorch {
        let _lock = lock()?;
        self::pytorch()?;
    }
    say("ready: `cargo xtask demo`, `cargo xtask test`, or plain `cargo build` and `cargo test`");
    Ok(())
}

/// What building needs, and, if asked for, what the tests need in Python.
pub fn prepare(with_python: bool) -> Result<(), Failure> {
    let _lock = lock()?;
    system_packages(with_python)?;
    libtorch()?;
    if with_python {
        python_packages()?;
    }
    Ok(())
}

/// Two set-ups at once would unpack into each other.
fn lock() -> Result<File, Failure> {
    let failed = |e: std::io::Error| Failure::environment(format!("target/setup.lock: {e}"));
    fs::create_dir_all("target").map_err(failed)?;
    let file = File::create("target/setup.lock").map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            say("another set-up is running: waiting for it");
            file.lock().map_err(failed)?;
        }
        Err(TryLockError::Error(e)) => return Err(failed(e)),
    }
    Ok(file)
}

fn system_packages(with_python: bool) -> Result<(), Failure> {
    let mut missing: Vec<&str> =
        PROGRAMS.iter().filter(|(p, _)| !has(p)).map(|(_, package)| *package).collect();
    if output("python3", &["-m", "pip", "--version"]).is_none() {
        missing.push("python3-pip");
    }
    if with_python && output("python3", &["-c", "import ensurepip, venv"]).is_none() {
        missing.push("python3-venv");
    }
    if missing.is_empty() {
        say("system packages: g++, cmake, nasm, python3 with pip are here");
        return Ok(());
    }
    let packages = missing.join(" ");
    let by_hand = format!("apt-get install -y {packages}");
    if !has("apt-get") {
        return Err(Failure::environment(format!(
            "missing: {packages}; install them with this system's package manager"
        )));
    }
    if output("id", &["-u"]).as_deref() != Some("0") {
        return Err(Failure::environment(format!(
            "missing: {packages}; run as root: apt-get update && {by_hand}"
        )));
    }
    say(format!("system packages: installing {packages}"));
    shell::run("apt-get", ["update", "-qq"], 3)?;
    let mut install = std::process::Command::new("apt-get");
    install.args(["install", "-y", "-qq", "--no-install-recommends"]).args(&missing);
    install.env("DEBIAN_FRONTEND", "noninteractive").stdin(std::process::Stdio::null());
    shell::run_command(install, 3)
}

/// Takes out of PyPI's wheel what a CPU needs: three libraries, the headers, and two small CUDA libraries that
/// libtorch_cpu names. No CUDA is linked; a machine that has it loads it late (`--device cuda:0`).
fn libtorch() -> Result<(), Failure> {
    let marker = Path::new(".libtorch/torch/build-version");
    if fs::read_to_string(marker).is_ok_and(|v| v.trim() == TORCH) {
        say(format!("libtorch {TORCH} is in .libtorch"));
        return Ok(());
    }
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(Failure::environment(format!(
            "libtorch is fetched for Linux on x86-64 only; elsewhere set LIBTORCH to a libtorch {TORCH} and build with \
             cargo (rfx-loader and rfx-tools need none)"
        )));
    }
    say(format!("libtorch {TORCH}: downloading 550 MB, keeping 500 MB in .libtorch"));
    let failed = |what: &str, e: std::io::Error| Failure::environment(format!("{what}: {e}"));
    let partial = Path::new(".libtorch.partial");
    for old in [partial, Path::new(".libtorch")] {
        if old.exists() {
            fs::remove_dir_all(old).map_err(|e| failed(&old.display().to_string(), e))?;
        }
    }
    let wheels = partial.join("wheels");
    fs::create_dir_all(&wheels).map_err(|e| failed(".libtorch.partial", e))?;
    let mut pip = vec!["-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"];
    pip.extend(["--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp"]);
    pip.extend(["--abi", "cp311", "--abi", "none"]);
    for platform in
        ["manylinux_2_28_x86_64", "manylinux_2_25_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"]
    {
        pip.extend(["--platform", platform]);
    }
    let wheels_text = wheels.display().to_string();
    pip.extend(["-d", &wheels_text]);
    pip.extend(["torch==2.11.0", "nvidia-cuda-runtime==13.0.96", "nvidia-cuda-cupti==13.0.85"]);
    shell::run("python3", pip, 3).map_err(|f| {
        Failure::environment(format!("{}; is PyPI reachable, and are 2 GB of disk free?", f.message))
    })?;
    shell::run("python3", ["-c", UNPACK, &wheels_text, ".libtorch.partial"], 3)?;
    fs::remove_dir_all(&wheels).map_err(|e| failed(&wheels_text, e))?;
    for (link, file) in [("libtorch.so", "libtorch_cpu.so"), ("libgomp.so", "libgomp.so.1")] {
        // -ltorch and -lgomp, which torch-sys asks for, by the names the linker looks for.
        std::os::unix::fs::symlink(file, partial.join("torch/lib").join(link))
            .map_err(|e| failed(link, e))?;
    }
    // Written last: with this file torch-sys checks the version, and we know that the folder is whole.
    let mut version =
        File::create(partial.join("torch/build-version")).map_err(|e| failed("build-version", e))?;
    version.write_all(format!("{TORCH}\n").as_bytes()).map_err(|e| failed("build-version", e))?;
    fs::rename(partial, ".libtorch").map_err(|e| failed(".libtorch", e))
}

/// Unpacks what is wanted; says which file a wheel lacks.
const UNPACK: &str = r#"
import glob, sys, zipfile
source, target = sys.argv[1:]
wanted = {"torch/lib/libc10.so", "torch/lib/libtorch_cpu.so", "torch/lib/libgomp.so.1",
          "nvidia/cu13/lib/libcudart.so.13", "nvidia/cu13/lib/libcupti.so.13"}
found = set()
for wheel in glob.glob(source + "/*.whl"):
    with zipfile.ZipFile(wheel) as z:
        for name in z.namelist():
            if name in wanted or name.startswith("torch/include/"):
                z.extract(name, target)
                found.add(name)
if wanted - found:
    sys.exit("the wheels lack " + ", ".join(sorted(wanted - found)))
"#;

fn python_packages() -> Result<(), Failure> {
    let wanted = PYTHON.join(" ");
    let marker = Path::new(".venv/rfx-packages");
    // Asked, too: a .venv stops working where the Python it was made with is removed, or the checkout is moved.
    let works = || output(".venv/bin/python", &["-c", "import numpy, safetensors, blake3, PIL"]).is_some();
    if fs::read_to_string(marker).is_ok_and(|have| have.trim() == wanted) && works() {
        say("Python packages of the tests are in .venv");
        return Ok(());
    }
    say(format!("Python packages of the tests: {wanted} into .venv"));
    shell::run("python3", ["-m", "venv", "--clear", ".venv"], 3)?;
    let mut pip = vec!["-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary=:all:"];
    pip.extend(PYTHON);
    shell::run(".venv/bin/python", pip, 3)?;
    fs::write(marker, wanted).map_err(|e| Failure::environment(format!("{}: {e}", marker.display())))
}

/// The whole of PyTorch, for tests and benches that compare with it. libtorch above has no Python in it.
fn pytorch() -> Result<(), Failure> {
    let check = format!("import torch; assert torch.__version__.startswith('{TORCH}')");
    if output(".venv/bin/python", &["-c", &check]).is_some() {
        say(format!("PyTorch {TORCH} is in .venv"));
        return Ok(());
    }
    say(format!("PyTorch {TORCH} into .venv (5 GB)"));
    let wanted = format!("torch=={TORCH}");
    let pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-cache-dir", &wanted];
    shell::run(".venv/bin/python", pip, 3)
}
