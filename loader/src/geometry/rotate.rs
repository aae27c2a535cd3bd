//! Rotation about the centre of the window, in integers: bilinear, with the stored image's edge beyond it.
//!
//! The angle is a multiple of 1/16 degree. Its sine and cosine are rounded to 16 binary digits once; everything after
//! that is integer arithmetic (`RANDOM.md` section 3), so every machine makes the same values. About 12 us for a
//! 28 x 28 image of three channels.

use std::f64::consts::PI;

use super::{Placement, planar_index};
use crate::{dtype::Layout, rng::mulshift, shape::ImageShape};

/// Steps of the angle in one degree.
const STEPS: i64 = 16;

/// Binary digits of sine and cosine.
const DIGITS: u32 = 16;

/// Largest rotation that can be asked for, in degrees to either side.
pub const MAX_ROTATION: u8 = 180;

/// An angle, counter-clockwise as the image is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    sine: i64,
    cosine: i64,
}

impl Turn {
    /// One of the `2 * 16 * degrees + 1` angles from `-degrees` to `+degrees`, or none where it is zero.
    pub fn draw(word: u32, degrees: u8) -> Option<Turn> {
        let most = STEPS * i64::from(degrees);
        let step = i64::from(mulshift(word, (2 * most + 1) as u32)) - most;
        if step == 0 {
            return None;
        }
        let angle = step as f64 * PI / (180 * STEPS) as f64;
        let fixed = |x: f64| (x * f64::from(1 << DIGITS)).round() as i64;
        Some(Turn { sine: fixed(libm::sin(angle)), cosine: fixed(libm::cos(angle)) })
    }

    /// Writes the window at `placement`, mirrored if it says so and turned about its centre, planar into `out`.
    pub fn copy(
        self,
        placement: Placement,
        record: &[u8],
        layout: Layout,
        stored: ImageShape,
        shape: ImageShape,
        out: &mut [u8],
    ) {
        // Coordinates are twice the pixels', so that the centre of an even window is a whole number too.
        let centre = |start: usize, side: usize| 2 * start as i64 + side as i64 - 1;
        let (centre_y, centre_x) =
            (centre(placement.row, shape.height), centre(placement.column, shape.width));
        for y in 0..shape.height {
            for x in 0..shape.width {
                let from_x = if placement.mirrored { shape.width - 1 - x } else { x };
                let v = 2 * y as i64 - (shape.height as i64 - 1);
                let u = 2 * from_x as i64 - (shape.width as i64 - 1);
                // Where the pixel came from: turned back by the angle (y points down).
                let at_y = Axis::new((centre_y << DIGITS) + self.sine * u + self.cosine * v, stored.height);
                let at_x = Axis::new((centre_x << DIGITS) + self.cosine * u - self.sine * v, stored.width);
                for channel in 0..shape.channels {
                    let value = |y, x| u32::from(record[planar_index(layout, stored, channel, y, x)]);
                    let upper = at_x.mix(value(at_y.low, at_x.low), value(at_y.low, at_x.high));
                    let lower = at_x.mix(value(at_y.high, at_x.low), value(at_y.high, at_x.high));
                    let mixed = (at_y.mix(upper, lower) + (1 << 15)) >> 16;
                    out[(channel * shape.height + y) * shape.width + x] = mixed as u8; // a mean of values of u8
                }
            }
        }
    }
}

/// Two neighbours on one axis and the weight of the second, out of 256.
struct Axis {
    low: usize,
    high: usize,
    weight: u32,
}

impl Axis {
    /// From a coordinate in units of 2^-17 pixels; neighbours outside `0..side` are the nearest pixel inside.
    fn new(coordinate: i64, side: usize) -> Axis {
        let whole = coordinate >> (DIGITS + 1);
        let weight = (coordinate >> (DIGITS + 1 - 8)) & 0xFF;
        let inside = |at: i64| at.clamp(0, side as i64 - 1) as usize;
        Axis { low: inside(whole), high: inside(whole + 1), weight: weight as u32 }
    }

    fn mix(&self, low: u32, high: u32) -> u32 {
        low * (256 - self.weight) + high * self.weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ImageShape = ImageShape { channels: 2, height: 12, width: 12 };

    fn image() -> Vec<u8> {
        (0..SHAPE.values()).map(|i| (i * 37 % 251) as u8).collect()
    }

    fn turned(sine: i64, cosine: i64, mirrored: bool) -> Vec<u8> {
        let mut out = vec![0; SHAPE.values()];
        let placement = Placement { row: 0, column: 0, mirrored, turn: None, resized: None };
        Turn { sine, cosine }.copy(placement, &image(), Layout::Nchw, SHAPE, SHAPE, &mut out);
        out
    }

    #[test]
    fn right_angles_are_exact() {
        let (image, side) = (image(), SHAPE.width);
        let by = |from: &dyn Fn(usize, usize) -> (usize, usize)| -> Vec<u8> {
            let mut out = Vec::new();
            for plane in image.chunks_exact(side * side) {
                for y in 0..side {
                    out.extend((0..side).map(|x| {
                        let (y, x) = from(y, x);
                        plane[y * side + x]
                    }));
                }
            }
            out
        };
        let one = 1 << DIGITS;
        assert_eq!(turned(0, one, false), image);
        assert_eq!(turned(0, one, true), by(&|y, x| (y, side - 1 - x)));
        assert_eq!(turned(0, -one, false), by(&|y, x| (side - 1 - y, side - 1 - x)));
        // A quarter turn counter-clockwise puts the right edge on top.
        assert_eq!(turned(one, 0, false), by(&|y, x| (x, side - 1 - y)));
    }

    /// The same in f64, from the definition of a rotation: both agree but for the rounding of weights and angles.
    #[test]
    fn values_are_those_of_a_bilinear_rotation() {
        let smooth: Vec<u8> = (0..SHAPE.values())
            .map(|i| {
                let (y, x) = ((i / 12 % 12) as f64, (i % 12) as f64);
                (128.0 + 60.0 * (y * 0.5).sin() + 50.0 * (x * 0.4).cos()) as u8
            })
            .collect();
        for word in (0..64).map(|k| k << 26) {
            let Some(turn) = Turn::draw(word, 25) else { continue };
            let (sine, cosine) = (turn.sine as f64 / 65_536.0, turn.cosine as f64 / 65_536.0);
            assert!((sine * sine + cosine * cosine - 1.0).abs() < 1e-4);
            assert!(sine.abs() <= 25f64.to_radians().sin() + 1e-4 && cosine > 0.9);
            let mut out = vec![0; SHAPE.values()];
            let placement = Placement { row: 0, column: 0, mirrored: false, turn: None, resized: None };
            turn.copy(placement, &smooth, Layout::Nchw, SHAPE, SHAPE, &mut out);
            for y in 0..12 {
                for x in 0..12 {
                    let (v, u) = (y as f64 - 5.5, x as f64 - 5.5);
                    let (at_y, at_x) = (5.5 + sine * u + cosine * v, 5.5 + cosine * u - sine * v);
                    let at = |y: f64, x: f64| {
                        f64::from(smooth[y.clamp(0.0, 11.0) as usize * 12 + x.clamp(0.0, 11.0) as usize])
                    };
                    let (low_y, low_x) = (at_y.floor(), at_x.floor());
                    let (wy, wx) = (at_y - low_y, at_x - low_x);
                    let row = |y| at(y, low_x) * (1.0 - wx) + at(y, low_x + 1.0) * wx;
                    let expected = row(low_y) * (1.0 - wy) + row(low_y + 1.0) * wy;
                    let found = f64::from(out[y * 12 + x]);
                    assert!((found - expected).abs() < 1.0, "({y}, {x}): {found}, expected {expected}");
                }
            }
        }
    }

    #[test]
    fn angles_are_uniform_and_bounded() {
        assert_eq!(Turn::draw(0, 0), None);
        let most = Turn::draw(u32::MAX, MAX_ROTATION).unwrap();
        assert_eq!((most.sine, most.cosine), (0, -(1 << DIGITS)));
        // 801 angles; the middle one is none at all.
        let angles: std::collections::HashSet<_> = (0..801u64)
            .map(|k| Turn::draw(((k << 32) / 801 + 1) as u32, 25).map(|t| (t.sine, t.cosine)))
            .collect();
        assert_eq!(angles.len(), 801);
        assert!(angles.contains(&None));
    }
}
