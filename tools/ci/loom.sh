#!/usr/bin/env bash
# The ring under loom: every schedule up to three preemptions. Its own target folder: the flag is for every crate.
set -euo pipefail
cd "$(dirname "$0")/../.."
export RUSTFLAGS="--cfg rfx_loom" CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/loom"
LOOM_MAX_PREEMPTIONS=3 cargo test --locked --release -p rfx-loader --lib loom_
