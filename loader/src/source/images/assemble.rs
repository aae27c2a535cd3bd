//! From surveyed files to a source: bad files refused or left out, ids by order, one shape for all.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use md5::{Digest as _, Md5};

use super::{
    ImageOptions, ImageReport, Images, OnBad, OpenProgress,
    encoded::is_copied,
    place::{Entry, Places},
    survey::{Surveyed, survey},
    tree::refused,
};
use crate::{
    ImageShape,
    dataset::{Class, Parameter},
    decode::{DecodeError, conformance},
    digest::Hasher,
    source::{
        SourceError, SourceFile, SourceSplit,
        bytes::{io_error, open},
    },
};

/// Everything that was found, before a file has been read.
pub(super) struct Found {
    pub kind: &'static str,
    pub places: Places,
    pub classes: Vec<Class>,
    /// Names of the folders or archives the classes are in, in class order: what lists of files say.
    pub folders: Vec<String>,
    pub splits: Vec<String>,
    /// In the order of their ids.
    pub entries: Vec<Entry>,
    /// Other files that decide the samples.
    pub others: Vec<SourceFile>,
    /// Archives that must have an official checksum.
    pub checksums: Vec<Checksum>,
}

/// The MD5 a published archive has.
pub(super) struct Checksum {
    pub path: PathBuf,
    pub md5: &'static str,
}

impl Found {
    /// Reads all files once. `full`: decodes them.
    fn survey(
        &mut self,
        options: &ImageOptions,
        full: bool,
        progress: &dyn OpenProgress,
    ) -> Result<(Vec<(Entry, Surveyed)>, ImageReport), SourceError> {
        if !(1..=1024).contains(&options.jobs) {
            let hint = "give a number of threads";
            let found = options.jobs.to_string();
            return Err(refused(&self.places.root, "jobs", "1 to 1024", found, hint));
        }
        if let Some(encode) = options.encode {
            if !cfg!(feature = "jpeg") {
                return Err(SourceError::Decoder(DecodeError::NoJpeg));
            }
            if !(1..=100).contains(&encode.quality) {
                let (found, hint) = (encode.quality.to_string(), "90 is usual");
                return Err(refused(&self.places.root, "quality", "1 to 100", found, hint));
            }
        }
        conformance::check().map_err(SourceError::Decoder)?;
        let entries = std::mem::take(&mut self.entries);
        // Beside each other, so that an archive larger than memory is read from disk about once: both go from its
        // beginning to its end.
        let surveyed = std::thread::scope(|scope| {
            let md5 = scope.spawn(|| verify(&self.checksums, progress));
            let surveyed = survey(&self.places, &entries, options, full, progress);
            md5.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            surveyed
        })?;
        let surveyed: Vec<_> = entries.into_iter().zip(surveyed).collect();
        let size = |probe: &crate::decode::Probe| probe.size(&options.decode());
        let mut report = ImageReport::new(&self.splits, &self.folders, &surveyed, size);
        if options.encode.is_some() {
            let images = surveyed.iter().filter_map(|(_, s)| s.image.as_ref().ok());
            let copied = images.clone().filter(|(probe, size)| is_copied(options, probe, *size)).count();
            report.copied = Some(copied as u64);
            report.encoded = Some((images.count() - copied) as u64);
        }
        Ok((surveyed, report))
    }

    /// Decodes everything and says what is there, bad files included.
    pub fn inspect(
        mut self,
        options: &ImageOptions,
        progress: &dyn OpenProgress,
    ) -> Result<ImageReport, SourceError> {
        Ok(self.survey(options, true, progress)?.1)
    }

    /// The source.
    pub fn open(
        mut self,
        options: &ImageOptions,
        progress: &dyn OpenProgress,
    ) -> Result<Images, SourceError> {
        let (surveyed, report) = self.survey(options, options.on_bad == OnBad::Skip, progress)?;
        let mut listed = self.list(&surveyed);
        listed.append(&mut self.others);
        let mut parameters = options.parameters();
        if let Some(first) = report.bad.first() {
            if options.on_bad == OnBad::Fail {
                let bad = surveyed.iter().find(|(_, s)| s.image.is_err());
                let path = bad.map_or_else(|| self.places.root.clone(), |(e, _)| self.places.path(e));
                let (more, source) = (report.bad.len() - 1, first.error.clone());
                return Err(SourceError::Image { path, more, source });
            }
            let skipped = report.bad.iter().map(|b| Parameter::new(format!("skipped {}", b.name), &b.reason));
            parameters.extend(skipped);
        }
        let entries: Vec<_> = surveyed.into_iter().filter(|(_, s)| s.image.is_ok()).collect();
        let shape = first_shape(&self.places, &entries, options)?;
        if options.encode.is_none() {
            one_shape(&self.places, &entries)?;
        }
        let (mut splits, mut starts) = (Vec::new(), Vec::new());
        for (number, name) in self.splits.iter().enumerate() {
            let start = entries.partition_point(|(e, _)| e.split < number);
            let samples = entries.partition_point(|(e, _)| e.split <= number) - start;
            if samples == 0 {
                return Err(empty(&self.places.root, &format!("split {name}")));
            }
            starts.push(start);
            splits.push(SourceSplit { name: name.clone(), samples });
        }
        Ok(Images {
            kind: self.kind,
            options: options.clone(),
            parameters,
            places: self.places,
            classes: self.classes,
            splits,
            starts,
            entries,
            listed,
            shape,
            report,
        })
    }

    /// One entry per split, for all its files: a list of a million would not fit the index. Its digest covers class,
    /// name, length and digest of each, bad ones included, in the order of ids.
    fn list(&self, surveyed: &[(Entry, Surveyed)]) -> Vec<SourceFile> {
        let list = |(number, name): (usize, &String)| {
            let mut hasher = Hasher::new("rfx v1 image-files");
            let mut bytes = 0;
            for (entry, found) in surveyed.iter().filter(|(e, _)| e.split == number) {
                hasher.text(&self.folders[entry.class]).text(&entry.name);
                hasher.u64(found.bytes).bytes(found.digest.as_bytes());
                bytes += found.bytes;
            }
            SourceFile { name: name.clone(), bytes, digest: hasher.finish() }
        };
        self.splits.iter().enumerate().map(list).collect()
    }
}

/// Compares archives with their checksums.
fn verify(checksums: &[Checksum], progress: &dyn OpenProgress) -> Result<(), SourceError> {
    for Checksum { path, md5 } in checksums {
        let found = md5_of(path, progress)?;
        if found != *md5 {
            let hint = "get it again; --no-verify-archive (ImageOptions::verify_archive) packs it as it is";
            return Err(refused(path, "MD5", md5, found, hint));
        }
    }
    Ok(())
}

/// MD5 of a file, in hexadecimal.
fn md5_of(path: &Path, progress: &dyn OpenProgress) -> Result<String, SourceError> {
    let mut file = open(path)?;
    let (mut hasher, mut buffer) = (Md5::new(), vec![0; 1 << 20]);
    loop {
        if progress.cancelled() {
            return Err(SourceError::Interrupted);
        }
        let n = file.read(&mut buffer).map_err(io_error(path, "read"))?;
        if n == 0 {
            return Ok(hasher.finalize().iter().map(|b| format!("{b:02x}")).collect());
        }
        hasher.update(&buffer[..n]);
        progress.read(n as u64);
    }
}

/// Width and height of the image made of a file.
fn size(found: &Surveyed) -> (usize, usize) {
    found.image.as_ref().map_or((0, 0), |(_, size)| *size)
}

/// Whether all images have the shape of the first; if not, the first that differs.
fn one_shape(places: &Places, entries: &[(Entry, Surveyed)]) -> Result<(), SourceError> {
    let Some((first, found)) = entries.first() else { return Ok(()) };
    let (width, height) = size(found);
    if let Some((other, found)) = entries.iter().find(|(_, s)| size(s) != (width, height)) {
        let text = |(w, h): (usize, usize)| format!("{w} x {h}");
        return Err(SourceError::Sizes {
            first: places.path(first),
            expected: text((width, height)),
            path: places.path(other),
            found: text(size(found)),
        });
    }
    Ok(())
}

/// The shape of the first image.
fn first_shape(
    places: &Places,
    entries: &[(Entry, Surveyed)],
    options: &ImageOptions,
) -> Result<ImageShape, SourceError> {
    let Some((_, found)) = entries.first() else { return Err(empty(&places.root, "the source")) };
    let (width, height) = size(found);
    ImageShape::new(options.colour.channels(), height, width).map_err(|e| {
        let hint = "ask for smaller images";
        refused(&places.root, "size", "an image that fits a record", e.to_string(), hint)
    })
}

/// There is nothing to pack.
pub(super) fn empty(path: &Path, what: &str) -> SourceError {
    let expected = format!("at least one image in {what}");
    refused(path, "images", &expected, "none".into(), "check the path, or remove what is empty")
}
