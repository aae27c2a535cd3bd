//! An SVG in pixels.

use std::sync::Arc;

use anyhow::Context;
use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{Options, Tree, fontdb::Database},
};

/// Pixels per unit of the SVG: sharp in print at a column's width.
const SCALE: f32 = 3.0;

/// DejaVu Sans, cut to the characters of Latin text: the files that the trainer's reports are drawn with.
const FONTS: [&[u8]; 2] = [
    include_bytes!("../../../../trainer/assets/DejaVuSans-subset.ttf"),
    include_bytes!("../../../../trainer/assets/DejaVuSans-Bold-subset.ttf"),
];

pub(super) fn render(svg: &str) -> anyhow::Result<Vec<u8>> {
    let mut fonts = Database::new();
    FONTS.iter().for_each(|font| fonts.load_font_data(font.to_vec()));
    let options =
        Options { fontdb: Arc::new(fonts), font_family: "DejaVu Sans".into(), ..Options::default() };
    let tree = Tree::from_str(svg, &options).context("a figure that is no SVG")?;
    let size = tree.size().to_int_size().scale_by(SCALE);
    let pixels = size.and_then(|size| Pixmap::new(size.width(), size.height()));
    let mut pixels = pixels.context("a figure without an area")?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().context("a figure that is no PNG")
}
