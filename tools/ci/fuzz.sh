#!/usr/bin/env bash
# Each fuzz target of loader/fuzz for RFX_FUZZ_SECONDS (10) seconds, from loader/fuzz/corpus/TARGET where there is one,
# else from nothing. What is found on the way is kept in target/fuzz/corpus-TARGET. Coverage needs no nightly compiler:
# its flags are stable ones. Their own target folder, as the flags are for every crate.
#
#   tools/ci/fuzz.sh [TARGET...]        default: all. A crash leaves its input in target/fuzz/crash-TARGET-...
set -euo pipefail
cd "$(dirname "$0")/../.."
targets=("$@")
[ $# -gt 0 ] || targets=(index shard source spec pipeline pickle npy named_file image jpeg_record exif tar matlab)
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/fuzz"
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
  -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
# A target is named, so that build scripts and procedural macros are built without the flags.
host=$(rustc -vV | sed -n 's/^host: //p')
cargo build --locked --release --manifest-path loader/fuzz/Cargo.toml --target "$host"
for target in "${targets[@]}"; do
  echo "fuzz: $target"
  log=$CARGO_TARGET_DIR/$target.log
  flags=(-max_total_time="${RFX_FUZZ_SECONDS:-10}" -timeout=20 -rss_limit_mb=1024 -malloc_limit_mb=256 -max_len=4096)
  flags+=(-print_final_stats=1 -artifact_prefix="$CARGO_TARGET_DIR/crash-$target-")
  [ ! -f "loader/fuzz/$target.dict" ] || flags+=(-dict="loader/fuzz/$target.dict")
  mkdir -p "$CARGO_TARGET_DIR/corpus-$target"
  corpus=("$CARGO_TARGET_DIR/corpus-$target")
  [ ! -d "loader/fuzz/corpus/$target" ] || corpus+=("loader/fuzz/corpus/$target")
  "$CARGO_TARGET_DIR/$host/release/$target" "${flags[@]}" "${corpus[@]}" > "$log" 2>&1 || { tail -n 60 "$log"; exit 1; }
  sed -n 's/^stat::number_of_executed_units: */  executed: /p' "$log"
done
