#!/usr/bin/env bash
# Formatting of everything, xtask included.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo fmt --all --check
cargo fmt --manifest-path tools/xtask/Cargo.toml --check
