#!/usr/bin/env bash
# Tests: loader, tools, benches and xtask with debug assertions; the trainer in release, where training is fast.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo test --locked --workspace --exclude rfx-trainer
cargo test --locked -p rfx-benches --benches
cargo test --locked --release -p rfx-trainer
cargo test --manifest-path tools/xtask/Cargo.toml --target-dir target/xtask
