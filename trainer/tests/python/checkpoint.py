"""Reads a checkpoint of rfx-train as Python without PyTorch does, with nothing of rfx.

usage: checkpoint.py FILE.safetensors BATCH.safetensors
Checks that FILE holds exactly the names, shapes and dtypes of the network's state_dict, a momentum buffer for each
parameter, and the running sums. BATCH holds `input` and `logits`; prints a JSON object with the number of parameters,
and the largest difference between `logits` and those that NumPy computes from FILE, in units of their deviation.
"""

import json
import sys

import numpy as np
from logits import logits
from safetensors import safe_open
from safetensors.numpy import load_file

# Zhang et al. 2017, Figure 3: channels of the 1x1 and 3x3 convolutions of each block; None halves the image.
BLOCKS = [(32, 32), (32, 48), (None, 80), (112, 48), (96, 64), (80, 80), (48, 96), (None, 96), (176, 160), (176, 160)]


def mlp(inputs, hidden, classes):
    widths = [inputs, *hidden, classes]
    for i, (a, b) in enumerate(zip(widths, widths[1:]), 1):
        yield f"fc{i}.weight", (b, a), True
        yield f"fc{i}.bias", (b,), True


def module(name, inputs, outputs, kernel, batch_norm):
    yield f"{name}.conv.weight", (outputs, inputs, kernel, kernel), True
    if batch_norm:
        yield f"{name}.bn.bias", (outputs,), True
        yield f"{name}.bn.running_mean", (outputs,), False
        yield f"{name}.bn.running_var", (outputs,), False
    else:
        yield f"{name}.conv.bias", (outputs,), True


def inception(channels, classes, batch_norm):
    yield from module("conv1", channels, 96, 3, batch_norm)
    width = 96
    for i, (one, three) in enumerate(BLOCKS, 2):
        if one is not None:
            yield from module(f"block{i}.conv1x1", width, one, 1, batch_norm)
        yield from module(f"block{i}.conv3x3", width, three, 3, batch_norm)
        width = three + (width if one is None else one)
    yield "fc.weight", (classes, width), True
    yield "fc.bias", (classes,), True


def tensors(state):
    """(name, shape, whether it is trained) of the network's tensors."""
    (channels, height, width), classes = state["shape"], state["classes"]
    values = channels * height * width
    return {
        "mlp-1x512": lambda: mlp(values, [512], classes),
        "mlp-3x512": lambda: mlp(values, [512] * 3, classes),
        "inception": lambda: inception(channels, classes, True),
        "inception-no-bn": lambda: inception(channels, classes, False),
    }[state["model"]]()


if __name__ == "__main__":
    path, batch = sys.argv[1:]
    with safe_open(path, "np") as file:
        state = json.loads(file.metadata()["rfx"])["state"]
    found = load_file(path)
    expected, parameters = {"running/sums": ((5,), np.dtype("float64"))}, 0
    for name, shape, trained in tensors(state):
        expected[name] = (shape, np.dtype("float32"))
        if trained:
            expected[f"momentum/{name}"] = expected[name]
            parameters += int(np.prod(shape))
    assert {name: (value.shape, value.dtype) for name, value in found.items()} == expected
    network = {name: value.astype(np.float64) for name, value in found.items() if "/" not in name}
    given = load_file(batch)
    ours = logits(state["model"], network, given["input"].astype(np.float64))
    difference = float(np.abs(ours - given["logits"]).max() / given["logits"].std())
    print(json.dumps({"model": state["model"], "parameters": parameters, "difference": difference}))
