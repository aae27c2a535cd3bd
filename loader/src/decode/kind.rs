//! What kind of image a file is, by its first bytes.

use std::fmt;

use super::DecodeError;

/// A kind of image file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// JPEG (ISO 10918).
    Jpeg,
    /// PNG (ISO 15948).
    Png,
    /// GIF 87a or 89a.
    Gif,
    /// Windows bitmap.
    Bmp,
    /// WebP, lossy or lossless.
    WebP,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 5] = [Kind::Jpeg, Kind::Png, Kind::Gif, Kind::Bmp, Kind::WebP];

    /// The kind of the file that starts with `bytes`, of which 16 are enough.
    ///
    /// # Errors
    /// [`DecodeError::Unknown`].
    pub fn of(bytes: &[u8]) -> Result<Kind, DecodeError> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Ok(Kind::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Ok(Kind::Png),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Ok(Kind::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Ok(Kind::WebP),
            // Two letters alone would take any text that starts so: the reserved words are 0 in every writer's files.
            [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Ok(Kind::Bmp),
            [] => Err(DecodeError::Unknown { found: "an empty file".into() }),
            _ => {
                let start = &bytes[..bytes.len().min(8)];
                Err(DecodeError::Unknown { found: format!("{} ({})", hex(start), start.escape_ascii()) })
            }
        }
    }

    /// `jpeg`, `png`, ...
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Jpeg => "jpeg",
            Kind::Png => "png",
            Kind::Gif => "gif",
            Kind::Bmp => "bmp",
            Kind::WebP => "webp",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_content_and_the_rest_is_named() {
        for (bytes, kind) in [
            (&b"\xff\xd8\xff\xe0\x00\x10JFIF"[..], Kind::Jpeg),
            (b"\x89PNG\r\n\x1a\n....", Kind::Png),
            (b"GIF87a....", Kind::Gif),
            (b"GIF89a....", Kind::Gif),
            (b"BM\x9a\x01\0\0\0\0\0\0\x36\0", Kind::Bmp),
            (b"RIFF\x24\0\0\0WEBPVP8L", Kind::WebP),
        ] {
            assert_eq!(Kind::of(bytes), Ok(kind));
        }
        for (bytes, text) in [
            (&b""[..], "an empty file"),
            (b"BMW, Audi, Opel", "42 4d 57"),
            (b"RIFF\x24\0\0\0WAVEfmt ", "RIFF"),
            (b"\xff\xd8", "ff d8"),
            (b"<!DOCTYPE html>", "<!DOCTYP"),
        ] {
            let error = Kind::of(bytes).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}
