//! Compiles the shim and tells every executable of this package where libtorch lies.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

fn main() {
    println!("cargo:rerun-if-changed=csrc");
    commit();
    // Set by torch-sys (`links = "tch"`), for its direct dependants only.
    let lib = env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from);
    let lib =
        lib.expect("torch-sys found no libtorch: run `cargo xtask setup`, which puts one into .libtorch");
    let include = lib.parent().map(|root| root.join("include")).expect("libtorch's lib folder has a parent");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .warnings(false) // libtorch's headers have their own
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        .file("csrc/shim.cpp")
        .compile("rfx_shim");
    println!("cargo:rustc-link-lib=torch_cpu");
    println!("cargo:rustc-link-lib=c10");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
}

/// Which commit the program was built from, for its reports; a copy without history has none.
fn commit() {
    let log = Path::new("../.git/logs/HEAD"); // changes with every commit
    if log.exists() {
        println!("cargo:rerun-if-changed={}", log.display());
    }
    let git = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    if let Some(git) = git.ok().filter(|git| git.status.success()) {
        println!("cargo:rustc-env=RFX_COMMIT={}", String::from_utf8_lossy(&git.stdout).trim());
    }
}
