//! The report of a set of runs: a web page in one file, figures (SVG, PNG) and tables (CSV, text).
//!
//! Everything said is computed from the run folders; the same folders make the same bytes. Runs that did not fit, that
//! diverged, that have no finished epoch, or that differ in more than their corruption are reported as that. What is
//! made from generated data says so in its title. Nothing here needs libtorch, a network or a system font.
//!
//! ```text
//! folders -> run (what was measured) -> label, settings (what tells runs apart)
//!                                    -> finding, paper (what may be said)
//!                                    -> table, csv, figure, html -> write
//! ```

pub(crate) mod csv;
pub(crate) mod figure;
mod finding;
mod forgetting;
pub(crate) mod html;
mod label;
mod paper;
mod run;
mod settings;
mod table;
pub(crate) mod text;
mod write;

pub(crate) use run::{Fit, Run, load};
pub use table::table;
pub use write::{ReportPaths, write};
