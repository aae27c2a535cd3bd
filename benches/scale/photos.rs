//! A source as large as ImageNet, of a handful of photographs: each sample is one of them, cut out at another place, mirrored
//! or not, lighter or darker. No two samples need be alike, and none is stored twice.

use std::path::Path;

use rfx_loader::{
    ImageShape, Layout,
    dataset::Class,
    decode::{DecodeOptions, Fit, Pixels, Resize, Resizer, decode},
    rng::Key,
    source::{Source, SourceError, SourceFile, SourceSplit},
};

/// How much larger than a sample a photograph's shorter side is: so many places there are to cut in either direction.
const SLACK: usize = 16;
const CLASSES: usize = 1000;
/// One for ImageNet's 50,000 validation images in 1,281,167.
const TEST_SHARE: usize = 26;

/// The source.
pub struct Photos {
    photos: Vec<Pixels>,
    shape: ImageShape,
    classes: Vec<Class>,
    splits: Vec<SourceSplit>,
    key: Key,
}

impl Photos {
    /// `samples` training images of `side` x `side` out of the photographs in the folders of `dir`.
    pub fn new(dir: &Path, samples: usize, side: usize) -> Result<Photos, Box<dyn std::error::Error>> {
        let mut files = Vec::new();
        for class in std::fs::read_dir(dir)? {
            let class = class?.path();
            if class.is_dir() {
                files.extend(std::fs::read_dir(class)?.map(|file| file.map(|f| f.path())).collect::<Result<
                    Vec<_>,
                    _,
                >>(
                )?);
            }
        }
        files.sort();
        let fit = Fit { resize: Some(Resize::Shorter(side + SLACK)), crop: Some(side + SLACK) };
        let mut resizer = Resizer::new();
        let mut photos = Vec::new();
        for file in &files {
            let pixels = decode(&std::fs::read(file)?, &DecodeOptions::default())?;
            photos.push(fit.apply(pixels, &mut resizer)?);
        }
        if photos.is_empty() {
            return Err(format!("{}: no photographs in its folders", dir.display()).into());
        }
        let split = |name: &str, samples| SourceSplit { name: name.into(), samples };
        Ok(Photos {
            photos,
            shape: ImageShape::new(3, side, side)?,
            classes: (0..CLASSES).map(|c| Class::named(format!("class {c}"))).collect(),
            splits: vec![split("train", samples), split("test", (samples / TEST_SHARE).max(1))],
            key: Key::derive("benches/scale", 0),
        })
    }
}

impl Source for Photos {
    fn kind(&self) -> &str {
        "photos"
    }
    fn generator(&self) -> &str {
        "rfx-benches/scale/1"
    }
    fn shape(&self) -> ImageShape {
        self.shape
    }
    fn layout(&self) -> Layout {
        Layout::Nhwc
    }
    fn classes(&self) -> &[Class] {
        &self.classes
    }
    fn splits(&self) -> &[SourceSplit] {
        &self.splits
    }
    fn files(&self) -> &[SourceFile] {
        &[]
    }
    fn label(&self, split: usize, index: usize) -> Result<i64, SourceError> {
        // Class after class, as in ImageNet's folders.
        Ok((index * CLASSES / self.splits[split].samples) as i64)
    }
    fn read(&self, split: usize, index: usize, out: &mut [u8]) -> Result<(), SourceError> {
        let mut words = self.key.words(index as u64, split as u32);
        let mut below = |n: usize| words.next_u32() as usize % n;
        let photo = &self.photos[below(self.photos.len())];
        let (top, left, mirrored) = (below(SLACK + 1), below(SLACK + 1), below(2) == 1);
        let (gain, lift) = (192 + below(128) as i32, below(33) as i32 - 16);
        let side = self.shape.width;
        let lit = |v: u8| (((i32::from(v) * gain) >> 8) + lift).clamp(0, 255) as u8;
        for (y, row) in out.chunks_exact_mut(3 * side).enumerate() {
            let start = ((top + y) * photo.width + left) * 3;
            let from = &photo.values[start..start + 3 * side];
            for (x, pixel) in row.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                let x = if mirrored { side - 1 - x } else { x };
                *pixel = [from[3 * x], from[3 * x + 1], from[3 * x + 2]].map(lit);
            }
        }
        Ok(())
    }
}
