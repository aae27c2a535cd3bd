//! Both passes without any processor's own instructions: what the others must equal, and what serves where they do not
//! fit.

use super::weights::{Axis, DIGITS};

/// Half of what is shifted away.
const HALF: i32 = 1 << (DIGITS - 1);

/// One row, `out.len()` values at most those of `axis`: `out[o] = (sum of row[first + t] w_t + 2^14) >> 15`.
pub(super) fn horizontal(axis: &Axis, row: &[u8], out: &mut [u8]) {
    // With the number of taps known to the compiler, their loop is gone, which saves a seventh of the time.
    match axis.taps {
        2 => horizontal_of::<2>(axis, row, out),
        3 => horizontal_of::<3>(axis, row, out),
        _ => horizontal_of::<0>(axis, row, out),
    }
}

fn horizontal_of<const TAPS: usize>(axis: &Axis, row: &[u8], out: &mut [u8]) {
    let taps = if TAPS == 0 { axis.taps } else { TAPS };
    let weights = axis.weights.chunks_exact(axis.stride);
    for ((value, &first), weights) in out.iter_mut().zip(&axis.first).zip(weights) {
        let pixels = &row[first as usize..][..taps];
        let products = pixels.iter().zip(&weights[..taps]).map(|(&x, &w)| i32::from(x) * i32::from(w));
        // Weights are positive and add up to 2^15 at most: a mean, from 0 to 255.
        *value = ((products.sum::<i32>() + HALF) >> DIGITS) as u8;
    }
}

/// One row out of several, which lie `stride` values apart, with a weight for each.
pub(super) fn vertical(rows: &[u8], stride: usize, weights: &[i16], out: &mut [u8]) {
    const BLOCK: usize = 64; // sums that stay in the first cache, and loops that a compiler turns into vectors
    for (block, out) in out.chunks_mut(BLOCK).enumerate() {
        let mut sums = [HALF; BLOCK];
        for (row, &weight) in rows.chunks(stride).zip(weights) {
            for (sum, &x) in sums.iter_mut().zip(&row[block * BLOCK..]) {
                *sum += i32::from(x) * i32::from(weight);
            }
        }
        for (value, sum) in out.iter_mut().zip(sums) {
            *value = (sum >> DIGITS) as u8;
        }
    }
}
