#!/usr/bin/env bash
# Lints, warnings denied. The trainer in release, so that torch-sys is compiled in one profile only.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo clippy --locked --workspace --exclude rfx-trainer --all-targets -- -D warnings
# As on a machine without cmake and nasm.
cargo clippy --locked -p rfx-loader -p rfx-tools --no-default-features --all-targets -- -D warnings
cargo clippy --locked --release -p rfx-trainer --all-targets -- -D warnings
cargo clippy --manifest-path tools/xtask/Cargo.toml --target-dir target/xtask --all-targets -- -D warnings
