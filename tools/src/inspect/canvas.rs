//! A picture to draw samples and text on.

use std::convert::Infallible;

use embedded_graphics::{
    Drawable, Pixel,
    draw_target::DrawTarget,
    geometry::{OriginDimensions, Point, Size},
    mono_font::{MonoFont, MonoTextStyle},
    pixelcolor::{Rgb888, RgbColor},
    text::{Baseline, Text},
};
use image::{ImageFormat, Rgb, RgbImage};
use rfx_loader::ImageShape;

/// An RGB picture, white at first. What falls outside it is not drawn.
pub(super) struct Canvas(RgbImage);

impl Canvas {
    pub fn new(width: u32, height: u32) -> Self {
        Canvas(RgbImage::from_pixel(width, height, Rgb([255, 255, 255])))
    }

    /// Writes one line of `text` whose upper left corner is at (x, y); returns the x after it.
    pub fn text(&mut self, text: &str, x: u32, y: u32, font: &MonoFont<'_>, colour: Rgb888) -> u32 {
        let at = Point::new(x as i32, y as i32);
        let style = MonoTextStyle::new(font, colour);
        let Ok(end) = Text::with_baseline(text, at, style, Baseline::Top).draw(self);
        end.x.max(0) as u32
    }

    /// Draws `image` (`[channels, height, width]`, one channel as grey, of others the first three as red, green and
    /// blue) with its upper left corner at (x, y), every value `scale` x `scale` pixels large.
    pub fn image(&mut self, image: &[u8], shape: ImageShape, x: u32, y: u32, scale: u32) {
        let plane = shape.height * shape.width;
        let channel = |k: usize| if shape.channels >= 3 { k * plane } else { 0 };
        for row in 0..shape.height as u32 * scale {
            for column in 0..shape.width as u32 * scale {
                let at = (row / scale) as usize * shape.width + (column / scale) as usize;
                let colour = Rgb([0, 1, 2].map(|k| image[channel(k) + at]));
                if let Some(pixel) = self.0.get_pixel_mut_checked(x + column, y + row) {
                    *pixel = colour;
                }
            }
        }
    }

    /// The picture as a PNG file.
    pub fn png(&self) -> image::ImageResult<Vec<u8>> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        self.0.write_to(&mut bytes, ImageFormat::Png)?;
        Ok(bytes.into_inner())
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(point, colour) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(point.x), u32::try_from(point.y)) else { continue };
            if let Some(pixel) = self.0.get_pixel_mut_checked(x, y) {
                *pixel = Rgb([colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}
