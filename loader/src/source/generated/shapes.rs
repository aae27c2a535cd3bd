//! The ten figures, as integer tests of whether a point is inside.

/// A class of the generated set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    Disc,
    Ring,
    Square,
    Frame,
    Triangle,
    Plus,
    Cross,
    HorizontalStripes,
    VerticalStripes,
    Checker,
}

impl Figure {
    /// The figures in label order.
    pub const ALL: [Figure; 10] = [
        Figure::Disc,
        Figure::Ring,
        Figure::Square,
        Figure::Frame,
        Figure::Triangle,
        Figure::Plus,
        Figure::Cross,
        Figure::HorizontalStripes,
        Figure::VerticalStripes,
        Figure::Checker,
    ];

    /// The class name.
    pub const fn name(self) -> &'static str {
        match self {
            Figure::Disc => "disc",
            Figure::Ring => "ring",
            Figure::Square => "square",
            Figure::Frame => "frame",
            Figure::Triangle => "triangle",
            Figure::Plus => "plus",
            Figure::Cross => "cross",
            Figure::HorizontalStripes => "horizontal stripes",
            Figure::VerticalStripes => "vertical stripes",
            Figure::Checker => "checker",
        }
    }

    /// Whether the point (x, y), measured from the figure's centre with y downwards, is inside a figure of half
    /// size `r`; `band` is the width of a stripe. All in the same fixed-point unit; `band >= 1`.
    pub fn contains(self, x: i32, y: i32, r: i32, band: i32) -> bool {
        let (ax, ay) = (x.abs(), y.abs());
        let (near, far) = (ax.min(ay), ax.max(ay));
        let distance = x * x + y * y;
        // Sides are cut to 7/8 of r so that square figures cover about the area of round ones.
        let in_square = 8 * far <= 7 * r;
        let odd = |v: i32| v.div_euclid(band) & 1 == 1;
        match self {
            Figure::Disc => distance <= r * r,
            Figure::Ring => distance <= r * r && 100 * distance >= 30 * r * r,
            Figure::Square => in_square,
            Figure::Frame => in_square && 2 * far >= r,
            Figure::Triangle => 8 * y <= 6 * r && 2 * ax <= y + r,
            Figure::Plus => far <= r && 10 * near <= 3 * r,
            Figure::Cross => 8 * far <= 7 * r && 10 * (ax - ay).abs() <= 4 * r,
            Figure::HorizontalStripes => in_square && odd(y),
            Figure::VerticalStripes => in_square && odd(x),
            Figure::Checker => in_square && odd(x) != odd(y),
        }
    }
}
