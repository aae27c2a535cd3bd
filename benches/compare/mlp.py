"""How many seconds does an epoch of MLP 1x512 on CIFAR-10 take, evaluation included: rfx-train beside PyTorch?

    .venv/bin/python benches/compare/mlp.py CIFAR_10_BATCHES_BIN [--rounds 3] [--epochs 3] [--samples 50000] [--threads 2]

Packs the folder, then lets rfx-train and pytorch_mlp.py train by turns, each first in every other round: the same
samples, steps, threads of libtorch and evaluations (rfx has a loader thread beside them; PyTorch has the whole set as
whitened floats in memory). Reading and preparing the data before the first epoch counts for neither. Prints progress to
stderr and one JSON line: medians over all epochs of all rounds, and their ratio, below 1 where rfx is faster. Needs
PyTorch (cargo xtask setup --pytorch) and target/release/rfx-pack and rfx-train ($RFX_BIN names another folder).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
BIN = Path(os.environ.get("RFX_BIN", HERE.parents[1] / "target/release"))


def output(*command):
    return subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True).stdout


def rfx(args, data, out):
    """(seconds, steps, train loss) of each epoch."""
    options = ["--data", data, "--out", out, "--epochs", args.epochs, "--threads", args.threads]
    output(BIN / "rfx-train", "run", "--quiet", *options, "--subset", f"range:0..{args.samples}")
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [(m["seconds"], m["step"], m["train"]["loss"]) for m in lines]


def pytorch(args):
    options = ["--epochs", args.epochs, "--threads", args.threads, "--samples", args.samples]
    lines = output(sys.executable, HERE / "pytorch_mlp.py", args.dir, *options).splitlines()[:-1]
    return [(m["seconds"], m["step"], m["train_loss"]) for m in map(json.loads, lines)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=Path)
    for name, default in [("rounds", 3), ("epochs", 3), ("samples", 50_000), ("threads", 2)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    epochs = {"rfx": [], "pytorch": []}
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        output(BIN / "rfx-pack", "cifar10", args.dir, "--out", work / "data", "--quiet")
        for number in range(args.rounds):
            turns = {"rfx": lambda: rfx(args, work / "data", work / str(number)), "pytorch": lambda: pytorch(args)}
            for name in sorted(turns, reverse=number % 2 == 0):
                epochs[name].append(turns[name]())
                seconds = " ".join(f"{second:.2f}" for second, _, _ in epochs[name][-1])
                print(f"round {number + 1}, {name}: {seconds} s", file=sys.stderr)
            ours, theirs = epochs["rfx"][-1][-1], epochs["pytorch"][-1][-1]
            assert ours[1] == theirs[1], f"{ours[1]} steps of rfx, {theirs[1]} of PyTorch"
            # Other initial weights and orders: alike, not equal. Another network or schedule is further off.
            assert abs(ours[2] - theirs[2]) < 0.1 * theirs[2], f"train loss {ours[2]} of rfx, {theirs[2]} of PyTorch"
    median = {name: statistics.median(s for run in runs for s, _, _ in run) for name, runs in epochs.items()}
    result = {f"{name}_seconds_per_epoch": round(value, 4) for name, value in median.items()}
    settings = {name: getattr(args, name) for name in ("rounds", "epochs", "samples", "threads")}
    print(json.dumps(result | {"ratio": round(median["rfx"] / median["pytorch"], 4)} | settings))


if __name__ == "__main__":
    main()
