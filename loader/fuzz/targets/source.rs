//! CIFAR-10 and MNIST files that are not what they say they are.
#![no_main]

use std::{fs, io::Write, path::Path, sync::OnceLock};

use flate2::{Compression, write::GzEncoder};
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use rfx_fuzz::{Edit, apply, folder, told};
use rfx_loader::source::{Cifar10, Mnist, Source, SourceError};

#[derive(Arbitrary, Debug)]
enum Input {
    /// Each file edited.
    Cifar(Vec<(u8, Edit)>),
    /// The archive edited, inside its compression and outside.
    CifarArchive {
        inside: Vec<Edit>,
        outside: Vec<Edit>,
    },
    Mnist {
        files: Vec<(u8, Edit)>,
        compressed: [Vec<Edit>; 4],
    },
}

const CIFAR: [&str; 7] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    "test_batch.bin",
    "batches.meta.txt",
];
const MNIST: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// Two records a file, and the names of the classes.
fn cifar() -> Vec<Vec<u8>> {
    let record = |label: u8| [vec![label], vec![label * 20; 3072]].concat();
    let mut files: Vec<Vec<u8>> = (0..6).map(|i| [record(i), record(9 - i)].concat()).collect();
    files.push("airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n".into());
    files
}

fn mnist() -> Vec<Vec<u8>> {
    let images = |n: u32| {
        [2051, n, 28, 28]
            .iter()
            .flat_map(|w: &u32| w.to_be_bytes())
            .chain(vec![7; 784 * n as usize])
            .collect()
    };
    let labels = |n: u32| [2049, n].iter().flat_map(|w: &u32| w.to_be_bytes()).chain(0..n as u8).collect();
    vec![images(4), labels(4), images(2), labels(2)]
}

fn archive() -> &'static Vec<u8> {
    static TAR: OnceLock<Vec<u8>> = OnceLock::new();
    TAR.get_or_init(|| {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in CIFAR.iter().zip(cifar()) {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            let path = format!("cifar-10-batches-bin/{name}");
            tar.append_data(&mut header, path, &bytes[..]).expect("a tar in memory");
        }
        tar.into_inner().expect("a tar in memory")
    })
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

fn edit(files: &mut [Vec<u8>], edits: &[(u8, Edit)]) {
    for (file, edit) in edits {
        let n = files.len();
        apply(std::slice::from_ref(edit), &mut files[usize::from(*file) % n]);
    }
}

fn read_all<S: Source>(opened: Result<S, SourceError>) {
    let source = match opened {
        Ok(source) => source,
        Err(error) => return told(&error),
    };
    let mut image = vec![0; source.shape().values()];
    for (split, s) in source.splits().iter().enumerate() {
        for index in 0..s.samples {
            let label = source.label(split, index).expect("checked when it was opened");
            assert!((0..source.classes().len() as i64).contains(&label));
            source.read(split, index, &mut image).expect("checked when it was opened");
        }
    }
}

fn write(folder: &Path, names: &[&str], suffix: &str, files: &[Vec<u8>]) {
    for (name, bytes) in names.iter().zip(files) {
        fs::write(folder.join(format!("{name}{suffix}")), bytes).expect("a temporary file");
    }
}

fuzz_target!(|input: Input| {
    let folder = folder();
    let path = folder.path();
    match input {
        Input::Cifar(edits) => {
            let mut files = cifar();
            edit(&mut files, &edits);
            write(path, &CIFAR, "", &files);
            read_all(Cifar10::open_any_count(path));
        }
        Input::CifarArchive { inside, outside } => {
            let mut tar = archive().clone();
            apply(&inside, &mut tar);
            let mut gz = gzip(&tar);
            apply(&outside, &mut gz);
            write(path, &["cifar-10-binary.tar.gz"], "", &[gz]);
            read_all(Cifar10::open_any_count(path));
        }
        Input::Mnist { files: edits, compressed } => {
            let mut files = mnist();
            edit(&mut files, &edits);
            let zipped = compressed.iter().any(|edits| !edits.is_empty());
            if zipped {
                for (file, edits) in files.iter_mut().zip(&compressed) {
                    *file = gzip(file);
                    apply(edits, file);
                }
            }
            write(path, &MNIST, if zipped { ".gz" } else { "" }, &files);
            read_all(Mnist::open(path));
        }
    }
});
