//! Every experiment of the paper as one command: a grid of runs, and what becomes of them.
//!
//! ```text
//! grid (a TOML file) -> plan (runs, each once, however many experiments need it) -> schedule (child processes)
//!   -> group (what was measured, seeds together) -> rules (verdicts), figure, table, rows (CSV, JSON) -> page -> write
//! ```
//!
//! What is computed in closed form ([`crate::theory`]) is planned and shown beside them (`solve`). The grids lie in
//! `trainer/grids`. A run is a folder that `rfx-train run` wrote, named by what it is, so that a second call finds what is
//! done, and goes on with what is not.

mod experiment;
mod figure;
mod grid;
mod group;
mod imagenet;
mod page;
mod paper;
mod plan;
mod rows;
mod rules;
mod schedule;
mod solve;
mod table;
mod write;

pub use experiment::Experiment;
pub use grid::{Grid, GridError, Scale, Wanted};
pub use imagenet::{is_like_imagenet, table2_of_imagenet};
pub use page::{Setting, machine, sample_sheet};
pub use plan::{Kind, Plan, Task};
pub use schedule::{Ended, Progress, Schedule, Summary, Watch};
pub use solve::Data;
pub use write::{check_folder, write};
