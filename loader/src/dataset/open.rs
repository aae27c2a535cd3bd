//! An opened data set: its index, checked, and its splits, mapped on first use.

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{
    gaussian::{Gaussian, Thresholds},
    index::{INDEX_FILE, Index, MAX_CLASSES},
    moments::Moments,
    shards::unknown_column,
    split::Split,
};
use crate::{
    ElementShape, ImageShape, Layout, digest::Digest, dtype::UnknownName, file::is_there, shard::FormatError,
};

/// When the hash of a record is compared with its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// The first time this process reads the record. Pages evicted and read again later are not checked again.
    #[default]
    Once,
    /// Every time.
    Always,
    /// Never: for files another process has just verified.
    Never,
}

impl Verify {
    /// The name used in flags: `once`, `always` or `never`.
    pub const fn name(self) -> &'static str {
        match self {
            Verify::Once => "once",
            Verify::Always => "always",
            Verify::Never => "never",
        }
    }
}

impl FromStr for Verify {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [Verify::Once, Verify::Always, Verify::Never].into_iter().find(|v| v.name() == text).ok_or_else(
            || UnknownName { field: "verify", found: text.into(), expected: "once, always, never" },
        )
    }
}

impl fmt::Display for Verify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A data set on disk. Cheap to clone: clones share the maps.
///
/// Opening reads and checks `dataset.json` alone; a split's shards are mapped, and their heads checked, when the
/// split is first asked for. While it is open nobody may truncate or rewrite its files: see
/// [`install_sigbus_guard`](crate::shard::install_sigbus_guard) for what happens where somebody does.
#[derive(Clone)]
pub struct Dataset(Arc<Inner>);

struct Inner {
    path: PathBuf,
    index: Index,
    classes: Vec<String>,
    gaussian: Result<Vec<Thresholds>, String>,
    verify: Verify,
    splits: Mutex<Vec<Option<Split>>>,
}

impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let splits: Vec<_> = self.0.index.splits.iter().map(|s| (&s.name, s.samples)).collect();
        f.debug_struct("Dataset")
            .field("path", &self.0.path)
            .field("content", &self.content())
            .field("splits", &splits)
            .finish_non_exhaustive()
    }
}

impl Dataset {
    /// Opens the data set in folder `path`.
    ///
    /// # Errors
    /// [`FormatError::NotADataset`] if there is no index; another [`FormatError`] if the index breaks a rule.
    pub fn open(path: impl AsRef<Path>, verify: Verify) -> Result<Dataset, FormatError> {
        let path = path.as_ref();
        let file = path.join(INDEX_FILE);
        let look = |source| FormatError::Io { path: file.clone(), action: "look at", source };
        if !is_there(&file).map_err(look)? {
            return Err(not_a_dataset(path));
        }
        let index = Index::read(&file)?;
        let gaussian = match &index.gaussian {
            Gaussian::Unreachable(reason) => Err(reason.clone()),
            Gaussian::Channels(tables) => {
                // Lengths were checked with the index; a table of another length would give zeros.
                let row = |t: &Vec<u32>| std::array::from_fn(|j| t.get(j).copied().unwrap_or_default());
                Ok(tables.iter().map(|t| row(&t.thresholds)).collect())
            }
        };
        Ok(Dataset(Arc::new(Inner {
            path: path.to_path_buf(),
            classes: index.classes.iter().map(|c| c.name.clone()).collect(),
            splits: Mutex::new(vec![None; index.splits.len()]),
            gaussian,
            verify,
            index,
        })))
    }

    /// The index.
    pub fn index(&self) -> &Index {
        &self.0.index
    }

    /// The data set id: which samples these are, whatever codec, shards or order they are stored with.
    pub fn content(&self) -> Digest {
        self.0.index.content
    }

    /// The id of these very files.
    pub fn pack(&self) -> Digest {
        self.0.index.pack
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Names of the classes; a label is an index into them.
    pub fn classes(&self) -> &[String] {
        &self.0.classes
    }

    /// Names of the columns.
    pub fn column_names(&self) -> impl Iterator<Item = &str> {
        self.0.index.columns.iter().map(|c| c.name.as_str())
    }

    /// Names of the classes where labels are taken from `column`; the data set's own where that is none.
    ///
    /// A column with values from 0 to m has m + 1 classes, whatever the values of the split in hand. Those of
    /// `coarse_label` are named by the data set's superclasses in bytewise order, if there are as many; others by their
    /// numbers.
    ///
    /// # Errors
    /// [`FormatError::UnknownColumn`] if there is no such column, or its values cannot be classes.
    pub fn label_classes(&self, column: Option<&str>) -> Result<Vec<String>, FormatError> {
        let Some(name) = column else { return Ok(self.0.classes.clone()) };
        let columns = &self.0.index.columns;
        let Some(found) = columns.iter().find(|c| c.name == name) else {
            return Err(unknown_column(&self.0.path, columns.iter().map(|c| &c.name), name));
        };
        if found.min < 0 || found.max >= MAX_CLASSES as i64 {
            let expected = format!(
                "values of 0 to {}, as classes are, found {} to {}",
                MAX_CLASSES - 1,
                found.min,
                found.max
            );
            return Err(FormatError::UnknownColumn {
                path: self.0.path.clone(),
                expected,
                found: name.into(),
            });
        }
        let classes = found.max as usize + 1;
        let superclasses: BTreeSet<_> =
            self.0.index.classes.iter().filter_map(|c| c.superclass.clone()).collect();
        if name == "coarse_label" && superclasses.len() == classes {
            return Ok(superclasses.into_iter().collect());
        }
        Ok((0..classes).map(|class| class.to_string()).collect())
    }

    /// Shape of every stored image.
    ///
    /// # Errors
    /// [`FormatError::NoShape`] where images are encoded, each with sides of its own.
    pub fn shape(&self) -> Result<ImageShape, FormatError> {
        let shape = self.element_shape().fixed();
        shape.ok_or_else(|| FormatError::NoShape { path: self.0.path.clone() })
    }

    /// Shape of the stored images, be it one for all or not.
    pub fn element_shape(&self) -> ElementShape {
        self.0.index.element.shape
    }

    /// Order of the axes of a stored image.
    pub fn layout(&self) -> Layout {
        self.0.index.element.layout
    }

    /// Whether the images were made by a generator; whatever is made from them must say so.
    pub fn is_generated(&self) -> bool {
        !self.0.index.source.generator.is_empty()
    }

    /// When records are compared with their hashes.
    pub fn verify_policy(&self) -> Verify {
        self.0.verify
    }

    /// Names of the splits, in id order.
    pub fn split_names(&self) -> impl Iterator<Item = &str> {
        self.0.index.splits.iter().map(|s| s.name.as_str())
    }

    /// Moments of the train split, per channel.
    pub fn moments(&self) -> &Moments {
        &self.0.index.moments
    }

    /// Noise thresholds per channel: a value is the number of thresholds `<=` a 16-bit word.
    ///
    /// # Errors
    /// [`FormatError::GaussianUnreachable`] if no such noise has the train split's moments.
    pub fn gaussian(&self) -> Result<&[Thresholds], FormatError> {
        match &self.0.gaussian {
            Ok(tables) => Ok(tables),
            Err(reason) => {
                Err(FormatError::GaussianUnreachable { path: self.0.path.clone(), reason: reason.clone() })
            }
        }
    }

    /// The split `name`, mapped when it is first asked for.
    ///
    /// # Errors
    /// [`FormatError::UnknownSplit`], or what is wrong with one of its shards.
    pub fn split(&self, name: &str) -> Result<Split, FormatError> {
        let Some(number) = self.split_names().position(|n| n == name) else {
            let expected = self.split_names().map(str::to_owned).collect();
            return Err(FormatError::UnknownSplit {
                path: self.0.path.clone(),
                expected,
                found: name.into(),
            });
        };
        // Held while mapping, so that two threads do not map twice. A panic in here leaves `None`, which is sound.
        let mut splits = self.0.splits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(split) = &splits[number] {
            return Ok(split.clone());
        }
        let split = Split::open(&self.0.path, &self.0.index, number, self.0.verify)?;
        splits[number] = Some(split.clone());
        Ok(split)
    }
}

fn not_a_dataset(path: &Path) -> FormatError {
    let (found, hint) = match std::fs::metadata(path) {
        Err(e) => (format!("nothing ({e})"), "give the folder that rfx-pack wrote"),
        Ok(m) if !m.is_dir() => ("a file".into(), "give the folder, not a file in it"),
        Ok(_) if path.join("part.json").exists() => {
            ("a part of a pack".into(), "join all parts with rfx-pack merge")
        }
        Ok(_) if path.join("plan.json").exists() => {
            ("an unfinished pack".into(), "run the same rfx-pack command again to finish it")
        }
        Ok(_) => ("a folder without it".into(), "make a data set with rfx-pack first"),
    };
    FormatError::NotADataset { path: path.to_path_buf(), expected: INDEX_FILE, found, hint }
}
