#!/usr/bin/env bash
# Everything that needs an NVIDIA card, in one go: a network trained on the card learns what it learns on the CPU, a
# run goes on to the same bits, and how long an epoch takes on each. Not part of `cargo xtask test`.
#
#   tools/ci/gpu.sh [PACKED_DATA_SET]        default: the generated set
#
# RFX_BIN     folder of rfx-pack and rfx-train       [target/release]
# RFX_DEVICE  the device to check                    [cuda:0]; cpu rehearses the script where there is no card
# RFX_SUBSET  samples to train on                    [5000]
# LD_LIBRARY_PATH must reach the libraries of PyTorch 2.11 with CUDA; python3's torch is looked for otherwise.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${RFX_BIN:-target/release} device=${RFX_DEVICE:-cuda:0} subset=${RFX_SUBSET:-5000}
if [ "$device" != cpu ] && ! nvidia-smi > /dev/null 2>&1; then
  echo "1 skipped: gpu: nvidia-smi finds no card"
  exit 0
fi
if torch=$(python3 -c 'import os, torch; print(os.path.dirname(torch.__file__))' 2> /dev/null); then
  export LD_LIBRARY_PATH="$torch/lib:${LD_LIBRARY_PATH:-}"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
data=${1:-$work/data}
[ $# -gt 0 ] || "$bin/rfx-pack" generated --out "$data" --quiet

last() { python3 -c "import json, sys; m = json.loads(open(sys.argv[1] + '/metrics.jsonl').readlines()[-1]); print($2)" "$1"; }
train() { "$bin/rfx-train" run --quiet --data "$data" "$@"; }
median='__import__("statistics").median([json.loads(l)["seconds"] for l in open(sys.argv[1] + "/metrics.jsonl")])'

for model in mlp-1x512 inception; do
  settings=(--model "$model" --corrupt partially-corrupted:0.5 --lr 0.02 --subset "$subset:balanced")
  train "${settings[@]}" --epochs 3 --device "$device" --out "$work/$model-there" > /dev/null
  train "${settings[@]}" --epochs 3 --device cpu --out "$work/$model-here" > /dev/null
  there=$(last "$work/$model-there" 'm["train"]["loss"]') here=$(last "$work/$model-here" 'm["train"]["loss"]')
  echo "$model: train loss after 3 epochs: $there on $device, $here on the CPU"
  # Same weights, batches and steps; sums in another order drift apart slowly.
  python3 -c "import sys; a, b = map(float, sys.argv[1:]); sys.exit(abs(a - b) > 0.05 * b)" "$there" "$here" ||
    { echo "error: $model learns something else on $device"; exit 1; }
  echo "$model: seconds per epoch of $subset: $(last "$work/$model-there" "$median") on $device, $(last "$work/$model-here" "$median") on the CPU"

  # Two epochs, then one more after a resume, against three at once.
  train "${settings[@]}" --epochs 2 --device "$device" --out "$work/$model-again" > /dev/null
  "$bin/rfx-train" run --quiet --resume --epochs 3 --out "$work/$model-again" > /dev/null
  again=$(last "$work/$model-again" 'm["train"]["loss"]')
  [ "$again" = "$there" ] && echo "$model: a resumed run ends with the same loss" ||
    { echo "error: $model resumed ends with $again"; exit 1; }
done
echo "gpu: passed on $device"
