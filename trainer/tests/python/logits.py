"""Logits of the networks in NumPy (f64), from their papers' words and tensor names alone.

usage: logits.py MODEL FILE.safetensors
FILE holds the network's tensors, `input` and `logits`. Prints the largest difference between `logits` and ours, in
units of the logits' standard deviation.
"""

import sys

import numpy as np
from safetensors.numpy import load_file


def same(size, kernel, stride):
    """TensorFlow's SAME padding of one side: (before, after), the odd one after."""
    out = -(-size // stride)
    total = max((out - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def windows(x, kernel, stride, fill, pad=None):
    """[n, c, h, w] -> [n, c, out_h, out_w, *kernel]; `pad` rows and columns on either side, or SAME."""
    if pad is None:
        sides = [same(s, k, stride) for s, k in zip(x.shape[2:], kernel)]
    else:
        sides = [(p, p) for p in np.broadcast_to(pad, 2)]
    x = np.pad(x, [(0, 0), (0, 0), *sides], constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(2, 3))
    return view[:, :, ::stride, ::stride]


def across(v):
    """One value per channel, for images."""
    return v[None, :, None, None]


def relu(x):
    return np.maximum(x, 0)


def max_pool(x, pad=None):
    return windows(x, (3, 3), 2, -np.inf, pad).max(axis=(4, 5))


def linear(t, name, x):
    return x @ t[f"{name}.weight"].T + t[f"{name}.bias"]


def conv(t, name, x, stride=1, pad=None):
    weight = t[f"{name}.weight"]
    y = np.einsum("nchwij,ocij->nohw", windows(x, weight.shape[2:], stride, 0, pad), weight, optimize=True)
    return y + across(t[f"{name}.bias"]) if f"{name}.bias" in t else y


def batch_norm(t, name, x, epsilon=1e-5):
    """With the running statistics; a scale where there is one."""
    mean, variance = t[f"{name}.running_mean"], t[f"{name}.running_var"]
    y = (x - across(mean)) / np.sqrt(across(variance) + epsilon)
    return y * across(t.get(f"{name}.weight", np.ones_like(mean))) + across(t[f"{name}.bias"])


def mlp(t, x, layers):
    x = x.reshape(len(x), -1)
    for i in range(1, layers):
        x = relu(linear(t, f"fc{i}", x))
    return linear(t, f"fc{layers}", x)


def response_norm(x):
    """Krizhevsky's, over 9 channels, k = 1, beta = 0.75, alpha = 0.001 / 9 for each square."""
    squares = np.pad(x * x, [(0, 0), (4, 4), (0, 0), (0, 0)])
    sums = sum(squares[:, i : i + x.shape[1]] for i in range(9))
    return x / (1 + 0.001 / 9 * sums) ** 0.75


def alexnet(t, x):
    for layer in ("conv1", "conv2"):
        x = response_norm(max_pool(relu(conv(t, layer, x))))
    return mlp(t, x, 3)


def module(t, name, x, stride=1):
    """Convolution, batch normalisation if it has any, ReLU."""
    y = conv(t, f"{name}.conv", x, stride)
    return relu(batch_norm(t, f"{name}.bn", y, 1e-3) if f"{name}.bn.bias" in t else y)


def inception(t, x):
    x = module(t, "conv1", x)
    for block in range(2, 12):
        name = f"block{block}"
        if block in (4, 9):  # the two downsampling blocks of the paper's Figure 3
            x = np.concatenate([module(t, f"{name}.conv3x3", x, stride=2), max_pool(x)], axis=1)
        else:
            x = np.concatenate([module(t, f"{name}.conv1x1", x), module(t, f"{name}.conv3x3", x)], axis=1)
    return linear(t, "fc", x.mean(axis=(2, 3)))


def inception_v3(t, x):
    """Szegedy et al. 2016 under torchvision's names. Of a convolution, the tensors say everything but where it lies and
    which of them are strided."""

    def basic(name, x, stride=1):
        pad = (0, 0) if stride == 2 else tuple(k // 2 for k in t[f"{name}.conv.weight"].shape[2:])
        return relu(batch_norm(t, f"{name}.bn", conv(t, f"{name}.conv", x, stride, pad), 1e-3))

    def chain(block, branch, numbers, x, last_stride=1):
        for i in numbers:
            x = basic(f"{block}.{branch}_{i}", x, last_stride if i == numbers[-1] else 1)
        return x

    def forked(block, name, x):
        return [basic(f"{block}.{name}a", x), basic(f"{block}.{name}b", x)]

    def mean_pool(x):
        return windows(x, (3, 3), 1, 0, 1).mean(axis=(4, 5))

    x = relu(batch_norm(t, "Conv2d_1a_3x3.bn", conv(t, "Conv2d_1a_3x3.conv", x, 2, 0), 1e-3))
    x = relu(batch_norm(t, "Conv2d_2a_3x3.bn", conv(t, "Conv2d_2a_3x3.conv", x, 1, 0), 1e-3))
    x = max_pool(basic("Conv2d_2b_3x3", x), 0)
    x = basic("Conv2d_3b_1x1", x)
    x = relu(batch_norm(t, "Conv2d_4a_3x3.bn", conv(t, "Conv2d_4a_3x3.conv", x, 1, 0), 1e-3))
    x = max_pool(x, 0)
    for block in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
        five = chain(block, "branch5x5", (1, 2), x)
        double = chain(block, "branch3x3dbl", (1, 2, 3), x)
        pool = basic(f"{block}.branch_pool", mean_pool(x))
        x = np.concatenate([basic(f"{block}.branch1x1", x), five, double, pool], axis=1)
    double = chain("Mixed_6a", "branch3x3dbl", (1, 2, 3), x, 2)
    x = np.concatenate([basic("Mixed_6a.branch3x3", x, 2), double, max_pool(x, 0)], axis=1)
    for block in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
        seven = chain(block, "branch7x7", (1, 2, 3), x)
        double = chain(block, "branch7x7dbl", (1, 2, 3, 4, 5), x)
        pool = basic(f"{block}.branch_pool", mean_pool(x))
        x = np.concatenate([basic(f"{block}.branch1x1", x), seven, double, pool], axis=1)
    three = chain("Mixed_7a", "branch3x3", (1, 2), x, 2)
    seven = chain("Mixed_7a", "branch7x7x3", (1, 2, 3, 4), x, 2)
    x = np.concatenate([three, seven, max_pool(x, 0)], axis=1)
    for block in ("Mixed_7b", "Mixed_7c"):
        three = forked(block, "branch3x3_2", basic(f"{block}.branch3x3_1", x))
        double = forked(block, "branch3x3dbl_3", chain(block, "branch3x3dbl", (1, 2), x))
        pool = basic(f"{block}.branch_pool", mean_pool(x))
        x = np.concatenate([basic(f"{block}.branch1x1", x), *three, *double, pool], axis=1)
    return linear(t, "fc", x.mean(axis=(2, 3)))


def resnet(t, x, counts, strided):
    """`strided` is the convolution of a block that takes the stride: the first of basic ones, the second of bottlenecks."""
    if min(x.shape[2:]) < 64:
        x = relu(batch_norm(t, "bn1", conv(t, "conv1", x, 1, 1)))
    else:
        x = max_pool(relu(batch_norm(t, "bn1", conv(t, "conv1", x, 2, 3))), 1)
    for stage, count in enumerate(counts, 1):
        for place in range(count):
            name, stride = f"layer{stage}.{place}", 2 if stage > 1 and place == 0 else 1
            convs = [i for i in (1, 2, 3) if f"{name}.conv{i}.weight" in t]
            y = x
            for i in convs:
                pad = t[f"{name}.conv{i}.weight"].shape[2] // 2
                y = batch_norm(t, f"{name}.bn{i}", conv(t, f"{name}.conv{i}", y, stride if i == strided else 1, pad))
                y = relu(y) if i < convs[-1] else y
            if f"{name}.downsample.0.weight" in t:
                x = batch_norm(t, f"{name}.downsample.1", conv(t, f"{name}.downsample.0", x, stride, 0))
            x = relu(x + y)
    return linear(t, "fc", x.mean(axis=(2, 3)))


def wide_resnet(t, x):
    x = conv(t, "conv1", x, 1, 1)
    for stage in (1, 2, 3):
        for place in range(4):
            name, stride = f"block{stage}.layer.{place}", 2 if stage > 1 and place == 0 else 1
            active = relu(batch_norm(t, f"{name}.bn1", x))
            y = relu(batch_norm(t, f"{name}.bn2", conv(t, f"{name}.conv1", active, stride, 1)))
            if f"{name}.convShortcut.weight" in t:
                x = conv(t, f"{name}.convShortcut", active, stride, 0)
            x = x + conv(t, f"{name}.conv2", y, 1, 1)
    return linear(t, "fc", relu(batch_norm(t, "bn1", x)).mean(axis=(2, 3)))


def logits(model, t, x):
    if model.startswith("wrn-28-"):
        return wide_resnet(t, x)
    return {
        "mlp-1x512": lambda: mlp(t, x, 2),
        "mlp-3x512": lambda: mlp(t, x, 4),
        "alexnet": lambda: alexnet(t, x),
        "inception": lambda: inception(t, x),
        "inception-no-bn": lambda: inception(t, x),
        "inception-w4": lambda: inception(t, x),
        "inception-w4-no-bn": lambda: inception(t, x),
        "inception-v3": lambda: inception_v3(t, x),
        "resnet-18": lambda: resnet(t, x, (2, 2, 2, 2), strided=1),
        "resnet-50": lambda: resnet(t, x, (3, 4, 6, 3), strided=2),
    }[model]()


if __name__ == "__main__":
    model, file = sys.argv[1:]
    tensors = {name: value.astype(np.float64) for name, value in load_file(file).items()}
    given = tensors.pop("logits")
    ours = logits(model, tensors, tensors.pop("input"))
    print(np.abs(ours - given).max() / given.std())
