//! The experiments by name.

use super::grid::{Grid, GridError};

/// An experiment of the paper (Zhang et al. 2017).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
#[value(rename_all = "kebab-case")]
pub enum Experiment {
    /// Train loss over steps: true and random labels, shuffled and random pixels, Gaussian images
    Fig1a,
    /// Time to overfit over the share of redrawn labels
    Fig1b,
    /// Test error over the share of redrawn labels
    Fig1c,
    /// Test accuracy by epoch under three regularisers, and the best so far
    Fig2a,
    /// The small Inception with and without batch normalisation
    Fig2b,
    /// Accuracy with and without random crop and weight decay, and on random labels
    Table1,
    /// The same regularisers in all combinations, as a table
    Table2,
    /// Linear models on kernels: pixels, Gabor, random patches
    Table3,
    /// Random labels under regularisers
    Table4,
    /// The network of 2n + d weights that fits any labels
    Theorem1,
    /// The minimum-norm solution of kernel regression (what Table 3 is made of)
    MinNorm,
    /// Fitting random signs
    Rademacher,
    /// All of them
    All,
}

impl Experiment {
    /// Those that `All` stands for, in the order in which they are run and shown. Table 2 comes with Figure 2a, Figure 1c
    /// with 1b, and Table 3 with the minimum-norm solution.
    pub const EACH: [Experiment; 9] = [
        Experiment::Fig1a,
        Experiment::Fig1b,
        Experiment::Table1,
        Experiment::Table4,
        Experiment::Fig2b,
        Experiment::Table2,
        Experiment::Rademacher,
        Experiment::Theorem1,
        Experiment::MinNorm,
    ];

    /// What is run for `self`: itself, or each of all.
    pub fn parts(self) -> Vec<Experiment> {
        match self {
            Experiment::All => Self::EACH.to_vec(),
            Experiment::Fig1c => vec![Experiment::Fig1b],
            Experiment::Fig2a => vec![Experiment::Table2],
            Experiment::Table3 => vec![Experiment::MinNorm],
            one => vec![one],
        }
    }

    /// The name as it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Experiment::Fig1a => "fig1a",
            Experiment::Fig1b => "fig1b",
            Experiment::Fig1c => "fig1c",
            Experiment::Fig2a => "fig2a",
            Experiment::Fig2b => "fig2b",
            Experiment::Table1 => "table1",
            Experiment::Table2 => "table2",
            Experiment::Table3 => "table3",
            Experiment::Table4 => "table4",
            Experiment::Theorem1 => "theorem1",
            Experiment::MinNorm => "min-norm",
            Experiment::Rademacher => "rademacher",
            Experiment::All => "all",
        }
    }

    /// The text of its grid of training runs, as it ships; none of what no network is trained for.
    pub fn grid_text(self) -> Option<&'static str> {
        Some(match self {
            Experiment::Fig1a => include_str!("../../grids/fig1a.toml"),
            Experiment::Fig1b | Experiment::Fig1c => include_str!("../../grids/fig1bc.toml"),
            Experiment::Fig2a | Experiment::Table2 => include_str!("../../grids/table2.toml"),
            Experiment::Fig2b => include_str!("../../grids/fig2b.toml"),
            Experiment::Table1 => include_str!("../../grids/table1.toml"),
            Experiment::Table4 => include_str!("../../grids/table4.toml"),
            Experiment::Rademacher => include_str!("../../grids/rademacher.toml"),
            Experiment::Theorem1 | Experiment::MinNorm | Experiment::Table3 | Experiment::All => return None,
        })
    }

    /// Its grid.
    ///
    /// # Errors
    /// None that a test of the shipped grids would not have found.
    pub fn grid(self) -> Result<Option<Grid>, GridError> {
        self.grid_text().map(|text| Grid::from_toml(text, &format!("{}.toml", self.name()))).transpose()
    }
}
