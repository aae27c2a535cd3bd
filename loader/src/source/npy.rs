//! Arrays as NumPy saves them: images and labels in one `.npy` file each, for the training split and, if wanted, for a
//! test split.
//!
//! Images are unsigned bytes of shape `[n, h, w, c]`, `[n, c, h, w]` or `[n, h, w]`, labels whole numbers of any type, of
//! shape `[n]`; both in C order. Images are read at offsets and never held in memory; labels are (4 bytes a sample).

use std::path::{Path, PathBuf};

use super::{Source, SourceFile, SourceSplit, bytes::Bytes, error::SourceError, names};
use crate::{
    ImageShape, Layout,
    dataset::{Class, MAX_CLASSES, MAX_SAMPLES},
    npy::{Header, MAX_HEADER_BYTES, NpyError},
};

/// Where the arrays are, and what cannot be seen from them.
#[derive(Clone, Debug, Default)]
pub struct NpyFiles {
    /// Images of the training split.
    pub images: PathBuf,
    /// Labels of the training split.
    pub labels: PathBuf,
    /// Images and labels of the test split.
    pub test: Option<[PathBuf; 2]>,
    /// Order of the axes of four-dimensional images. Where it is `None`, the axis of length 1, 3 or 4 is that of the
    /// channels, if only one of the two that may be it is so short.
    pub layout: Option<Layout>,
    /// Names of the classes in label order, one a line. Without it they are named by their numbers, 0 to the largest.
    pub classes: Option<PathBuf>,
}

/// Images and labels in `.npy` files.
#[derive(Debug)]
pub struct Npy {
    shape: ImageShape,
    layout: Layout,
    classes: Vec<Class>,
    splits: Vec<SourceSplit>,
    parts: Vec<Part>,
    listed: Vec<SourceFile>,
}

/// The arrays of one split.
#[derive(Debug)]
struct Part {
    images: Bytes,
    /// Byte of the first image.
    start: u64,
    labels: Vec<u32>,
}

impl Npy {
    /// Opens and checks the arrays.
    ///
    /// # Errors
    /// [`SourceError`] naming file and field if one is no array of the right type, shape and length, or a label is out
    /// of range.
    pub fn open(files: &NpyFiles) -> Result<Npy, SourceError> {
        let mut pairs = vec![("train", &files.images, &files.labels)];
        pairs.extend(files.test.as_ref().map(|[images, labels]| ("test", images, labels)));
        let names = files.classes.as_deref().map(class_names).transpose()?;
        let classes = names.as_ref().map(|(names, _)| names.len());
        let (mut listed, mut splits, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        let mut form: Option<((ImageShape, Layout), Vec<u64>)> = None;
        for (split, images, labels) in pairs {
            let (images, header) = open(images)?;
            let found = (form_of(&images, &header, files.layout)?, header.shape.clone());
            match &form {
                Some((first, axes)) if *first != found.0 => {
                    return Err(SourceError::NotFound {
                        path: images.path,
                        expected: format!("images of the shape of the training images, {:?}", &axes[1..]),
                        found: format!("{:?}", &found.1[1..]),
                        hint: "all images of a data set have one shape".into(),
                    });
                }
                _ => form = Some(found),
            }
            let (label_bytes, label_header) = open(labels)?;
            let labels = read_labels(&label_bytes, &label_header, header.shape[0], classes)?;
            listed.push(images.listed(&format!("{split}-images.npy"), images.digest()?));
            listed.push(label_bytes.listed(&format!("{split}-labels.npy"), label_bytes.digest()?));
            splits.push(SourceSplit { name: split.into(), samples: labels.len() });
            parts.push(Part { images, start: header.start, labels });
        }
        let ((shape, layout), _) = form.expect("the training split is always there");
        let classes = match names {
            Some((names, file)) => {
                listed.push(file);
                names.into_iter().map(Class::named).collect()
            }
            None => {
                let largest = parts.iter().flat_map(|p| &p.labels).max();
                (0..=*largest.expect("no split is empty")).map(|c| Class::named(c.to_string())).collect()
            }
        };
        Ok(Npy { shape, layout, classes, splits, parts, listed })
    }

    fn part(&self, split: usize, index: usize) -> Result<(&Part, u32), SourceError> {
        let part = self.parts.get(split).and_then(|part| Some((part, *part.labels.get(index)?)));
        part.ok_or_else(|| SourceError::NoSample { kind: self.kind().into(), split, index })
    }
}

impl Source for Npy {
    fn kind(&self) -> &str {
        "npy"
    }

    fn generator(&self) -> &str {
        ""
    }

    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn layout(&self) -> Layout {
        self.layout
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
        self.part(split, index).map(|(_, label)| label.into())
    }

    fn read(&self, split: usize, index: usize, out: &mut [u8]) -> Result<(), SourceError> {
        let (part, _) = self.part(split, index)?;
        part.images.read_at(part.start + index as u64 * self.shape.values() as u64, out)
    }

    fn unchanged(&self) -> Result<(), SourceError> {
        self.parts.iter().try_for_each(|p| p.images.unchanged())
    }
}

/// Opens an array file and checks that it is as long as its header says, and in C order.
fn open(path: &Path) -> Result<(Bytes, Header), SourceError> {
    let bytes = Bytes::file(path)?;
    let mut head = vec![0; bytes.len.min(MAX_HEADER_BYTES as u64) as usize];
    bytes.read_at(0, &mut head)?;
    let header = Header::parse(&head).map_err(|NpyError { offset, field, expected, found }| {
        SourceError::Field { path: path.into(), field, offset, expected, found }
    })?;
    if header.fortran_order {
        return Err(SourceError::NotFound {
            path: path.into(),
            expected: "an array in C order".into(),
            found: "Fortran order".into(),
            hint: "save it again: np.save(path, np.ascontiguousarray(array))".into(),
        });
    }
    let length = header.data_bytes().and_then(|n| n.checked_add(header.start));
    if length != Some(bytes.len) {
        return Err(SourceError::Field {
            path: path.into(),
            field: "length",
            offset: bytes.len,
            expected: match length {
                Some(n) => format!("{n} bytes by the header's shape {:?}", header.shape),
                None => format!("a shape that fits a file, not {:?}", header.shape),
            },
            found: format!("{} bytes", bytes.len),
        });
    }
    Ok((bytes, header))
}

/// Shape and layout of the images of an array.
fn form_of(
    file: &Bytes,
    header: &Header,
    layout: Option<Layout>,
) -> Result<(ImageShape, Layout), SourceError> {
    let wrong = |expected: &str, found: String, hint: &str| {
        let (path, expected, hint) = (file.path.clone(), expected.into(), hint.into());
        Err(SourceError::NotFound { path, expected, found, hint })
    };
    let axes = &header.shape;
    if (header.element.kind, header.element.bytes) != ('u', 1) {
        let hint =
            "save them as bytes, 0 to 255: np.save(path, array.astype(np.uint8)); scale first what is 0 to 1";
        return wrong("images of unsigned bytes (uint8)", header.element.to_string(), hint);
    }
    let channels = |n: u64| matches!(n, 1 | 3 | 4);
    let (c, h, w, layout) = match (&axes[..], layout) {
        (&[_, h, w], _) => (1, h, w, layout.unwrap_or(Layout::Nchw)),
        (&[_, c, h, w], Some(Layout::Nchw)) => (c, h, w, Layout::Nchw),
        (&[_, h, w, c], Some(Layout::Nhwc)) => (c, h, w, Layout::Nhwc),
        (&[_, c, h, w], None) if channels(c) && !channels(w) => (c, h, w, Layout::Nchw),
        (&[_, h, w, c], None) if channels(c) && !channels(h) => (c, h, w, Layout::Nhwc),
        ([_, _, _, _], None) => {
            let hint = "say which axis is that of the channels: --layout nchw or --layout nhwc";
            return wrong(
                "one axis of 1, 3 or 4 channels, the second or the last",
                format!("{axes:?}"),
                hint,
            );
        }
        _ => {
            let hint = "reshape the array: np.save(path, array.reshape(n, h, w, c))";
            return wrong(
                "images of shape [n, h, w, c], [n, c, h, w] or [n, h, w]",
                format!("{axes:?}"),
                hint,
            );
        }
    };
    let side = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    match ImageShape::new(side(c), side(h), side(w)) {
        Ok(shape) if (1..=MAX_SAMPLES as u64).contains(&axes[0]) => Ok((shape, layout)),
        Ok(_) => wrong(&format!("1 to {MAX_SAMPLES} images"), axes[0].to_string(), "check the array"),
        Err(error) => wrong("images with a size", error.to_string(), "check the array"),
    }
}

/// The labels of `n` images, below `classes` where that is known.
fn read_labels(
    file: &Bytes,
    header: &Header,
    n: u64,
    classes: Option<usize>,
) -> Result<Vec<u32>, SourceError> {
    let wrong = |expected: String, found: String, hint: &str| {
        let (path, hint) = (file.path.clone(), hint.into());
        Err(SourceError::NotFound { path, expected, found, hint })
    };
    let element = header.element;
    if !matches!((element.kind, element.bytes), ('u' | 'i', 1 | 2 | 4 | 8)) {
        let hint = "save class numbers: np.save(path, labels.astype(np.int64))";
        return wrong("labels of whole numbers (int64, int32, uint8, ...)".into(), element.to_string(), hint);
    }
    if header.shape != [n] {
        let hint = "labels are class numbers, one per image: of one-hot rows save array.argmax(1)";
        return wrong(format!("labels of shape [{n}], one per image"), format!("{:?}", header.shape), hint);
    }
    let most = classes.unwrap_or(MAX_CLASSES);
    let size = element.bytes as usize;
    let mut labels = Vec::new();
    file.scan(header.start, size, |offset, chunk| {
        for (i, bytes) in chunk.chunks_exact(size).enumerate() {
            let label = element.integer(bytes);
            match label.and_then(|label| u32::try_from(label).ok()) {
                Some(label) if (label as usize) < most => labels.push(label),
                _ => {
                    return Err(SourceError::Record {
                        path: file.path.clone(),
                        record: labels.len(),
                        field: "label",
                        offset: offset + (i * size) as u64,
                        expected: format!("0 to {}", most - 1),
                        found: label.map_or("2^63 or more".into(), |l| l.to_string()),
                    });
                }
            }
        }
        Ok(())
    })?;
    Ok(labels)
}

/// The names in a file, and how it is listed.
fn class_names(path: &Path) -> Result<(Vec<String>, SourceFile), SourceError> {
    let file = Bytes::file(path)?;
    let (names, digest) = names::lines(&file)?;
    names::check(path, &names, None)?;
    Ok((names, file.listed("classes.txt", digest)))
}
