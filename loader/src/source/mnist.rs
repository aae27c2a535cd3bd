//! MNIST (LeCun, Cortes, Burges) and Fashion-MNIST (Xiao, Rasul, Vollgraf 2017, arXiv:1708.07747): four IDX files,
//! gzipped or raw. IDX is big-endian: a magic number, the count, for images rows and columns, then unsigned bytes.
//!
//! The files of both have the same names and the same form. Nothing in them tells which they are: who opens them says
//! so, and it decides the names of the classes.
//!
//! Decompression is bounded by the length the header promises plus one byte. Gzipped files are held in memory
//! (55 MB); raw ones are read at offsets. Digests are of the decompressed bytes, so both give the same data set.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use super::{
    Source, SourceFile, SourceSplit,
    bytes::{Bytes, first_there, gunzip, open, read_bounded},
    error::SourceError,
};
use crate::{ImageShape, Layout, dataset::Class};

const IMAGES_MAGIC: u32 = 2051;
const LABELS_MAGIC: u32 = 2049;
const IMAGES_HEADER: u64 = 16;
const LABELS_HEADER: u64 = 8;
const SIDE: u32 = 28;
const SHAPE: ImageShape = ImageShape { channels: 1, height: 28, width: 28 };

/// Most images of a file: ten times any set of this format, and under a gigabyte of memory.
const MAX_IMAGES: u32 = 1_000_000;

const SPLITS: [(&str, &str); 2] = [("train", "train"), ("test", "t10k")];

/// What distinguishes the data sets of this form.
#[derive(Debug)]
struct Set {
    kind: &'static str,
    /// In label order.
    classes: [&'static str; 10],
    /// Folders in which others put the files.
    folders: [&'static str; 2],
}

const MNIST: Set = Set {
    kind: "mnist",
    classes: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    folders: ["MNIST/raw", "mnist"],
};

const FASHION: Set = Set {
    kind: "fashion-mnist",
    classes: [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ],
    folders: ["FashionMNIST/raw", "fashion-mnist"],
};

/// MNIST or Fashion-MNIST.
#[derive(Debug)]
pub struct Mnist {
    set: &'static Set,
    images: [Bytes; 2],
    labels: [Vec<u8>; 2],
    listed: Vec<SourceFile>,
    splits: [SourceSplit; 2],
    classes: Vec<Class>,
}

impl Mnist {
    /// Opens MNIST in the folder `path`, which holds `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the two
    /// `t10k` files, each also with `.idx` in place of `-idx`, each also with `.gz`; or holds them in `MNIST/raw` or
    /// `mnist`.
    ///
    /// # Errors
    /// [`SourceError`] naming file, record and byte if anything is missing, cut short, too long or out of range.
    pub fn open(path: impl AsRef<Path>) -> Result<Mnist, SourceError> {
        Mnist::open_set(&MNIST, path.as_ref())
    }

    /// Opens Fashion-MNIST, whose files have the names of MNIST's, in the folder `path`, or in `FashionMNIST/raw` or
    /// `fashion-mnist` in it.
    ///
    /// # Errors
    /// As [`open`](Mnist::open).
    pub fn open_fashion(path: impl AsRef<Path>) -> Result<Mnist, SourceError> {
        Mnist::open_set(&FASHION, path.as_ref())
    }

    fn open_set(set: &'static Set, path: &Path) -> Result<Mnist, SourceError> {
        let folder = find_folder(set, path)?;
        let (mut images, mut labels, mut listed, mut splits) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (split, prefix) in SPLITS {
            let image_name = format!("{prefix}-images-idx3-ubyte");
            let label_name = format!("{prefix}-labels-idx1-ubyte");
            let image_file = load(&folder, &image_name, IMAGES_MAGIC)?;
            let label_file = load(&folder, &label_name, LABELS_MAGIC)?;
            let n = (image_file.len - IMAGES_HEADER) / SHAPE.values() as u64;
            if label_file.len - LABELS_HEADER != n {
                return Err(SourceError::Field {
                    path: label_file.path.clone(),
                    field: "count",
                    offset: 4,
                    expected: format!("{n} labels, as many as images in {image_name}"),
                    found: (label_file.len - LABELS_HEADER).to_string(),
                });
            }
            listed.push(image_file.listed(&image_name, image_file.digest()?));
            listed.push(label_file.listed(&label_name, label_file.digest()?));
            labels.push(read_labels(&label_file)?);
            splits.push(SourceSplit { name: split.into(), samples: n as usize });
            images.push(image_file);
        }
        let pair = "two splits were read";
        Ok(Mnist {
            set,
            images: images.try_into().expect(pair),
            labels: labels.try_into().expect(pair),
            splits: splits.try_into().expect(pair),
            listed,
            classes: set.classes.map(Class::named).to_vec(),
        })
    }

    fn check(&self, split: usize, index: usize) -> Result<(), SourceError> {
        if split > 1 || index >= self.splits[split].samples {
            return Err(SourceError::NoSample { kind: self.kind().into(), split, index });
        }
        Ok(())
    }
}

impl Source for Mnist {
    fn kind(&self) -> &str {
        self.set.kind
    }

    fn generator(&self) -> &str {
        ""
    }

    fn shape(&self) -> ImageShape {
        SHAPE
    }

    fn layout(&self) -> Layout {
        Layout::Nchw
    }

    fn classes(&self) -> &[Class] {
        &self.classes
    }

    fn splits(&self) -> &[SourceSplit] {
        &self.splits
    }

    fn files(&self) -> &[SourceFile] {
        &self.listed
    }

    fn label(&self, split: usize, index: usize) -> Result<i64, SourceError> {
        self.check(split, index)?;
        Ok(i64::from(self.labels[split][index]))
    }

    fn read(&self, split: usize, index: usize, out: &mut [u8]) -> Result<(), SourceError> {
        self.check(split, index)?;
        self.images[split].read_at(IMAGES_HEADER + (index * SHAPE.values()) as u64, out)
    }

    fn unchanged(&self) -> Result<(), SourceError> {
        self.images.iter().try_for_each(Bytes::unchanged)
    }
}

/// The names a file may have, best first.
fn spellings(name: &str) -> [PathBuf; 4] {
    let dotted = name.replace("-idx", ".idx");
    [name.into(), dotted.clone().into(), format!("{name}.gz").into(), format!("{dotted}.gz").into()]
}

fn find_folder(set: &Set, path: &Path) -> Result<PathBuf, SourceError> {
    std::fs::metadata(path).map_err(super::bytes::io_error(path, "open"))?;
    let [a, b] = set.folders.map(|f| path.join(f));
    for folder in [path.to_path_buf(), a, b] {
        let names = SPLITS.map(|(_, p)| ["images-idx3", "labels-idx1"].map(|f| format!("{p}-{f}-ubyte")));
        let files = names.as_flattened().iter().flat_map(|n| spellings(n)).map(|s| folder.join(s));
        if first_there(files)?.is_some() {
            return Ok(folder);
        }
    }
    Err(SourceError::NotFound {
        path: path.to_path_buf(),
        expected: "a folder with train-images-idx3-ubyte[.gz] and its three companions".into(),
        found: if path.is_dir() { "none of them" } else { "a file" }.into(),
        hint: "give the folder the four files were downloaded to, or let rfx-pack get them: --download"
            .into(),
    })
}

/// Opens one IDX file in any of its spellings and checks its header and length.
fn load(folder: &Path, name: &str, magic: u32) -> Result<Bytes, SourceError> {
    let Some(path) = first_there(spellings(name).map(|s| folder.join(s)))? else {
        return Err(SourceError::NotFound {
            path: folder.to_path_buf(),
            expected: format!("{name} or {name}.gz"),
            found: "neither".into(),
            hint: "all four files are needed: get the missing one".into(),
        });
    };
    let header_len = if magic == IMAGES_MAGIC { IMAGES_HEADER } else { LABELS_HEADER };
    let mut header = Vec::new();
    if path.extension().is_some_and(|e| e == "gz") {
        let mut reader = gunzip(open(&path)?);
        let damaged = |decoded: &[u8], e: std::io::Error| SourceError::Damaged {
            path: path.clone(),
            field: "gzip",
            offset: decoded.len() as u64,
            message: e.to_string(),
        };
        let read = (&mut reader).take(header_len).read_to_end(&mut header);
        read.map_err(|e| damaged(&header, e))?;
        let len = expected_len(&path, &header, magic)?;
        let mut bytes = header;
        let more = read_bounded(&mut reader, len - header_len, &mut bytes);
        let more = more.map_err(|e| damaged(&bytes, e))?;
        check_len(&path, len, bytes.len() as u64 + u64::from(more), more)?;
        Ok(Bytes::memory(path, bytes))
    } else {
        let bytes = Bytes::file(&path)?;
        header.resize(header_len.min(bytes.len) as usize, 0);
        bytes.read_at(0, &mut header)?;
        let len = expected_len(&path, &header, magic)?;
        check_len(&path, len, bytes.len, false)?;
        Ok(bytes)
    }
}

/// Checks the header of an IDX file and returns the length the whole file must have.
fn expected_len(path: &Path, header: &[u8], magic: u32) -> Result<u64, SourceError> {
    let field = |field, word: usize, expected: String, found: String| SourceError::Field {
        path: path.to_path_buf(),
        field,
        offset: 4 * word as u64,
        expected,
        found,
    };
    let words: Vec<u32> = header.as_chunks::<4>().0.iter().map(|w| u32::from_be_bytes(*w)).collect();
    let header_len = if magic == IMAGES_MAGIC { IMAGES_HEADER } else { LABELS_HEADER };
    if header.len() as u64 != header_len {
        return Err(field(
            "length",
            header.len() / 4,
            format!("a header of {header_len} bytes"),
            format!("{} bytes", header.len()),
        ));
    }
    if words[0] != magic {
        return Err(field("magic", 0, magic.to_string(), words[0].to_string()));
    }
    if words[1] == 0 || words[1] > MAX_IMAGES {
        return Err(field("count", 1, format!("1 to {MAX_IMAGES}"), words[1].to_string()));
    }
    let count = u64::from(words[1]);
    if magic == LABELS_MAGIC {
        return Ok(LABELS_HEADER + count);
    }
    for (name, word) in [("rows", 2), ("columns", 3)] {
        if words[word] != SIDE {
            return Err(field(name, word, SIDE.to_string(), words[word].to_string()));
        }
    }
    Ok(IMAGES_HEADER + count * SHAPE.values() as u64)
}

fn check_len(path: &Path, expected: u64, found: u64, more: bool) -> Result<(), SourceError> {
    if expected == found {
        return Ok(());
    }
    Err(SourceError::Field {
        path: path.to_path_buf(),
        field: "length",
        offset: expected.min(found),
        expected: format!("{expected} bytes by the header"),
        found: format!("{found} bytes{}", if more { " or more" } else { "" }),
    })
}

fn read_labels(file: &Bytes) -> Result<Vec<u8>, SourceError> {
    let mut labels = vec![0; (file.len - LABELS_HEADER) as usize];
    file.read_at(LABELS_HEADER, &mut labels)?;
    match labels.iter().position(|&l| l > 9) {
        None => Ok(labels),
        Some(record) => Err(SourceError::Record {
            path: file.path.clone(),
            record,
            field: "label",
            offset: LABELS_HEADER + record as u64,
            expected: "0 to 9".into(),
            found: labels[record].to_string(),
        }),
    }
}
