//! ILSVRC-2012 (ImageNet's 1,000 classes), unpacked or as published, in any mixture:
//!
//! | part | as a tree | as published |
//! |---|---|---|
//! | train | `train/nXXXXXXXX/*.JPEG` | `ILSVRC2012_img_train.tar`, a tar of 1,000 tars |
//! | val, may be missing | `val/nXXXXXXXX/*.JPEG`, or `val/*.JPEG` with the devkit | `ILSVRC2012_img_val.tar` with the devkit |
//! | devkit | `ILSVRC2012_devkit_t12/` | `ILSVRC2012_devkit_t12.tar.gz` |
//!
//! Archives are indexed by their headers and read at offsets, never unpacked; where a tree and an archive are both there,
//! the tree is read. The class index is the rank of the WordNet id, whatever the devkit numbers. Ids run by (class, file
//! name) in train and by file name in val, so a tree and the archives give the same data set. With a devkit classes have
//! its words for names, and the labels of val's folders are compared with its ground truth.

use std::{
    collections::HashMap,
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use super::{
    ImageOptions, ImageReport, Images, OpenProgress,
    assemble::{Checksum, Found, empty},
    devkit::{self, Devkit, is_wnid},
    folder::below,
    place::{ArchiveFile, Entry, Place, Places},
    tar_index::{Member, TarError, index},
    tree::{Tree, refused},
};
use crate::{
    dataset::Class,
    file::is_there,
    source::{
        SourceError,
        bytes::{io_error, open},
    },
};

const TRAIN_ARCHIVE: (&str, &str) = ("ILSVRC2012_img_train.tar", "1d675b47d978889d74fa0da5fadfb00e");
const VAL_ARCHIVE: (&str, &str) = ("ILSVRC2012_img_val.tar", "29b22e2961454d5413ddabcf34fc5622");
const DEVKIT_MD5: &str = "fa75699e90414af021442c21a62c3abf";
const VAL_PREFIX: &str = "ILSVRC2012_val_";

/// How many there are of what.
struct Counts {
    classes: usize,
    train: usize,
    val: usize,
}

const OFFICIAL: Counts = Counts { classes: 1000, train: 1_281_167, val: 50_000 };

impl Images {
    /// Opens ILSVRC-2012 in the folder `path`. It must be whole: 1,000 classes, 1,281,167 and (where there are any) 50,000
    /// images; a part of it is a tree for [`Images::folder`]. Archives must have the official MD5 unless
    /// [`ImageOptions::verify_archive`] is false; it is taken while the images are read.
    ///
    /// # Errors
    /// [`SourceError`] naming archive or folder, field and byte; [`SourceError::Image`] for the first bad file, unless such
    /// are left out.
    pub fn imagenet(
        path: impl AsRef<Path>,
        options: &ImageOptions,
        progress: &dyn OpenProgress,
    ) -> Result<Images, SourceError> {
        find(path.as_ref(), Some(&OFFICIAL), options, progress)?.open(options, progress)
    }

    /// As [`Images::imagenet`], for cut-down copies: any number of classes and images.
    ///
    /// # Errors
    /// As [`Images::imagenet`].
    pub fn imagenet_any_count(
        path: impl AsRef<Path>,
        options: &ImageOptions,
        progress: &dyn OpenProgress,
    ) -> Result<Images, SourceError> {
        find(path.as_ref(), None, options, progress)?.open(options, progress)
    }

    /// Decodes every file of ILSVRC-2012 in the folder `path` and says what is there; bad files are listed.
    ///
    /// # Errors
    /// [`SourceError`] where tree or archives cannot be read as such.
    pub fn inspect_imagenet(
        path: impl AsRef<Path>,
        options: &ImageOptions,
        progress: &dyn OpenProgress,
    ) -> Result<ImageReport, SourceError> {
        find(path.as_ref(), Some(&OFFICIAL), options, progress)?.inspect(options, progress)
    }
}

/// The parts as they are collected.
struct Finder<'a> {
    root: &'a Path,
    tree: Tree,
    places: Places,
    checksums: Vec<Checksum>,
}

fn find(
    root: &Path,
    counts: Option<&Counts>,
    options: &ImageOptions,
    progress: &dyn OpenProgress,
) -> Result<Found, SourceError> {
    let tree = Tree::open(root, options.follow_links)?;
    let places = Places { root: root.to_path_buf(), archives: Vec::new() };
    let mut finder = Finder { root, tree, places, checksums: Vec::new() };
    let devkit = Devkit::find(root)?;
    let train = finder.train()?;
    let mut wnids: Vec<String> = train.iter().map(|(wnid, _)| wnid.clone()).collect();
    wnids.sort_unstable();
    wnids.dedup();
    let classes = classes(root, &wnids, devkit.as_ref())?;
    let class_of: HashMap<&str, usize> = wnids.iter().enumerate().map(|(i, w)| (w.as_str(), i)).collect();
    let mut entries: Vec<Entry> = train
        .into_iter()
        .map(|(wnid, file)| Entry { split: 0, class: class_of[wnid.as_str()], name: file.0, place: file.1 })
        .collect();
    entries.sort_by(|a, b| (a.class, &a.name).cmp(&(b.class, &b.name)));
    let train = entries.len();
    let val = finder.val(&class_of, devkit.as_ref())?;
    if let Some(counts) = counts {
        let hint =
            "get the missing part; a subset of the classes is for imagenet --partial, or rfx-pack folder";
        for (what, expected, found) in [
            ("classes", counts.classes, wnids.len()),
            ("training images", counts.train, train),
            ("validation images", counts.val, if val.is_empty() { counts.val } else { val.len() }),
        ] {
            if found != expected {
                return Err(refused(root, what, &expected.to_string(), found.to_string(), hint));
            }
        }
    }
    let mut splits = vec!["train".into()];
    if !val.is_empty() {
        splits.push("val".into());
        entries.extend(val);
    }
    if let Some(archive) = devkit.as_ref().and_then(|d| d.archive.clone()) {
        finder.checksums.push(Checksum { path: archive, md5: DEVKIT_MD5 });
    }
    if !options.verify_archive {
        finder.checksums.clear();
    }
    let lengths = |path: &PathBuf| path.metadata().map_or(0, |m| m.len()); // for progress alone
    let in_archives = |e: &Entry| if let Place::Part { length, .. } = &e.place { *length } else { 0 };
    progress.planned(
        entries.iter().map(in_archives).sum::<u64>()
            + finder.checksums.iter().map(|c| lengths(&c.path)).sum::<u64>()
            + entries
                .iter()
                .filter(|e| matches!(e.place, Place::File(_)))
                .map(|e| lengths(&finder.places.path(e)))
                .sum::<u64>(),
    );
    Ok(Found {
        kind: "imagenet",
        places: finder.places,
        classes,
        folders: wnids,
        splits,
        entries,
        others: devkit.map(|d| d.files).unwrap_or_default(),
        checksums: finder.checksums,
    })
}

/// The classes, named by the devkit where there is one, which must have the same.
fn classes(root: &Path, wnids: &[String], devkit: Option<&Devkit>) -> Result<Vec<Class>, SourceError> {
    let Some(devkit) = devkit else {
        return Ok(wnids.iter().map(|w| Class { id: Some(w.clone()), ..Class::named(w) }).collect());
    };
    let kit: Vec<&str> = devkit.classes.iter().map(|s| s.wnid.as_str()).collect();
    if let Some(other) = wnids.iter().find(|w| !kit.contains(&w.as_str())) {
        let hint = "the devkit is of another challenge";
        return Err(refused(root, "class", "a class of the devkit", other.clone(), hint));
    }
    if let Some(missing) = kit.iter().find(|k| !wnids.iter().any(|w| w == *k)) {
        let hint = "get the missing images";
        let found = format!("none of {missing}");
        return Err(refused(root, "class", "images of every class of the devkit", found, hint));
    }
    let mut uses: HashMap<&str, usize> = HashMap::new();
    devkit.classes.iter().for_each(|s| *uses.entry(&s.words).or_default() += 1);
    // Two classes are called `crane`, the bird and the machine: names have to differ.
    let name = |words: &str, wnid: &str| {
        if uses[words] > 1 || words.is_empty() { format!("{words} ({wnid})") } else { words.into() }
    };
    let class = |s: &super::matlab::Synset| Class {
        id: Some(s.wnid.clone()),
        ..Class::named(name(&s.words, &s.wnid))
    };
    Ok(devkit.classes.iter().map(class).collect())
}

/// Name and place of a file.
type Named = (Box<str>, Place);

impl Finder<'_> {
    /// The files of each class of train.
    fn train(&mut self) -> Result<Vec<(String, Named)>, SourceError> {
        if self.is_folder("train")? {
            return self.class_folders("train");
        }
        let Some((archive, members)) = self.archive(TRAIN_ARCHIVE)? else {
            return Err(SourceError::NotFound {
                path: self.root.to_path_buf(),
                expected: format!("a folder `train`, or {}", TRAIN_ARCHIVE.0),
                found: "neither".into(),
                hint: "give the folder that holds the archives as published, or train and val unpacked"
                    .into(),
            });
        };
        let mut out = Vec::new();
        for outer in members {
            let wnid = outer.name.strip_suffix(".tar").filter(|w| is_wnid(w));
            let Some(wnid) = wnid else {
                return Err(self.wrong_member(archive, &outer, "nXXXXXXXX.tar, one per class"));
            };
            for inner in self.index(archive, outer.offset, outer.offset + outer.length)? {
                out.push((wnid.to_owned(), self.member(archive, inner, &outer.name)?));
            }
        }
        unique(self.root, &out)?;
        Ok(out)
    }

    /// The images of val, by file name.
    fn val(
        &mut self,
        class_of: &HashMap<&str, usize>,
        devkit: Option<&Devkit>,
    ) -> Result<Vec<Entry>, SourceError> {
        let mut labelled: Vec<(Option<usize>, Named)> = Vec::new();
        let path;
        if self.is_folder("val")? {
            path = self.root.join("val");
            let listing = self.tree.list("val")?;
            if listing.folders.is_empty() {
                let file = |name: String| (Place::File(below("val", &name).into()), name);
                let files = listing.files.into_iter().map(file);
                labelled.extend(files.map(|(place, name)| (None, (name.into(), place))));
            } else {
                for (wnid, file) in self.class_folders("val")? {
                    let Some(&class) = class_of.get(wnid.as_str()) else {
                        let hint = "train must have all classes";
                        return Err(refused(&path.join(&wnid), "class", "a class of train", wnid, hint));
                    };
                    labelled.push((Some(class), file));
                }
            }
        } else if let Some((archive, members)) = self.archive(VAL_ARCHIVE)? {
            path = self.root.join(VAL_ARCHIVE.0);
            for member in members {
                labelled.push((None, self.member(archive, member, "")?));
            }
        } else {
            return Ok(Vec::new());
        }
        if labelled.is_empty() {
            return Err(empty(&path, "val"));
        }
        labelled.sort_by(|a, b| a.1.0.cmp(&b.1.0));
        let truth = devkit.map(|d| &d.truth);
        if let Some(truth) = truth
            && truth.len() != labelled.len()
        {
            let expected = format!("{}, one for each line of the ground truth", truth.len());
            let hint = "get the missing part";
            return Err(refused(&path, "validation images", &expected, labelled.len().to_string(), hint));
        }
        let mut entries = Vec::new();
        for (rank, (class, (name, place))) in labelled.into_iter().enumerate() {
            // The ground truth is in the order of names, numbered from 1, whatever the order in the archive.
            let official = format!("{VAL_PREFIX}{:08}.JPEG", rank + 1);
            if *name != *official {
                let hint = "an image is missing, twice there, or of another set";
                return Err(refused(&path, "validation image", &official, name.into(), hint));
            }
            let class = match (class, truth.map(|t| t[rank])) {
                (None, None) => {
                    let expected = format!("a folder per class, or {} beside it", devkit::ARCHIVE);
                    let hint = "get the devkit: it has the labels";
                    return Err(refused(&path, "labels", &expected, "neither".into(), hint));
                }
                (Some(folder), Some(truth)) if folder != truth => {
                    let (expected, found) =
                        (format!("class {truth}, by the ground truth"), folder.to_string());
                    let hint = "the folders were made with another numbering of the classes: make them again";
                    return Err(refused(&path.join(&*name), "class", &expected, found, hint));
                }
                (Some(class), _) | (None, Some(class)) => class,
            };
            entries.push(Entry { split: 1, class, name, place });
        }
        Ok(entries)
    }

    fn is_folder(&self, name: &str) -> Result<bool, SourceError> {
        let path = self.root.join(name);
        Ok(is_there(&path).map_err(io_error(&path, "look at"))? && path.is_dir())
    }

    /// All files of the folders of `split`, which are called as WordNet ids.
    fn class_folders(&self, split: &str) -> Result<Vec<(String, Named)>, SourceError> {
        let mut out = Vec::new();
        for wnid in self.tree.list(split)?.folders {
            let folder = below(split, &wnid);
            let path = self.root.join(&folder);
            if !is_wnid(&wnid) {
                let hint = "remove it, or pack the tree with rfx-pack folder";
                return Err(refused(&path, "class", "nXXXXXXXX, a WordNet id", wnid, hint));
            }
            let files = self.tree.files_below(&folder)?;
            if files.is_empty() && split == "train" {
                return Err(empty(&path, "each class"));
            }
            for file in files {
                let place = Place::File(below(&folder, &file).into());
                out.push((wnid.clone(), (file.into(), place)));
            }
        }
        if out.is_empty() {
            return Err(empty(&self.root.join(split), split));
        }
        Ok(out)
    }

    /// Opens an archive, if it is there, and indexes it.
    fn archive(
        &mut self,
        (name, md5): (&str, &'static str),
    ) -> Result<Option<(usize, Vec<Member>)>, SourceError> {
        let path = self.root.join(name);
        if !is_there(&path).map_err(io_error(&path, "look at"))? {
            return Ok(None);
        }
        let file = open(&path)?;
        let length = file.metadata().map_err(io_error(&path, "stat"))?.len();
        self.checksums.push(Checksum { path: path.clone(), md5 });
        self.places.archives.push(ArchiveFile { path, file });
        let archive = self.places.archives.len() - 1;
        Ok(Some((archive, self.index(archive, 0, length)?)))
    }

    fn index(&self, archive: usize, start: u64, end: u64) -> Result<Vec<Member>, SourceError> {
        let ArchiveFile { path, file } = &self.places.archives[archive];
        let read_at = |offset: u64, out: &mut [u8]| File::read_exact_at(file, out, offset);
        index(&read_at, start, end).map_err(|e| match e {
            TarError::Io(source) => io_error(path, "read")(source),
            TarError::Field { field, offset, expected, found } => {
                SourceError::Field { path: path.clone(), field, offset, expected: expected.into(), found }
            }
        })
    }

    fn member(&self, archive: usize, member: Member, within: &str) -> Result<Named, SourceError> {
        if member.name.contains('/') {
            return Err(self.wrong_member(archive, &member, "images, without folders"));
        }
        let Member { name, offset, length } = member;
        Ok((name.into(), Place::Part { archive, offset, length, within: within.into() }))
    }

    fn wrong_member(&self, archive: usize, member: &Member, expected: &str) -> SourceError {
        SourceError::Field {
            path: self.places.archives[archive].path.clone(),
            field: "member",
            offset: member.offset,
            expected: expected.into(),
            found: crate::shard::shown(&member.name),
        }
    }
}

/// An archive may hold a name twice; a folder cannot.
fn unique(root: &Path, files: &[(String, Named)]) -> Result<(), SourceError> {
    let mut seen = std::collections::HashSet::new();
    match files.iter().find(|(wnid, (name, _))| !seen.insert((wnid, name))) {
        None => Ok(()),
        Some((wnid, (name, _))) => {
            let path = root.join(TRAIN_ARCHIVE.0).join(format!("{wnid}.tar")).join(&**name);
            Err(refused(&path, "member", "each name once", "it again".into(), "get the archive again"))
        }
    }
}
