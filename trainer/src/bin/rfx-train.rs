//! `rfx-train`: see `rfx-train --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    rfx_trainer::cli::main()
}
