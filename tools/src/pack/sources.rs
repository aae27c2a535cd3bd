//! What the commands of `rfx-pack` read: where the files are, and how they are opened.

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use clap::Args;
use rfx_loader::{
    Layout,
    source::{Npy, NpyFiles, SourceError},
};

use crate::download::{DownloadArgs, Published};

/// A data set that others publish.
#[derive(Args, Debug)]
pub struct PublishedArgs {
    /// Where the data set is: its folder, or the archive as published
    #[arg(value_name = "SRC", required_unless_present = "download")]
    source: Option<PathBuf>,
    #[command(flatten)]
    download: DownloadArgs,
}

impl PublishedArgs {
    /// Where it is, after a download if that was asked for.
    ///
    /// # Errors
    /// As [`DownloadArgs::source`].
    pub fn path(&self, set: &Published, quiet: bool, cancel: &AtomicBool) -> anyhow::Result<PathBuf> {
        self.download.source(set, self.source.as_deref(), quiet, cancel)
    }
}

/// Arrays as NumPy saves them.
#[derive(Args, Debug)]
pub struct NpyArgs {
    /// Training images: unsigned bytes of shape [n, h, w, c], [n, c, h, w] or [n, h, w]
    #[arg(long, value_name = "NPY")]
    images: PathBuf,
    /// Their labels: whole numbers from 0, of shape [n]
    #[arg(long, value_name = "NPY")]
    labels: PathBuf,
    /// Test images, of the same shape
    #[arg(long, value_name = "NPY", requires = "test_labels")]
    test_images: Option<PathBuf>,
    /// Their labels
    #[arg(long, value_name = "NPY", requires = "test_images")]
    test_labels: Option<PathBuf>,
    /// Order of the images' axes, nhwc or nchw [default: the axis of 1, 3 or 4 is that of the channels]
    #[arg(long)]
    layout: Option<Layout>,
    /// Names of the classes in label order, one a line [default: their numbers]
    #[arg(long, value_name = "TXT")]
    classes: Option<PathBuf>,
}

impl NpyArgs {
    /// Opens the arrays.
    ///
    /// # Errors
    /// As [`Npy::open`].
    pub fn open(&self) -> Result<Npy, SourceError> {
        let path = |path: &Path| path.to_path_buf();
        let test = self.test_images.as_deref().zip(self.test_labels.as_deref());
        Npy::open(&NpyFiles {
            images: path(&self.images),
            labels: path(&self.labels),
            test: test.map(|(images, labels)| [path(images), path(labels)]),
            layout: self.layout,
            classes: self.classes.clone(),
        })
    }
}
