//! Cholesky's factor of a matrix that is kept as the lower triangle of square tiles.
//!
//! n^2/2 numbers instead of n^2, which for MNIST's 60,000 images are 14.4 GB instead of 28.8, and no second matrix: each
//! tile of K becomes the tile of its factor. The work on a tile is one call of libtorch (LAPACK's factor, a triangular
//! solve, a product), on whatever device the tiles are. Right-looking:
//!
//! ```text
//! for k:              L_kk = cholesky(K_kk)
//!     for i > k:      L_ik = K_ik L_kk^-T
//!     for i >= j > k: K_ij -= L_ik L_jk^T
//! ```
//!
//! n^3/3 operations on f64, nearly all in the last line. Next to the matrix three tiles are needed.

use std::ops::Range;

use tch::{Device, Kind, Tensor};

use super::{TheoryError, watch::Watch};
use crate::{error::Result, signal::Interrupt};

/// Rows of a tile: 32 MiB, large enough for products at full speed and small beside the matrix.
pub const TILE: usize = 2048;

/// A symmetric matrix, `[n, n]` of f64, by the tiles of its lower triangle. What lies above the diagonal in tiles on it
/// is not looked at.
#[derive(Debug)]
pub struct Tiles {
    n: usize,
    tile: usize,
    rows: Vec<Vec<Tensor>>,
}

/// The lower triangular L of `K = L L^T`, in the same tiles.
#[derive(Debug)]
pub struct Factor(Tiles);

fn span(n: usize, tile: usize, block: usize) -> Range<usize> {
    (block * tile).min(n)..((block + 1) * tile).min(n)
}

/// Rows `range` of `tensor`, not copied.
pub(super) fn rows(tensor: &Tensor, range: &Range<usize>) -> Result<Tensor> {
    Ok(tensor.f_narrow(0, range.start as i64, range.len() as i64)?)
}

/// The ranges of rows of a matrix of `n` rows in tiles of `tile`.
pub(super) fn spans(n: usize, tile: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n.div_ceil(tile)).map(move |block| span(n, tile, block))
}

impl Tiles {
    /// The matrix whose tile over (rows, columns) is `make(rows, columns)`, `[rows, columns]` f64; asked for where rows
    /// are not before columns. `tile` is at least 1.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn build(
        n: usize,
        tile: usize,
        mut make: impl FnMut(&Range<usize>, &Range<usize>) -> Result<Tensor>,
    ) -> Result<Tiles> {
        let mut row =
            |i| spans(n, tile).take(i + 1).map(|columns| make(&span(n, tile, i), &columns)).collect();
        Ok(Tiles { n, tile, rows: (0..n.div_ceil(tile)).map(&mut row).collect::<Result<_>>()? })
    }

    /// Bytes of the tiles of a matrix of `n` rows.
    pub fn bytes(n: usize, tile: usize) -> u64 {
        let (n, tile) = (n as u64, tile as u64);
        let (whole, rest) = (n / tile, n % tile);
        8 * (whole * (whole + 1) / 2 * tile * tile + rest * (whole * tile + rest))
    }

    /// Calls `update` with each tile, to change it in place.
    ///
    /// # Errors
    /// Those of `update`.
    pub fn for_each(
        &mut self,
        mut update: impl FnMut(&Range<usize>, &Range<usize>, &mut Tensor) -> Result<()>,
    ) -> Result<()> {
        for (i, row) in self.rows.iter_mut().enumerate() {
            for (j, tile) in row.iter_mut().enumerate() {
                update(&span(self.n, self.tile, i), &span(self.n, self.tile, j), tile)?;
            }
        }
        Ok(())
    }

    /// Adds `value` to the diagonal.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn add_to_diagonal(&mut self, value: f64) -> Result<()> {
        for row in &mut self.rows {
            if let Some(tile) = row.last_mut() {
                let _ = tile.f_diagonal(0, 0, 1)?.f_add_scalar_(value)?; // a view: the tile changes
            }
        }
        Ok(())
    }

    /// Factorises the matrix, in its own memory.
    ///
    /// # Errors
    /// [`TheoryError::NotPositive`] with the first row whose pivot is not above `n` times the machine's epsilon times the
    /// largest diagonal element: below that nothing is left of the row but rounding. [`TheoryError::Interrupted`].
    pub fn factorise(self, interrupt: &Interrupt, note: &mut dyn FnMut(&str)) -> Result<Factor> {
        self.factorise_watched(&mut Watch::new(interrupt, note))
    }

    pub(super) fn factorise_watched(mut self, watch: &mut Watch<'_>) -> Result<Factor> {
        let mut largest = 0.0;
        for tile in self.rows.iter().filter_map(|row| row.last()) {
            largest = f64::max(largest, tile.f_diagonal(0, 0, 1)?.f_max()?.f_double_value(&[])?);
        }
        let floor = largest * f64::EPSILON * self.n as f64;
        let (blocks, cubed) = (self.rows.len(), (self.rows.len() as f64).powi(3));
        for k in 0..blocks {
            let done = |left: usize| 100.0 * (1.0 - (left as f64).powi(3) / cubed);
            watch.step(|| format!("factor: {:.0}%", done(blocks - k)))?;
            let (pivot, info) = self.rows[k][k].f_linalg_cholesky_ex(false, false)?;
            let failed = match info.f_int64_value(&[])? {
                0 => below(&pivot, floor)?,
                // LAPACK counts from 1, and goes on over pivots that are positive by rounding alone.
                row => below(&pivot.f_narrow(0, 0, row - 1)?, floor)?.or(usize::try_from(row - 1).ok()),
            };
            if let Some(row) = failed {
                return Err(TheoryError::NotPositive { row: k * self.tile + row, id: None, floor }.into());
            }
            let upper = pivot.f_tr()?;
            for i in k + 1..blocks {
                self.rows[i][k] = upper.f_linalg_solve_triangular(&self.rows[i][k], true, false, false)?;
            }
            self.rows[k][k] = pivot;
            for i in k + 1..blocks {
                watch.step(|| format!("factor: {:.0}%", done(blocks - k)))?;
                let minus = self.rows[i][k].f_neg()?;
                for j in k + 1..=i {
                    let other = self.rows[j][k].f_tr()?;
                    let _ = self.rows[i][j].f_addmm_(&minus, &other)?;
                }
            }
        }
        Ok(Factor(self))
    }
}

/// The first diagonal element of the factor whose square is not above `floor`; a NaN is not.
fn below(pivot: &Tensor, floor: f64) -> Result<Option<usize>> {
    let diagonal = Vec::<f64>::try_from(pivot.f_diagonal(0, 0, 1)?.f_to(Device::Cpu)?)?;
    Ok(diagonal.iter().position(|d| d.is_nan() || d * d <= floor))
}

impl Factor {
    /// X with `L L^T X = Y`, `[n, columns]` f64.
    ///
    /// # Errors
    /// libtorch's own, as where `y` has another number of rows.
    pub fn solve(&self, y: &Tensor) -> Result<Tensor> {
        let Factor(Tiles { n, tile, rows: tiles }) = self;
        let mut x = y.f_zeros_like()?;
        x.f_copy_(y)?;
        for (i, row) in tiles.iter().enumerate() {
            let mut right = rows(&x, &span(*n, *tile, i))?;
            for (j, left) in row[..i].iter().enumerate() {
                let _ = right.f_subtract_(&left.f_mm(&rows(&x, &span(*n, *tile, j))?)?)?;
            }
            let solved = row[i].f_linalg_solve_triangular(&right, false, true, false)?;
            right.f_copy_(&solved)?;
        }
        for i in (0..tiles.len()).rev() {
            let mut right = rows(&x, &span(*n, *tile, i))?;
            for (j, row) in tiles.iter().enumerate().skip(i + 1) {
                let _ = right.f_subtract_(&row[i].f_tr()?.f_mm(&rows(&x, &span(*n, *tile, j))?)?)?;
            }
            let solved = tiles[i][i].f_tr()?.f_linalg_solve_triangular(&right, true, true, false)?;
            right.f_copy_(&solved)?;
        }
        Ok(x)
    }

    /// The smallest and the largest element of L's diagonal. The square of their ratio is at most the condition number.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn diagonal_range(&self) -> Result<[f64; 2]> {
        let mut range = [f64::INFINITY, 0.0];
        for tile in self.0.rows.iter().filter_map(|row| row.last()) {
            let diagonal = tile.f_diagonal(0, 0, 1)?;
            range[0] = range[0].min(diagonal.f_min()?.f_double_value(&[])?);
            range[1] = range[1].max(diagonal.f_max()?.f_double_value(&[])?);
        }
        Ok(range)
    }

    /// L as one tensor, `[n, n]` f64, zero above the diagonal. For looking at small ones.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn to_dense(&self) -> Result<Tensor> {
        let n = self.0.n as i64;
        let device = self.0.rows.first().and_then(|row| row.first()).map_or(Device::Cpu, Tensor::device);
        let dense = Tensor::f_zeros([n, n], (Kind::Double, device))?;
        for (i, row) in self.0.rows.iter().enumerate() {
            for (j, tile) in row.iter().enumerate() {
                let columns = span(self.0.n, self.0.tile, j);
                rows(&dense, &span(self.0.n, self.0.tile, i))?
                    .f_narrow(1, columns.start as i64, columns.len() as i64)?
                    .f_copy_(&if i == j { tile.f_tril(0)? } else { tile.shallow_clone() })?;
            }
        }
        Ok(dense)
    }
}

#[cfg(test)]
mod tests {
    use rfx_loader::rng::Key;

    use super::{super::draws::normals, *};
    use crate::TrainError;

    fn normal(rows: usize, columns: usize, stream: u64) -> Tensor {
        let values = normals(&mut Key::derive("cholesky", 1).words(stream, 0), rows * columns);
        Tensor::from_slice(&values).view([rows as i64, columns as i64])
    }

    fn positive(n: usize) -> Tensor {
        let x = normal(n, n + 5, 0);
        x.mm(&x.tr()) / n as f64
    }

    fn tiles(k: &Tensor, tile: usize) -> Tiles {
        let part = |r: &Range<usize>, c: &Range<usize>| {
            Ok(rows(k, r)?.f_narrow(1, c.start as i64, c.len() as i64)?.copy())
        };
        Tiles::build(k.size()[0] as usize, tile, part).unwrap()
    }

    fn factor(k: &Tensor, tile: usize) -> Result<Factor> {
        tiles(k, tile).factorise(&Interrupt::default(), &mut |_| ())
    }

    fn naive(k: &Tensor) -> Vec<Vec<f64>> {
        let n = k.size()[0] as usize;
        let mut l = vec![vec![0.0; n]; n];
        for i in 0..n {
            for j in 0..=i {
                let sum: f64 = (0..j).map(|m| l[i][m] * l[j][m]).sum();
                let rest = k.double_value(&[i as i64, j as i64]) - sum;
                l[i][j] = if i == j { rest.sqrt() } else { rest / l[j][j] };
            }
        }
        l
    }

    #[test]
    fn tiles_of_any_size_give_the_factor_of_three_loops_and_of_lapack() {
        for n in [1, 2, 31, 64, 65] {
            let k = positive(n);
            let by_loops = naive(&k);
            let lapack = k.linalg_cholesky(false);
            for tile in [1, 7, 16, 64, 100] {
                let dense = factor(&k, tile).unwrap().to_dense().unwrap();
                assert!((&dense - &lapack).abs().max().double_value(&[]) < 1e-12, "n {n}, tile {tile}");
                for (i, row) in by_loops.iter().enumerate() {
                    for (j, l) in row.iter().enumerate() {
                        let found = dense.double_value(&[i as i64, j as i64]);
                        assert!((found - l).abs() < 1e-12, "n {n}, tile {tile}: L[{i}][{j}]");
                    }
                }
            }
        }
    }

    #[test]
    fn solutions_solve_and_what_lies_above_the_diagonal_does_not_matter() {
        let (n, k) = (65, positive(65));
        let y = normal(n, 3, 1);
        let spoilt = &k + normal(n, n, 2).triu(1);
        for tile in [1, 16, 65, 128] {
            for matrix in [&k, &spoilt] {
                let factor = factor(matrix, tile).unwrap();
                let x = factor.solve(&y).unwrap();
                assert!((k.mm(&x) - &y).abs().max().double_value(&[]) < 1e-7, "tile {tile}");
                let diagonal = factor.to_dense().unwrap().diagonal(0, 0, 1);
                let range = [diagonal.min().double_value(&[]), diagonal.max().double_value(&[])];
                assert_eq!(factor.diagonal_range().unwrap(), range);
            }
        }
    }

    #[test]
    fn a_ridge_is_added_to_the_diagonal_alone() {
        let k = positive(20);
        let mut ridged = tiles(&k, 6);
        ridged.add_to_diagonal(0.5).unwrap();
        let dense = ridged.factorise(&Interrupt::default(), &mut |_| ()).unwrap().to_dense().unwrap();
        let expected = (&k + Tensor::eye(20, (Kind::Double, Device::Cpu)) * 0.5).linalg_cholesky(false);
        assert!((dense - expected).abs().max().double_value(&[]) < 1e-12);
    }

    /// Two equal rows, one in each of two tiles or both in one; and a matrix that is indefinite.
    #[test]
    fn the_row_that_makes_a_matrix_singular_is_named() {
        let row_of = |x: &Tensor, tile| match factor(&x.mm(&x.tr()), tile).unwrap_err() {
            TrainError::Theory(TheoryError::NotPositive { row, floor, .. }) => {
                assert!(floor > 0.0 && floor < 1e-9);
                row
            }
            other => panic!("{other}"),
        };
        for tile in [4, 10, 50] {
            let x = normal(40, 60, 3);
            x.get(23).copy_(&x.get(11));
            assert_eq!(row_of(&x, tile), 23);
            assert_eq!(row_of(&normal(40, 30, 4), tile), 30, "more rows than columns");
        }
        let mut k = positive(12);
        let _ = k.get(9).get(9).fill_(-1.0);
        let error = factor(&k, 5).unwrap_err().to_string();
        assert!(error.contains("row 9") && error.contains("--ridge"), "{error}");
        let _ = k.fill_(f64::NAN);
        assert!(factor(&k, 5).is_err());
    }

    #[test]
    fn bytes_are_those_of_the_tiles() {
        for (n, tile) in [(1, 4), (4, 4), (9, 4), (0, 3), (17, 5)] {
            let mut values = 0;
            Tiles::build(n, tile, |r, c| {
                values += r.len() * c.len();
                Ok(Tensor::new())
            })
            .unwrap();
            assert_eq!(Tiles::bytes(n, tile), 8 * values as u64, "{n} {tile}");
        }
        // The whole of MNIST, half of 28.8 GB.
        assert!((14.4e9..14.9e9).contains(&(Tiles::bytes(60_000, TILE) as f64)));
    }

    #[test]
    fn an_interrupt_ends_it() {
        let interrupt = Interrupt::default();
        interrupt.raise();
        let error = tiles(&positive(8), 4).factorise(&interrupt, &mut |_| ()).unwrap_err();
        assert!(matches!(error, TrainError::Theory(TheoryError::Interrupted)));
    }
}
