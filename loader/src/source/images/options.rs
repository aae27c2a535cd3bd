//! How a tree or archive of image files becomes images of one shape or JPEG records, and who hears of it.

use crate::{
    dataset::Parameter,
    decode::{Colour, DECODER, DecodeOptions, ENCODER, Fit, RESIZER, conformance},
};

/// What is done about a file that is no image, is damaged or too small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBad {
    /// The source is refused, with the file's name.
    #[default]
    Fail,
    /// The file is left out and listed. Every image is then decoded when the source is opened, to know.
    Skip,
}

/// How image files become JPEG records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodeOptions {
    /// Quality of what has to be encoded anew, 1 to 100.
    pub quality: u8,
    /// Whether moments are taken of the train split, which costs decoding each of its images. Scaling by channel and
    /// Gaussian noise need them.
    pub moments: bool,
}

impl Default for EncodeOptions {
    /// Quality 90, no moments.
    fn default() -> Self {
        EncodeOptions { quality: 90, moments: false }
    }
}

/// How image files are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageOptions {
    /// Resize and crop.
    pub fit: Fit,
    /// Whether records are JPEG files, each of sides of its own, in place of pixels.
    pub encode: Option<EncodeOptions>,
    /// Which channels images get.
    pub colour: Colour,
    /// Whether images are turned as their EXIF orientation says.
    pub exif: bool,
    /// What is done about a bad file.
    pub on_bad: OnBad,
    /// Whether links may lead out of the tree.
    pub follow_links: bool,
    /// Whether archives must have their official checksums, and a data set its official counts.
    pub verify_archive: bool,
    /// Threads that read files while the source is opened, 1 to 1024. The result does not depend on it.
    pub jobs: usize,
}

impl Default for ImageOptions {
    /// Images as they are, in RGB, upright; bad files refused; links inside the tree only; archives verified; one thread
    /// per core.
    fn default() -> Self {
        ImageOptions {
            fit: Fit::default(),
            encode: None,
            colour: Colour::Rgb,
            exif: true,
            on_bad: OnBad::Fail,
            follow_links: false,
            verify_archive: true,
            jobs: std::thread::available_parallelism().map_or(1, usize::from).min(1024),
        }
    }
}

impl ImageOptions {
    /// The part that decides pixels, for a decoder.
    pub(super) fn decode(&self) -> DecodeOptions {
        DecodeOptions { colour: self.colour, exif: self.exif }
    }

    /// The part that decides pixels, for the index: by name, and the decoder by what it decodes.
    pub(super) fn parameters(&self) -> Vec<Parameter> {
        let mut out = vec![
            Parameter::new("decoder", format!("{DECODER} {}", conformance::identity())),
            Parameter::new("colour", self.colour.name()),
            Parameter::new("exif", if self.exif { "apply" } else { "ignore" }),
        ];
        if let Some(resize) = self.fit.resize {
            out.push(Parameter::new("resize", resize));
            out.push(Parameter::new("resizer", RESIZER));
        }
        out.extend(self.fit.crop.map(|side| Parameter::new("crop", format!("center:{side}"))));
        if let Some(EncodeOptions { quality, moments }) = self.encode {
            out.push(Parameter::new("encoder", format!("{ENCODER}, quality {quality}")));
            out.push(Parameter::new("moments", if moments { "taken" } else { "none" }));
        }
        out
    }
}

/// Hears how far the opening of a source is. Methods are called from worker threads.
pub trait OpenProgress: Sync {
    /// How many bytes there are to read.
    fn planned(&self, _bytes: u64) {}
    /// So many more bytes were read.
    fn read(&self, _bytes: u64) {}
    /// Whether to stop.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Hears nothing and never stops.
impl OpenProgress for () {}
