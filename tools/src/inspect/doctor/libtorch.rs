//! Whether `rfx-train` finds the libtorch it was built for. This program links none, so it looks at files only.

use std::path::{Path, PathBuf};

use super::Check;

const TOPIC: &str = "libtorch";

/// The version that tch 0.24 binds to.
const WANTED: &str = "2.11";

/// In the order in which the trainer's build looks: `$LIBTORCH`, then what set-up fetched.
pub fn checks() -> Vec<Check> {
    let given = std::env::var_os("LIBTORCH").map(PathBuf::from);
    let fetched = std::env::current_dir().ok().map(|folder| folder.join(".libtorch/torch"));
    let found = given.clone().into_iter().chain(fetched).find(|folder| folder.join("lib").is_dir());
    match (found, given) {
        (Some(folder), _) => vec![version(&folder), card_half(&folder)],
        (None, Some(given)) => vec![
            Check::ok(TOPIC, "folder", format!("LIBTORCH={}, which has no lib", given.display())).broken(
                "set LIBTORCH to the folder of a libtorch 2.11, or unset it and run cargo xtask setup",
            ),
        ],
        (None, None) => vec![
            Check::ok(TOPIC, "folder", "none ($LIBTORCH is not set, and here is no .libtorch)")
                .advice("only rfx-train needs it: cargo xtask setup fetches it"),
        ],
    }
}

fn version(folder: &Path) -> Check {
    let file = ["build-version", "version.py"].map(|name| folder.join(name));
    let text = file.iter().find_map(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
    let version =
        text.split(['\'', '"', '\n', ' ']).find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let found = format!("{} in {}", version.unwrap_or("unknown version"), folder.display());
    let check = Check::ok(TOPIC, "version", found);
    match version {
        Some(version) if version.starts_with(WANTED) => check,
        Some(_) => check.broken(format!("rfx-train is built for libtorch {WANTED}: set LIBTORCH to one")),
        None => check.advice(format!("make sure that it is libtorch {WANTED}")),
    }
}

fn card_half(folder: &Path) -> Check {
    let here = folder.join("lib/libtorch_cuda.so").exists();
    let found = if here {
        "libtorch_cuda is there"
    } else {
        "for the processor only; an installed PyTorch 2.11 has the rest"
    };
    Check::ok(TOPIC, "card", found)
}

#[cfg(test)]
mod tests {
    use super::{super::State, *};

    #[test]
    fn the_version_is_read_from_either_file() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(version(folder.path()).state, State::Advice);
        std::fs::write(folder.path().join("version.py"), "__version__ = '2.11.0+cu130'\ndebug = False\n")
            .unwrap();
        let check = version(folder.path());
        assert!(check.state == State::Ok && check.found.starts_with("2.11.0+cu130"), "{}", check.found);
        std::fs::write(folder.path().join("build-version"), "2.4.1\n").unwrap();
        assert_eq!(version(folder.path()).state, State::Broken);
        assert!(card_half(folder.path()).found.contains("only"));
    }
}
