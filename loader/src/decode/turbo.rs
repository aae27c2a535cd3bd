//! libjpeg-turbo's decompressor (the `tj3` interface), made safe: sizes are checked here, and nowhere else is it called.
//!
//! The settings that decide pixels stay at their defaults: slow integer DCT, fancy (linear) upsampling. These are Pillow's,
//! whose pixels come out. Costs what the library takes (its pools are its own); a handle serves one image after another.

use std::{
    ffi::{CStr, c_int, c_void},
    ptr::NonNull,
};

use turbojpeg::raw;

/// A decompressor. After any error or warning it is in no state to be relied on: its owner makes another.
#[derive(Debug)]
pub(super) struct Turbo(NonNull<c_void>);

// SAFETY: a handle is a heap block with no tie to the thread that made it; only one thread at a time has it (`&mut`).
unsafe impl Send for Turbo {}

/// What the library says of a JPEG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TurboHeader {
    pub width: usize,
    pub height: usize,
    /// Pixels that the library's table of samplings has for the side of a block that can be cropped at; `None` where it
    /// does not know the sampling, and crops nothing.
    pub unit: Option<usize>,
}

/// How pixels are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Grey,
    Rgb,
    Cmyk,
}

impl Format {
    /// Bytes of a pixel.
    pub const fn channels(self) -> usize {
        match self {
            Format::Grey => 1,
            Format::Rgb => 3,
            Format::Cmyk => 4,
        }
    }

    fn raw(self) -> c_int {
        match self {
            Format::Grey => raw::TJPF_TJPF_GRAY,
            Format::Rgb => raw::TJPF_TJPF_RGB,
            Format::Cmyk => raw::TJPF_TJPF_CMYK,
        }
    }
}

/// Which pixels are decoded, of the image shrunk `scale` times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// 1, 2, 4 or 8.
    pub scale: usize,
    /// First row and column, this a multiple of the unit divided by the scale; `None` for the whole image.
    pub at: Option<(usize, usize)>,
    /// Rows that come out.
    pub height: usize,
    /// Columns that come out.
    pub width: usize,
}

impl Turbo {
    /// A decompressor with the settings above.
    pub fn new() -> Result<Turbo, String> {
        // SAFETY: no preconditions; a null pointer says that there is none.
        let handle = unsafe { raw::tj3Init(raw::TJINIT_TJINIT_DECOMPRESS as c_int) };
        let mut turbo = Turbo(NonNull::new(handle).ok_or("libjpeg-turbo has no memory for a decoder")?);
        // Colour profiles are not used, so they are not copied.
        turbo.set(raw::TJPARAM_TJPARAM_SAVEMARKERS, 0)?;
        Ok(turbo)
    }

    /// Reads the header of `jpeg`, of which at most `scans` scans will be decoded, and at most `pixels` pixels.
    pub fn read_header(&mut self, jpeg: &[u8], scans: u32, pixels: usize) -> Result<TurboHeader, String> {
        self.set(raw::TJPARAM_TJPARAM_SCANLIMIT, c_int::try_from(scans).unwrap_or(c_int::MAX))?;
        self.set(raw::TJPARAM_TJPARAM_MAXPIXELS, c_int::try_from(pixels).unwrap_or(c_int::MAX))?;
        // SAFETY: the handle is alive, and the pointer and length are those of a slice, which is only read.
        let code = unsafe { raw::tj3DecompressHeader(self.raw(), jpeg.as_ptr(), jpeg.len() as raw::size_t) };
        self.check(code)?;
        let sampling = self.get(raw::TJPARAM_TJPARAM_SUBSAMP);
        let side = |found: c_int| usize::try_from(found).map_err(|_| "an image without a size".to_owned());
        Ok(TurboHeader {
            width: side(self.get(raw::TJPARAM_TJPARAM_JPEGWIDTH))?,
            height: side(self.get(raw::TJPARAM_TJPARAM_JPEGHEIGHT))?,
            unit: match sampling {
                raw::TJSAMP_TJSAMP_444
                | raw::TJSAMP_TJSAMP_GRAY
                | raw::TJSAMP_TJSAMP_440
                | raw::TJSAMP_TJSAMP_441 => Some(8),
                raw::TJSAMP_TJSAMP_422 | raw::TJSAMP_TJSAMP_420 => Some(16),
                raw::TJSAMP_TJSAMP_411 => Some(32),
                _ => None,
            },
        })
    }

    /// Decodes `part` of `jpeg`, whose header was read last, to the first `height * width` pixels of `out`.
    ///
    /// # Panics
    /// If `out` has no room for them.
    pub fn decode(&mut self, jpeg: &[u8], part: Part, format: Format, out: &mut [u8]) -> Result<(), String> {
        let side = |n: usize| c_int::try_from(n).expect("sides of an image are below 2^26");
        let pitch = part.width * format.channels();
        assert!(part.height > 0 && part.width > 0 && part.height * pitch <= out.len(), "{part:?}");
        let factor = raw::tjscalingfactor { num: 1, denom: side(part.scale) };
        // SAFETY: the handle is alive; the rest is passed by value.
        let code = unsafe { raw::tj3SetScalingFactor(self.raw(), factor) };
        self.check(code)?;
        let region = match part.at {
            None => raw::tjregion { x: 0, y: 0, w: 0, h: 0 },
            Some((row, column)) => {
                raw::tjregion { x: side(column), y: side(row), w: side(part.width), h: side(part.height) }
            }
        };
        // SAFETY: as above; a region that the image does not have is refused.
        let code = unsafe { raw::tj3SetCroppingRegion(self.raw(), region) };
        self.check(code)?;
        // SAFETY: the handle is alive. `jpeg` is only read. The library writes `height` rows of `width` pixels, each row
        // `pitch` bytes after the one before: the region's, or the whole image's, whose size shrunk by the scale the caller
        // took from the header of these very bytes. There is room for them, as was asserted.
        let code = unsafe {
            raw::tj3Decompress8(
                self.raw(),
                jpeg.as_ptr(),
                jpeg.len() as raw::size_t,
                out.as_mut_ptr(),
                side(pitch),
                format.raw(),
            )
        };
        self.check(code)
    }

    fn raw(&mut self) -> raw::tjhandle {
        self.0.as_ptr()
    }

    fn set(&mut self, parameter: raw::TJPARAM, value: c_int) -> Result<(), String> {
        // SAFETY: the handle is alive; the rest is passed by value.
        let code = unsafe { raw::tj3Set(self.raw(), parameter as c_int, value) };
        self.check(code)
    }

    fn get(&mut self, parameter: raw::TJPARAM) -> c_int {
        // SAFETY: as for `set`.
        unsafe { raw::tj3Get(self.raw(), parameter as c_int) }
    }

    /// The library's text of what is wrong, where anything is.
    fn check(&mut self, code: c_int) -> Result<(), String> {
        if code == 0 {
            return Ok(());
        }
        // SAFETY: the handle is alive; the text is the handle's own, ends with a zero, and is copied before the next call.
        let text = unsafe { CStr::from_ptr(raw::tj3GetErrorStr(self.raw())) };
        Err(text.to_string_lossy().into_owned())
    }
}

impl Drop for Turbo {
    fn drop(&mut self) {
        // SAFETY: the handle is alive, and not used again.
        unsafe { raw::tj3Destroy(self.raw()) }
    }
}
