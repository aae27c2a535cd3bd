//! `cargo xtask demo`: from nothing, or from somebody's data, to a report.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Failure, setup,
    shell::{self, cargo, say, target_dir},
};

struct Options {
    data: Option<PathBuf>,
    out: Option<PathBuf>,
    resume: bool,
    /// For rfx-train.
    rest: Vec<String>,
}

pub fn run(args: &[String]) -> Result<(), Failure> {
    let options = parse(args)?;
    // Asked before anything is downloaded.
    let source = options.data.as_deref().map(recognise).transpose()?;
    let out = match options.out {
        out if options.resume => begun(out, &source)?,
        Some(out) if is_taken(&out) => {
            return Err(Failure::usage(format!(
                "{}: there is something here already; choose another --out, add --resume to go on with that demo, or \
                 remove it",
                out.display()
            )));
        }
        Some(out) => out,
        None => free_name("demo-out"),
    };
    setup::prepare(false)?;
    say("building rfx-pack and rfx-train (a few minutes the first time)");
    let target = target_dir().display().to_string();
    let mut build = vec!["build", "--release", "--locked", "-p", "rfx-tools", "-p", "rfx-trainer"];
    build.extend(["--target-dir", &target]); // named, because a cargo configuration of the user's may name another
    shell::run(&cargo(), build, 1)?;
    let program = |name: &str| Path::new(&target).join("release").join(name).display().to_string();
    let data = match &source {
        Some(Source::Packed(path)) => path.clone(),
        _ => {
            let packed = out.join("data");
            // Also where it is packed already, wholly or in part: rfx-pack compares it with the source, and goes on.
            say(format!("packing into {}", packed.display()));
            let (kind, path) = match &source {
                Some(Source::Foreign(kind, path)) => (*kind, Some(path.display().to_string())),
                _ => ("generated", None),
            };
            let to = packed.display().to_string();
            let mut args = vec![kind.to_owned()];
            args.extend(path);
            args.extend(["--out".to_owned(), to]);
            shell::run_ours(&program("rfx-pack"), &args)?;
            packed
        }
    };
    say("training MLP 1x512 on the paper's six variants");
    let mut args = vec!["demo".to_owned(), "--data".into(), data.display().to_string()];
    args.extend(["--out".into(), out.join("demo").display().to_string()]);
    args.extend(options.rest);
    if options.resume {
        args.push("--resume".into());
    }
    // In our place, so that Ctrl-C reaches the program that writes a checkpoint, and no parent that ends before it.
    Err(shell::become_ours(&program("rfx-train"), &args))
}

/// The folder of the demo to go on with: `out`, or the last of the default names.
fn begun(out: Option<PathBuf>, source: &Option<Source>) -> Result<PathBuf, Failure> {
    let out = match out {
        Some(out) if is_taken(&out) => out,
        Some(out) => {
            return Err(Failure::usage(format!(
                "{}: no demo here to go on with; leave --resume away",
                out.display()
            )));
        }
        None => last_name("demo-out").ok_or_else(|| {
            Failure::usage("demo-out: no demo here to go on with; leave --resume away, or give --out")
        })?,
    };
    let packed_elsewhere = out.join("demo").exists() && !out.join("data").exists();
    if packed_elsewhere && !matches!(source, Some(Source::Packed(_))) {
        let why = "this demo was begun on a packed data set; give the same --data";
        return Err(Failure::usage(format!("{}: {why}", out.display())));
    }
    Ok(out)
}

fn parse(args: &[String]) -> Result<Options, Failure> {
    let mut options = Options { data: None, out: None, resume: false, rest: Vec::new() };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || {
            let value = args.next().filter(|v| !v.starts_with("--"));
            value.ok_or_else(|| Failure::usage(format!("{arg} needs a value")))
        };
        match arg.as_str() {
            "--data" => options.data = Some(shell::absolute(value()?)),
            "--out" => options.out = Some(shell::absolute(value()?)),
            "--epochs" => number(arg, value()?, 1, u64::from(u32::MAX), &mut options.rest)?,
            "--seed" => number(arg, value()?, 0, u64::MAX, &mut options.rest)?,
            "--resume" => options.resume = true,
            "--full" => options.rest.push(arg.clone()),
            _ => return Err(Failure::usage(format!("unknown option `{arg}`; see `cargo xtask help`"))),
        }
    }
    Ok(options)
}

/// Passes a number on to rfx-train, which would refuse a bad one only after everything is downloaded and built.
fn number(name: &str, text: &str, least: u64, most: u64, rest: &mut Vec<String>) -> Result<(), Failure> {
    match text.parse() {
        Ok(number) if (least..=most).contains(&number) => {
            rest.extend([name.to_owned(), text.to_owned()]);
            Ok(())
        }
        _ => Err(Failure::usage(format!("{name} {text}: expected a whole number from {least} to {most}"))),
    }
}

enum Source {
    Packed(PathBuf),
    Foreign(&'static str, PathBuf),
}

/// Any of these makes a folder CIFAR-10: batches, folders and archives of its binary and its Python version.
const CIFAR10: [&str; 6] = [
    "data_batch_1.bin",
    "cifar-10-batches-bin",
    "cifar-10-binary.tar.gz",
    "data_batch_1",
    "cifar-10-batches-py",
    "cifar-10-python.tar.gz",
];

/// What kind of data a folder or file holds, by the names of its files; the packer then checks the contents.
fn recognise(path: &Path) -> Result<Source, Failure> {
    let here = |name: &str| path.join(name).exists();
    let foreign = |kind| Ok(Source::Foreign(kind, path.to_path_buf()));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if here("dataset.json") {
        Ok(Source::Packed(path.to_path_buf()))
    } else if CIFAR10.into_iter().any(here)
        || (name.starts_with("cifar-10-") && name.ends_with(".tar.gz") && path.is_file())
    {
        foreign("cifar10")
    } else if ["train-images-idx3-ubyte.gz", "train-images-idx3-ubyte", "train-images.idx3-ubyte"]
        .into_iter()
        .any(here)
    {
        foreign("mnist")
    } else {
        Err(Failure::usage(format!(
            "{}: expected a packed data set (dataset.json), CIFAR-10 (data_batch_1.bin, or its .tar.gz) or MNIST \
             (train-images-idx3-ubyte, or .gz), found none of them",
            path.display()
        )))
    }
}

fn is_taken(path: &Path) -> bool {
    path.is_file() || fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some())
}

/// `name`, `name-2`, `name-3`, ...
fn names(name: &str) -> impl Iterator<Item = PathBuf> {
    let numbered = (2..).map(move |n| format!("{name}-{n}"));
    std::iter::once(name.to_owned()).chain(numbered).map(PathBuf::from)
}

/// The first of the names that is not taken.
fn free_name(name: &str) -> PathBuf {
    names(name).find(|path| !is_taken(path)).unwrap_or_else(|| name.into())
}

/// The name before that, if any.
fn last_name(name: &str) -> Option<PathBuf> {
    names(name).take_while(|path| is_taken(path)).last()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{env, process};

    /// A folder of its own, removed when dropped.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            let path = env::temp_dir().join(format!("rfx-xtask-{name}-{}", process::id()));
            fs::create_dir_all(&path).unwrap();
            Scratch(path)
        }

        fn file(&self, name: &str) -> PathBuf {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "x").unwrap();
            path
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn parsed(args: &str) -> Result<Options, String> {
        let args: Vec<String> = args.split_whitespace().map(str::to_owned).collect();
        parse(&args).map_err(|failure| {
            assert_eq!(failure.code, 2);
            failure.message
        })
    }

    #[test]
    fn options_are_understood_or_refused_before_anything_is_done() {
        let options =
            parsed("--out there --epochs 3 --full --resume --data /d --seed 18446744073709551615").unwrap();
        assert!(options.resume && options.out.unwrap().ends_with("there"));
        assert_eq!(options.data.unwrap(), Path::new("/d"));
        assert_eq!(options.rest, ["--epochs", "3", "--full", "--seed", "18446744073709551615"]);
        for (args, words) in [
            ("--epochs", "--epochs needs a value"),
            ("--out --full", "--out needs a value"),
            ("--epochs ten", "--epochs ten: expected a whole number"),
            ("--epochs 0", "from 1"),
            ("--seed -1", "--seed -1"),
            ("--epoch 3", "unknown option `--epoch`"),
        ] {
            let message = parsed(args).err().unwrap();
            assert!(message.contains(words), "{args}: {message}");
        }
    }

    #[test]
    fn data_are_recognised_by_the_names_of_their_files() {
        let kind = |path: &Path| match recognise(path) {
            Ok(Source::Packed(_)) => "packed",
            Ok(Source::Foreign(kind, _)) => kind,
            Err(_) => "unknown",
        };
        for (file, expected) in [
            ("dataset.json", "packed"),
            ("data_batch_1.bin", "cifar10"),
            ("cifar-10-batches-bin/data_batch_1.bin", "cifar10"),
            ("cifar-10-binary.tar.gz", "cifar10"),
            ("cifar-10-python.tar.gz", "cifar10"),
            ("data_batch_1", "cifar10"),
            ("train-images-idx3-ubyte.gz", "mnist"),
            ("train-images-idx3-ubyte", "mnist"),
            ("holiday.jpg", "unknown"),
        ] {
            let folder = Scratch::new("recognise");
            folder.file(file);
            assert_eq!(kind(&folder.0), expected, "{file}");
        }
        let folder = Scratch::new("recognise-file");
        assert_eq!(kind(&folder.file("cifar-10-binary.tar.gz")), "cifar10");
        assert_eq!(kind(&folder.file("cifar-100-binary.tar.gz")), "unknown");
        assert_eq!(kind(&folder.file("other.tar.gz")), "unknown");
        assert_eq!(kind(&folder.0.join("missing")), "unknown");
    }

    #[test]
    fn default_names_are_free_ones_and_resumed_ones_are_the_last() {
        let folder = Scratch::new("names");
        let name = folder.0.join("demo-out").display().to_string();
        assert_eq!((free_name(&name), last_name(&name)), (PathBuf::from(&name), None));
        fs::create_dir(&name).unwrap(); // empty: not taken
        assert_eq!(free_name(&name), Path::new(&name));
        folder.file("demo-out/data/x");
        folder.file("demo-out-2/data/x");
        assert_eq!(free_name(&name), PathBuf::from(format!("{name}-3")));
        assert_eq!(last_name(&name), Some(PathBuf::from(format!("{name}-2"))));
    }

    #[test]
    fn only_a_demo_goes_on_and_only_with_its_own_data() {
        let folder = Scratch::new("resume");
        let out = || Some(folder.0.join("demo-out"));
        assert!(begun(out(), &None).is_err());
        folder.file("demo-out/demo/runs/x"); // begun on a packed data set: there is none in it
        assert!(begun(out(), &None).err().unwrap().message.contains("the same --data"));
        assert!(begun(out(), &Some(Source::Packed("d".into()))).is_ok());
        folder.file("demo-out/data/x");
        assert_eq!(begun(out(), &None).ok(), out());
    }
}
