//! rfx-trainer: networks on libtorch, trained on corrupted batches.
//!
//! A [`train::Run`] takes batches from rfx-loader without copying them ([`bridge`]), updates a [`model::Model`] with
//! [`sgd::Sgd`], evaluates whole splits at the end of every epoch, and writes a folder that says what was done
//! ([`folder`]) and lets it go on ([`checkpoint`]). With the same threads, data, configuration and seed it makes the
//! same bits on a CPU, interrupted or not.

mod atomic;
#[allow(unsafe_code)] // hands a batch's memory to libtorch, with its guard as the owner
pub mod bridge;
pub mod checkpoint;
pub mod cli;
pub mod config;
pub mod demo;
#[allow(unsafe_code)] // dlopen of libtorch's CUDA half
pub mod device;
pub mod error;
pub mod events;
pub mod feed;
pub mod folder;
mod journal;
mod lock;
pub mod metrics;
pub mod model;
pub mod report;
pub mod reproduce;
pub mod samples;
pub mod sgd;
#[allow(unsafe_code)] // calls into C++
mod shim;
pub mod signal;
pub mod stopping;
pub mod theory;
pub mod train;
pub mod weight_decay;

pub use error::{Result, TrainError};
pub use shim::ShimError;
