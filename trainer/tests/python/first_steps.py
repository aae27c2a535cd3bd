"""First losses and gradients of every network in PyTorch, to be compared with rfx's: the networks of
trainer/python/networks.py, f64, weights and images by a formula.

usage: first_steps.py > trainer/tests/golden/first_steps.json
       first_steps.py --check trainer/tests/golden/first_steps.json      compares to 1e-7 instead of printing

Value i of the tensor `name` is u(name, i) in [-1, 1), made of the 32-bit hash mix(fnv1a(name) + i) and scaled:
    a weight of two or more dimensions    u * sqrt(6 / inputs), inputs being a row's number of values
    a bias, running_mean                  0.1 u
    a scale                               1 + 0.1 u
    running_var                           1 + 0.5 u
    the images, `input`                   sqrt(3) u
all rounded to f32 once; label i is mix(fnv1a("label") + i) modulo the number of classes. The network is in training
mode without dropout. Each case has the mean cross-entropy before three steps of SGD (momentum 0.9, L2 of 5e-4 on weights
of two or more dimensions, all on the same batch) and after them; the learning rate, which is chosen so that the first
step takes about a tenth off the loss; at the first step, per parameter, the gradient's norm and its product with a
vector of +1 and -1, the signs of u("probe", i), 0 being +1; and, per running statistic, norm and product then.
"""

import argparse
import json
import pathlib
import re
import sys

import numpy as np
import torch
from torch.nn import functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python"))
from networks import build  # noqa: E402

CLASSES, STEPS = 10, 3
# Model, image and batch: small images, and for Inception v3 and ResNets large ones too, whose sides differ and are odd.
CASES = [
    ("mlp-1x512", (3, 28, 28), 16),
    ("mlp-3x512", (3, 28, 28), 16),
    ("alexnet", (3, 28, 28), 16),
    ("alexnet", (1, 27, 30), 8),
    ("inception", (3, 28, 28), 4),
    ("inception-no-bn", (3, 28, 28), 4),
    ("inception-w4", (3, 28, 28), 8),
    ("inception-w4", (1, 27, 30), 8),
    ("inception-w4-no-bn", (3, 28, 28), 8),
    ("inception-v3", (3, 107, 110), 4),
    ("resnet-18", (3, 20, 21), 4),
    ("resnet-18", (3, 71, 64), 2),
    ("resnet-50", (3, 20, 21), 4),
    ("resnet-50", (3, 71, 64), 2),
    ("wrn-28-1", (3, 20, 21), 4),
    ("wrn-28-2", (3, 20, 21), 4),
]


def mix(x):
    """MurmurHash3's finaliser, on u32."""
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x85EBCA6B)
    x = x ^ (x >> np.uint32(13))
    x = x * np.uint32(0xC2B2AE35)
    return x ^ (x >> np.uint32(16))


def words(name, count):
    start = 0x811C9DC5
    for byte in name.encode():
        start = (start ^ byte) * 0x01000193 % 2**32
    return mix(np.uint32(start) + np.arange(count, dtype=np.uint32))


def uniform(name, shape):
    return (words(name, int(np.prod(shape))) / 2.0**31 - 1.0).reshape(shape)


def value(name, shape):
    u = uniform(name, shape)
    if name == "input":
        u = np.sqrt(3.0) * u
    elif name.endswith("running_var"):
        u = 1.0 + 0.5 * u
    elif len(shape) > 1:
        u = np.sqrt(6.0 / np.prod(shape[1:])) * u
    elif name.endswith("weight"):
        u = 1.0 + 0.1 * u
    else:
        u = 0.1 * u
    return torch.from_numpy(u.astype(np.float32).astype(np.float64))


def summary(tensor):
    """Norm, and product with the probe."""
    flat = tensor.detach().numpy().ravel()
    return [float(np.linalg.norm(flat)), float(flat @ np.where(words("probe", flat.size) < 2**31, -1.0, 1.0))]


def case(model, shape, batch):
    network = build(model, shape, CLASSES).double().train()
    state = network.state_dict()
    state = {name: t if name.endswith("tracked") else value(name, tuple(t.shape)) for name, t in state.items()}
    network.load_state_dict(state)
    x = value("input", (batch, *shape))
    y = torch.from_numpy((words("label", batch) % CLASSES).astype(np.int64))
    parameters = dict(network.named_parameters())
    groups = [
        {"params": [p for p in parameters.values() if p.dim() > 1], "weight_decay": 5e-4},
        {"params": [p for p in parameters.values() if p.dim() == 1]},
    ]
    optimiser = torch.optim.SGD(groups, lr=0.0, momentum=0.9)
    out = {"model": model, "shape": shape, "batch": batch, "lr": 0.0, "losses": []}
    for step in range(STEPS + 1):
        optimiser.zero_grad()
        loss = F.cross_entropy(network(x), y)
        out["losses"].append(loss.item())
        if step == STEPS:
            break
        loss.backward()
        if step == 0:
            squared = sum(float(p.grad.square().sum()) for p in parameters.values())
            out["lr"] = float(f"{0.1 * loss.item() / squared:.0e}")
            for group in optimiser.param_groups:
                group["lr"] = out["lr"]
            out["gradients"] = {name: summary(p.grad) for name, p in parameters.items()}
            out["buffers"] = {n: summary(b) for n, b in network.named_buffers() if not n.endswith("tracked")}
        optimiser.step()
    return out


def numbers(document):
    """Every number with its place."""
    if isinstance(document, dict):
        return [(f"{k}/{place}", n) for k, v in document.items() for place, n in numbers(v)]
    if isinstance(document, list):
        return [(f"{i}/{place}", n) for i, v in enumerate(document) for place, n in numbers(v)]
    return [("", document)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", metavar="FILE")
    args = parser.parse_args()
    torch.set_num_threads(1)  # small operations: more threads mostly wait for each other
    cases = [case(*c) for c in CASES]
    text = json.dumps({"torch": torch.__version__.split("+")[0], "classes": CLASSES, "cases": cases})
    document = json.loads(text, parse_float=lambda n: float(f"{float(n):.10g}"))
    if args.check:
        with open(args.check) as file:
            recorded = json.load(file)
        recorded["torch"] = document["torch"]
        ours, theirs = numbers(document), numbers(recorded)
        assert [place for place, _ in ours] == [place for place, _ in theirs], "other networks or tensors"
        for (place, a), (_, b) in zip(ours, theirs):
            same = a == b if isinstance(a, (str, int)) else abs(a - b) <= 1e-7 * max(1.0, abs(b))
            assert same, f"{place}: {a} here, {b} recorded"
        print(len(ours))
    else:
        lists = re.compile(r"\[\s+([^][{}]*?)\s+\]")  # of numbers, each on one line
        print(lists.sub(lambda m: f"[{' '.join(m[1].split())}]", json.dumps(document, indent=1)))
