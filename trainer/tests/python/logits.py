"""Logits of the four networks in NumPy (f64), from the description in Zhang et al. 2017 and tensor names alone.

usage: logits.py MODEL FILE.safetensors
FILE holds the network's tensors, `input` and `logits`. Prints the largest difference between `logits` and ours, in
units of the logits' standard deviation.
"""

import sys

import numpy as np
from safetensors.numpy import load_file

EPSILON = 1e-3


def same(size, kernel, stride):
    """TensorFlow's SAME padding of one side: (before, after), the odd one after."""
    out = -(-size // stride)
    total = max((out - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def windows(x, kernel, stride, fill):
    """[n, c, h, w] -> [n, c, out_h, out_w, kernel, kernel]."""
    sides = [same(s, kernel, stride) for s in x.shape[2:]]
    x = np.pad(x, [(0, 0), (0, 0), *sides], constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), axis=(2, 3))
    return view[:, :, ::stride, ::stride]


def linear(t, name, x):
    return x @ t[f"{name}.weight"].T + t[f"{name}.bias"]


def mlp(t, x, layers):
    x = x.reshape(len(x), -1)
    for i in range(1, layers + 1):
        x = linear(t, f"fc{i}", x)
        if i < layers:
            x = np.maximum(x, 0)
    return x


def module(t, name, x, stride=1):
    """Convolution, batch normalisation if it has any, ReLU."""
    weight = t[f"{name}.conv.weight"]
    y = np.einsum("nchwij,ocij->nohw", windows(x, weight.shape[2], stride, 0), weight, optimize=True)
    across = lambda v: v[None, :, None, None]
    if f"{name}.conv.bias" in t:
        y = y + across(t[f"{name}.conv.bias"])
    else:
        mean, variance = t[f"{name}.bn.running_mean"], t[f"{name}.bn.running_var"]
        y = (y - across(mean)) / np.sqrt(across(variance) + EPSILON) + across(t[f"{name}.bn.bias"])
    return np.maximum(y, 0)


def inception(t, x):
    x = module(t, "conv1", x)
    for block in range(2, 12):
        name = f"block{block}"
        if block in (4, 9):  # the two downsampling blocks of the paper's Figure 3
            pooled = windows(x, 3, 2, -np.inf).max(axis=(4, 5))
            x = np.concatenate([module(t, f"{name}.conv3x3", x, stride=2), pooled], axis=1)
        else:
            x = np.concatenate([module(t, f"{name}.conv1x1", x), module(t, f"{name}.conv3x3", x)], axis=1)
    return linear(t, "fc", x.mean(axis=(2, 3)))


def logits(model, t, x):
    return {
        "mlp-1x512": lambda: mlp(t, x, 2),
        "mlp-3x512": lambda: mlp(t, x, 4),
        "inception": lambda: inception(t, x),
        "inception-no-bn": lambda: inception(t, x),
    }[model]()


if __name__ == "__main__":
    model, file = sys.argv[1:]
    tensors = {name: value.astype(np.float64) for name, value in load_file(file).items()}
    given = tensors.pop("logits")
    ours = logits(model, tensors, tensors.pop("input"))
    print(np.abs(ours - given).max() / given.std())
