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


def norm(name, channels, scale=True):
    if scale:
        yield f"{name}.weight", (channels,), True
    yield f"{name}.bias", (channels,), True
    yield f"{name}.running_mean", (channels,), False
    yield f"{name}.running_var", (channels,), False


def conv(name, inputs, outputs, kernel):
    yield f"{name}.weight", (outputs, inputs, kernel, kernel), True


def module(name, inputs, outputs, kernel, batch_norm):
    yield from conv(f"{name}.conv", inputs, outputs, kernel)
    if batch_norm:
        yield from norm(f"{name}.bn", outputs, scale=False)
    else:
        yield f"{name}.conv.bias", (outputs,), True


def alexnet(channels, height, width, classes):
    for name, inputs in (("conv1", channels), ("conv2", 64)):
        yield from conv(name, inputs, 64, 5)
        yield f"{name}.bias", (64,), True
    yield from mlp(64 * -(-height // 4) * -(-width // 4), [384, 192], classes)


def inception(channels, classes, batch_norm, divisor=1):
    width = 96 // divisor
    yield from module("conv1", channels, width, 3, batch_norm)
    for i, (one, three) in enumerate(BLOCKS, 2):
        three //= divisor
        if one is not None:
            one //= divisor
            yield from module(f"block{i}.conv1x1", width, one, 1, batch_norm)
        yield from module(f"block{i}.conv3x3", width, three, 3, batch_norm)
        width = three + (width if one is None else one)
    yield "fc.weight", (classes, width), True
    yield "fc.bias", (classes,), True


def inception_v3(channels, classes):
    """What torchvision's inception_v3(aux_logits=False) holds."""

    def basic(name, inputs, outputs, kernel):
        rows, columns = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        yield f"{name}.conv.weight", (outputs, inputs, rows, columns), True
        yield from norm(f"{name}.bn", outputs)

    stem = [("1a_3x3", channels, 32, 3), ("2a_3x3", 32, 32, 3), ("2b_3x3", 32, 64, 3), ("3b_1x1", 64, 80, 1), ("4a_3x3", 80, 192, 3)]
    for name, inputs, outputs, kernel in stem:
        yield from basic(f"Conv2d_{name}", inputs, outputs, kernel)
    for name, n, pool in (("5b", 192, 32), ("5c", 256, 64), ("5d", 288, 64)):
        for branch, *rest in (
            ("1x1", n, 64, 1), ("5x5_1", n, 48, 1), ("5x5_2", 48, 64, 5), ("3x3dbl_1", n, 64, 1),
            ("3x3dbl_2", 64, 96, 3), ("3x3dbl_3", 96, 96, 3), ("_pool", n, pool, 1),
        ):  # fmt: skip
            yield from basic(f"Mixed_{name}.branch{branch}", *rest)
    for branch, *rest in (("3x3", 288, 384, 3), ("3x3dbl_1", 288, 64, 1), ("3x3dbl_2", 64, 96, 3), ("3x3dbl_3", 96, 96, 3)):
        yield from basic(f"Mixed_6a.branch{branch}", *rest)
    for name, c in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        for branch, *rest in (
            ("1x1", 768, 192, 1), ("7x7_1", 768, c, 1), ("7x7_2", c, c, (1, 7)), ("7x7_3", c, 192, (7, 1)),
            ("7x7dbl_1", 768, c, 1), ("7x7dbl_2", c, c, (7, 1)), ("7x7dbl_3", c, c, (1, 7)),
            ("7x7dbl_4", c, c, (7, 1)), ("7x7dbl_5", c, 192, (1, 7)), ("_pool", 768, 192, 1),
        ):  # fmt: skip
            yield from basic(f"Mixed_{name}.branch{branch}", *rest)
    for branch, *rest in (
        ("3x3_1", 768, 192, 1), ("3x3_2", 192, 320, 3), ("7x7x3_1", 768, 192, 1), ("7x7x3_2", 192, 192, (1, 7)),
        ("7x7x3_3", 192, 192, (7, 1)), ("7x7x3_4", 192, 192, 3),
    ):  # fmt: skip
        yield from basic(f"Mixed_7a.branch{branch}", *rest)
    for name, n in (("7b", 1280), ("7c", 2048)):
        for branch, *rest in (
            ("1x1", n, 320, 1), ("3x3_1", n, 384, 1), ("3x3_2a", 384, 384, (1, 3)), ("3x3_2b", 384, 384, (3, 1)),
            ("3x3dbl_1", n, 448, 1), ("3x3dbl_2", 448, 384, 3), ("3x3dbl_3a", 384, 384, (1, 3)),
            ("3x3dbl_3b", 384, 384, (3, 1)), ("_pool", n, 192, 1),
        ):  # fmt: skip
            yield from basic(f"Mixed_{name}.branch{branch}", *rest)
    yield "fc.weight", (classes, 2048), True
    yield "fc.bias", (classes,), True


def resnet(shape, classes, counts, kernels, growth):
    channels, *sides = shape
    yield from conv("conv1", channels, 64, 3 if min(sides) < 64 else 7)
    yield from norm("bn1", 64)
    inputs = 64
    for stage, count in enumerate(counts):
        for place in range(count):
            name, width = f"layer{stage + 1}.{place}", 64 << stage
            outputs, channels = growth * width, inputs
            for i, kernel in enumerate(kernels, 1):
                to = outputs if i == len(kernels) else width
                yield from conv(f"{name}.conv{i}", channels, to, kernel)
                yield from norm(f"{name}.bn{i}", to)
                channels = to
            if place == 0 and (stage > 0 or inputs != outputs):
                yield from conv(f"{name}.downsample.0", inputs, outputs, 1)
                yield from norm(f"{name}.downsample.1", outputs)
            inputs = outputs
    yield "fc.weight", (classes, inputs), True
    yield "fc.bias", (classes,), True


def wide_resnet(channels, classes, factor):
    yield from conv("conv1", channels, 16, 3)
    inputs = 16
    for stage, outputs in enumerate((16 * factor, 32 * factor, 64 * factor), 1):
        for place in range(4):
            name = f"block{stage}.layer.{place}"
            yield from norm(f"{name}.bn1", inputs)
            yield from conv(f"{name}.conv1", inputs, outputs, 3)
            yield from norm(f"{name}.bn2", outputs)
            yield from conv(f"{name}.conv2", outputs, outputs, 3)
            if inputs != outputs:
                yield from conv(f"{name}.convShortcut", inputs, outputs, 1)
            inputs = outputs
    yield from norm("bn1", inputs)
    yield "fc.weight", (classes, inputs), True
    yield "fc.bias", (classes,), True


def tensors(state):
    """(name, shape, whether it is trained) of the network's tensors."""
    (channels, height, width), classes = state["shape"], state["classes"]
    values, model = channels * height * width, state["model"]
    if model.startswith("wrn-28-"):
        return wide_resnet(channels, classes, int(model.removeprefix("wrn-28-")))
    return {
        "mlp-1x512": lambda: mlp(values, [512], classes),
        "mlp-3x512": lambda: mlp(values, [512] * 3, classes),
        "alexnet": lambda: alexnet(channels, height, width, classes),
        "inception": lambda: inception(channels, classes, True),
        "inception-no-bn": lambda: inception(channels, classes, False),
        "inception-w4": lambda: inception(channels, classes, True, 4),
        "inception-w4-no-bn": lambda: inception(channels, classes, False, 4),
        "inception-v3": lambda: inception_v3(channels, classes),
        "resnet-18": lambda: resnet(state["shape"], classes, (2, 2, 2, 2), (3, 3), 1),
        "resnet-50": lambda: resnet(state["shape"], classes, (3, 4, 6, 3), (1, 3, 1), 4),
    }[model]()


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
