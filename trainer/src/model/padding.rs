//! What is added around an image before a window goes over it: TensorFlow's SAME, half the window as is usual in PyTorch, or
//! nothing.

use tch::{TchError, Tensor};

/// Padding of rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    /// TensorFlow's SAME: ceil(side / stride) outputs, an odd pixel at the bottom and right. With stride 2 on an even
    /// side that pads only there, where half the window makes an image of the same size but of other values.
    Same,
    /// Half the window, rounded down, before and after.
    Half,
    /// Nothing: the window stays inside.
    Valid,
}

impl Padding {
    /// Rows and columns to add (before, after) to images `[n, c, h, w]` for a window of `size` rows and columns.
    pub fn of(self, x: &Tensor, size: [i64; 2], stride: i64) -> ([i64; 2], [i64; 2]) {
        let sizes = x.size();
        let side = |axis: usize, size: i64| match self {
            Padding::Same => same(sizes.get(axis).copied().unwrap_or(1), size, stride),
            Padding::Half => [size / 2; 2],
            Padding::Valid => [0; 2],
        };
        let [rows, columns] = size;
        (side(2, rows), side(3, columns))
    }
}

/// SAME along one axis.
fn same(side: i64, size: i64, stride: i64) -> [i64; 2] {
    let total = (((side + stride - 1) / stride - 1) * stride + size - side).max(0);
    [total / 2, total - total / 2]
}

/// The maximum over windows of 3 x 3 with stride 2; padding never wins.
pub(super) fn max_pool(x: &Tensor, padding: Padding) -> Result<Tensor, TchError> {
    let ([top, bottom], [left, right]) = padding.of(x, [3; 2], 2);
    if top == bottom && left == right {
        return x.f_max_pool2d([3; 2], [2; 2], [top, left], [1; 2], false);
    }
    let padded = x.f_pad([left, right, top, bottom], "constant", f64::NEG_INFINITY)?;
    padded.f_max_pool2d([3; 2], [2; 2], [0; 2], [1; 2], false)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn same_padding_is_tensorflows() {
        assert_eq!(same(28, 3, 1), [1, 1]);
        assert_eq!(same(28, 3, 2), [0, 1]);
        assert_eq!(same(7, 3, 2), [1, 1]);
        assert_eq!(same(28, 1, 1), [0, 0]);
        assert_eq!(same(5, 1, 2), [0, 0]);
        assert_eq!(same(28, 5, 1), [2, 2]);
    }

    /// The side of the hot pixel, 0 or 27, and how many windows of each padding hold it.
    #[test]
    fn stride_two_sees_the_border_that_its_padding_says() {
        for (at, padding, windows) in [
            (27, Padding::Same, [13, 13]), // SAME pads below the last row, so the last window alone holds it
            (0, Padding::Same, [0, 0]),    // and nothing before the first
            (27, Padding::Half, [13, 13]),
            (0, Padding::Half, [0, 0]),
            (1, Padding::Same, [0, 0]), // rows 0 to 2
            (1, Padding::Half, [0, 1]), // rows -1 to 1, and 1 to 3
        ] {
            let x = Tensor::zeros([1, 1, 28, 28], (Kind::Float, Device::Cpu));
            let _ = x.narrow(2, at, 1).narrow(3, at, 1).fill_(1.0);
            let pooled = max_pool(&x, padding).unwrap();
            assert_eq!(pooled.size(), [1, 1, 14, 14]);
            let holds = (0..14).filter(|&i| pooled.double_value(&[0, 0, i, i]) == 1.0);
            let mut expected = windows.to_vec();
            expected.dedup();
            assert_eq!(holds.collect::<Vec<_>>(), expected, "{at} {padding:?}");
            let count = (expected.len() * expected.len()) as f64;
            assert_eq!(pooled.sum(Kind::Float).double_value(&[]), count, "{at} {padding:?}");
        }
    }

    /// A window that goes over padding takes the largest real value, however small.
    #[test]
    fn padding_never_wins_the_maximum() {
        let x = Tensor::full([1, 1, 8, 8], -5.0, (Kind::Float, Device::Cpu));
        for padding in [Padding::Same, Padding::Half] {
            assert_eq!(max_pool(&x, padding).unwrap().max().double_value(&[]), -5.0);
        }
    }
}
