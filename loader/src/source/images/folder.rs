//! A tree with a folder per class, as torchvision's `ImageFolder` reads it.
//!
//! `SRC/CLASS/...` is one split, `train`. Where `SRC/train` holds folders, and no image beside them, the folders of SRC are
//! splits: `train`, and any of `val` and `test`, each `SRC/SPLIT/CLASS/...`. Classes are the folders of the first split, in
//! bytewise order of their names; other splits may lack some, but have no others. All files of a class folder are its images,
//! in folders below it too. Ids run by (split, class, path below the class folder), bytewise.

use std::path::Path;

use super::{
    ImageOptions, ImageReport, Images, OpenProgress,
    assemble::{Found, empty},
    place::{Entry, Place, Places},
    tree::{Tree, refused},
};
use crate::{dataset::Class, decode::Kind, source::SourceError};

/// Names that splits may have, in the order of their ids.
const SPLITS: [&str; 3] = ["train", "val", "test"];

impl Images {
    /// Opens the tree at `path`.
    ///
    /// # Errors
    /// [`SourceError`] naming the folder or file that is not as it should be; [`SourceError::Sizes`] where images differ in
    /// size; [`SourceError::Image`] for the first bad file, unless such are left out.
    pub fn folder(
        path: impl AsRef<Path>,
        options: &ImageOptions,
        progress: &dyn OpenProgress,
    ) -> Result<Images, SourceError> {
        find(path.as_ref(), options, progress)?.open(options, progress)
    }

    /// Decodes every file of the tree at `path` and says what is there, without a data set in mind: sizes may differ,
    /// and bad files are listed.
    ///
    /// # Errors
    /// [`SourceError`] where the tree itself cannot be read as one.
    pub fn inspect_folder(
        path: impl AsRef<Path>,
        options: &ImageOptions,
        progress: &dyn OpenProgress,
    ) -> Result<ImageReport, SourceError> {
        find(path.as_ref(), options, progress)?.inspect(options, progress)
    }
}

fn find(path: &Path, options: &ImageOptions, progress: &dyn OpenProgress) -> Result<Found, SourceError> {
    let tree = Tree::open(path, options.follow_links)?;
    let splits = splits(path, &tree)?;
    let (first_name, first_folder) = &splits[0];
    let names = tree.list(first_folder)?.folders;
    if names.is_empty() {
        let hint = "give a folder with one folder of images per class";
        return Err(refused(&path.join(first_folder), "classes", "a folder per class", "none".into(), hint));
    }
    let mut entries = Vec::new();
    for (number, (_, folder)) in splits.iter().enumerate() {
        let listing = tree.list(folder)?;
        no_stray_images(path, folder, &listing.files)?;
        for name in listing.folders {
            let within = below(folder, &name);
            let Ok(class) = names.binary_search(&name) else {
                let expected = format!("a class of split {first_name}");
                let hint = "the first split must have all classes";
                return Err(refused(&path.join(&within), "class", &expected, name, hint));
            };
            let files = tree.files_below(&within)?;
            if files.is_empty() && number == 0 {
                return Err(empty(&path.join(&within), "each class"));
            }
            if progress.cancelled() {
                return Err(SourceError::Interrupted);
            }
            entries.extend(files.into_iter().map(|file| Entry {
                split: number,
                class,
                place: Place::File(below(&within, &file).into()),
                name: file.into(),
            }));
        }
    }
    let bytes = entries.iter().map(|e| size(path, e)).sum();
    progress.planned(bytes);
    Ok(Found {
        kind: "folder",
        places: Places { root: path.to_path_buf(), archives: Vec::new() },
        classes: names.iter().map(Class::named).collect(),
        folders: names,
        splits: splits.into_iter().map(|(name, _)| name).collect(),
        entries,
        others: Vec::new(),
        checksums: Vec::new(),
    })
}

/// Length of a file, for progress alone: what cannot be seen here is an error when it is read.
fn size(root: &Path, entry: &Entry) -> u64 {
    match &entry.place {
        Place::File(path) => root.join(&**path).metadata().map_or(0, |m| m.len()),
        Place::Part { length, .. } => *length,
    }
}

pub(super) fn below(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.into() } else { format!("{folder}/{name}") }
}

/// Names of the splits, and their folders below the root.
fn splits(path: &Path, tree: &Tree) -> Result<Vec<(String, String)>, SourceError> {
    let top = tree.list("")?;
    let is_split = |name: &str| -> Result<bool, SourceError> {
        let listing = tree.list(name)?;
        // A class may be called `train`: then there are images in it, and no folders alone.
        Ok(!listing.folders.is_empty() && first_image(path, name, &listing.files)?.is_none())
    };
    if !top.folders.iter().any(|f| f == SPLITS[0]) || !is_split(SPLITS[0])? {
        return Ok(vec![(SPLITS[0].into(), String::new())]);
    }
    if let Some(other) = top.folders.iter().find(|f| !SPLITS.contains(&f.as_str())) {
        let expected = format!("{} beside train", SPLITS[1..].join(" and "));
        let hint = "rename it, or move it elsewhere";
        return Err(refused(&path.join(other), "split", &expected, other.clone(), hint));
    }
    let there = SPLITS.into_iter().filter(|s| top.folders.iter().any(|f| f == s));
    Ok(there.map(|s| (s.into(), s.into())).collect())
}

/// Files beside class folders (a README, a list of labels) are not looked at, but images there belong to no class, and
/// are not lost in silence.
fn no_stray_images(root: &Path, folder: &str, files: &[String]) -> Result<(), SourceError> {
    match first_image(root, folder, files)? {
        None => Ok(()),
        Some(name) => {
            let hint = "move it into the folder of its class";
            let path = root.join(below(folder, &name));
            Err(refused(&path, "place", "images in class folders only", "an image beside them".into(), hint))
        }
    }
}

/// The first of `files` that starts as an image does.
fn first_image(root: &Path, folder: &str, files: &[String]) -> Result<Option<String>, SourceError> {
    use std::io::Read as _;
    for name in files {
        let path = root.join(below(folder, name));
        let io = crate::source::bytes::io_error(&path, "read");
        let file = crate::file::open_regular(&path).map_err(&io)?;
        let mut start = Vec::new();
        file.take(16).read_to_end(&mut start).map_err(&io)?;
        if Kind::of(&start).is_ok() {
            return Ok(Some(name.clone()));
        }
    }
    Ok(None)
}
