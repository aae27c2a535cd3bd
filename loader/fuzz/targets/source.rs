//! Files of CIFAR, in both versions, and of MNIST that are not what they say they are.
#![no_main]

use std::{fs, io::Write, path::Path, sync::OnceLock};

use flate2::{Compression, write::GzEncoder};
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use rfx_fuzz::{Edit, apply, folder, told};
use rfx_loader::source::{Cifar10, Cifar100, Mnist, Source, SourceError};

#[derive(Arbitrary, Debug)]
enum Input {
    /// Each file edited.
    Cifar(Vec<(u8, Edit)>),
    Cifar100(Vec<(u8, Edit)>),
    /// Pickled batches.
    CifarPython(Vec<(u8, Edit)>),
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
const CIFAR100: [&str; 4] = ["train.bin", "test.bin", "fine_label_names.txt", "coarse_label_names.txt"];
const CIFAR_PYTHON: [&str; 6] =
    ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"];
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

/// Three records for training and one for the test, and the names of classes and superclasses.
fn cifar100() -> Vec<Vec<u8>> {
    let record = |fine: u8| [vec![fine / 5, fine], vec![fine; 3072]].concat();
    let names = |n: u8| (0..n).map(|i| format!("name{i}\n")).collect::<String>().into_bytes();
    vec![[7, 99, 7].map(record).concat(), record(99), names(100), names(20)]
}

/// A batch of two images, as Python 2 pickled it.
fn cifar_python() -> Vec<Vec<u8>> {
    let batch = |label: u8| {
        [
            b"\x80\x02}q\x01(U\x06labels](K\x01K",
            &[label][..],
            b"eU\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01b\x87R",
            b"(K\x01K\x02M\0\x0c\x86cnumpy\ndtype\nU\x02u1K\0K\x01\x87R",
            b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89T\0\x18\0\0",
            &[label; 6144],
            b"tbU\x09filenames](U\x01aU\x01beu.",
        ]
        .concat()
    };
    (0..6).map(batch).collect()
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
            for column in 0..source.columns().len() {
                source.column(column, split, index).expect("checked when it was opened");
            }
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
        Input::Cifar100(edits) => {
            let mut files = cifar100();
            edit(&mut files, &edits);
            write(path, &CIFAR100, "", &files);
            read_all(Cifar100::open_any_count(path));
        }
        Input::CifarPython(edits) => {
            let mut files = cifar_python();
            let sound = edits.is_empty();
            edit(&mut files, &edits);
            write(path, &CIFAR_PYTHON, "", &files);
            let opened = Cifar10::open_any_count(path);
            assert!(opened.is_ok() || !sound, "the files are sound as long as nobody edits them");
            read_all(opened);
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
