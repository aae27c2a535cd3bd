//! The same pictures in pixels, with fonts of our own: a bare machine has none.

use std::sync::{Arc, LazyLock};

use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{Options, Tree, fontdb::Database},
};

use crate::error::{Result, TrainError};

/// Pixels per unit of the SVG: sharp on dense screens and in print at a column's width.
const SCALE: f32 = 2.0;

/// DejaVu Sans, regular and bold, cut to the characters of Latin text (licence beside the files).
static FONTS: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    fonts.load_font_data(include_bytes!("../../../assets/DejaVuSans-subset.ttf").to_vec());
    fonts.load_font_data(include_bytes!("../../../assets/DejaVuSans-Bold-subset.ttf").to_vec());
    Arc::new(fonts)
});

/// `svg` as a PNG.
///
/// # Errors
/// [`TrainError::Report`] if the renderer refuses it.
pub(crate) fn render(svg: &str) -> Result<Vec<u8>> {
    let report = |e: &dyn std::fmt::Display| TrainError::Report(e.to_string());
    let options =
        Options { fontdb: Arc::clone(&FONTS), font_family: "DejaVu Sans".into(), ..Options::default() };
    let tree = Tree::from_str(svg, &options).map_err(|e| report(&e))?;
    let size = tree.size().to_int_size().scale_by(SCALE);
    let pixels = size.and_then(|size| Pixmap::new(size.width(), size.height()));
    let mut pixels = pixels.ok_or_else(|| TrainError::Report("figure without an area".into()))?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().map_err(|e| report(&e))
}
