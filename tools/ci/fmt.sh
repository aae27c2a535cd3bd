#!/usr/bin/env bash
# Formatting of everything, xtask and the fuzz targets included.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo fmt --all --check
cargo fmt --manifest-path tools/xtask/Cargo.toml --check
cargo fmt --manifest-path loader/fuzz/Cargo.toml --check
