"""How many seconds does an epoch of MLP 1x512 on CIFAR-10 take, evaluation included: rfx-train beside PyTorch?

    .venv/bin/python benches/compare/mlp.py CIFAR_10_BATCHES_BIN [--rounds 3] [--epochs 3] [--samples 50000] [--threads 2]

Packs the folder, then lets rfx-train and pytorch_mlp.py train by turns, in another order each round, and with the round
for a seed: the same samples, steps, threads of libtorch and evaluations. PyTorch trains twice: `tensors` has the whole set
as whitened floats in memory, `dataloader` is DataLoader with a worker process per thread. Reading and preparing the data
before the first epoch counts for none of them. Prints progress to stderr and one JSON line: medians over all epochs of all
rounds; their ratios, below 1 where rfx is faster; and mean and deviation over seeds of train loss and test accuracy after
the last epoch, which fails if they are further apart than seeds are. Needs PyTorch (cargo xtask setup --pytorch) and
target/release/rfx-pack and rfx-train ($RFX_BIN names another folder).
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
THEIRS = ("tensors", "dataloader")


def output(*command):
    return subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True).stdout


def rfx(args, data, out, seed):
    """(seconds, steps, train loss, test accuracy) of each epoch."""
    options = ["--data", data, "--out", out, "--epochs", args.epochs, "--threads", args.threads, "--seed", seed]
    output(BIN / "rfx-train", "run", "--quiet", *options, "--subset", f"range:0..{args.samples}")
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [(m["seconds"], m["step"], m["train"]["loss"], m["test"]["accuracy"]) for m in lines]


def pytorch(args, loader, seed):
    options = ["--epochs", args.epochs, "--threads", args.threads, "--samples", args.samples]
    command = [sys.executable, HERE / "pytorch_mlp.py", args.dir, *options, "--loader", loader, "--seed", seed]
    lines = output(*command).splitlines()[:-1]
    return [(m["seconds"], m["step"], m["train_loss"], m["test_accuracy"]) for m in map(json.loads, lines)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=Path)
    for name, default in [("rounds", 3), ("epochs", 3), ("samples", 50_000), ("threads", 2)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    runs = {name: [] for name in ("rfx", *THEIRS)}
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        output(BIN / "rfx-pack", "cifar10", args.dir, "--out", work / "data", "--quiet")
        for number in range(args.rounds):
            names = list(runs)
            for name in names[number % 3 :] + names[: number % 3]:
                seed = number + 1
                if name == "rfx":
                    runs[name].append(rfx(args, work / "data", work / str(seed), seed))
                else:
                    runs[name].append(pytorch(args, name, seed))
                seconds = " ".join(f"{epoch[0]:.2f}" for epoch in runs[name][-1])
                print(f"round {seed}, {name}: {seconds} s", file=sys.stderr)
            steps = {name: epochs[-1][-1][1] for name, epochs in runs.items()}
            assert len(set(steps.values())) == 1, f"numbers of steps differ: {steps}"
    median = {name: statistics.median(epoch[0] for run in epochs for epoch in run) for name, epochs in runs.items()}
    result = {f"{name}_seconds_per_epoch": round(value, 4) for name, value in median.items()}
    result |= {f"ratio_to_{name}": round(median["rfx"] / median[name], 4) for name in THEIRS}
    # Other initial weights and orders: alike, not equal. Of few seeds the deviation is not known well, so a tenth of the
    # loss and a point of accuracy are always allowed; another network or schedule is further off.
    for what, place, least in [("train_loss", 2, 0.1), ("test_accuracy", 3, 0.01)]:
        last = {name: [run[-1][place] for run in epochs] for name, epochs in runs.items()}
        mean = {name: statistics.mean(values) for name, values in last.items()}
        spread = {name: statistics.stdev(values) if len(values) > 1 else 0.0 for name, values in last.items()}
        result[what] = {name: [round(mean[name], 4), round(spread[name], 4)] for name in runs}
        for name in THEIRS:
            allowed = max(2 * (spread["rfx"] ** 2 + spread[name] ** 2) ** 0.5, least * (mean[name] if place == 2 else 1))
            assert abs(mean["rfx"] - mean[name]) <= allowed, f"{what}: {result[what]}"
    settings = {name: getattr(args, name) for name in ("rounds", "epochs", "samples", "threads")}
    print(json.dumps(result | settings))


if __name__ == "__main__":
    main()
