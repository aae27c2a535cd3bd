#!/usr/bin/env bash
# Documentation, warnings (broken links among them) denied.
set -euo pipefail
cd "$(dirname "$0")/../.."
export RUSTDOCFLAGS="-D warnings"
cargo doc --locked --no-deps --workspace --exclude rfx-trainer
cargo doc --locked --no-deps --release -p rfx-trainer
