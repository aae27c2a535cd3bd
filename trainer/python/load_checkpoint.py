"""Loads a checkpoint of rfx-train into PyTorch modules.

    python load_checkpoint.py RUN/checkpoint.safetensors [--compare FILE] [--save MODEL.pt]

Needs torch and safetensors. The module's names are the checkpoint's, so `load_state_dict` takes them strictly:
nothing missing, nothing left over. `--compare` takes a safetensors file with `input` and `logits` and prints how far
this module's logits are from those; `--save` writes the module's state_dict for `torch.load`. Also a module to import:

    from load_checkpoint import load
    model, state = load("runs/random/checkpoint.safetensors")
"""

import argparse
import json

import torch
from safetensors import safe_open
from torch import nn
from torch.nn import functional as F

# Not parameters of the network: the optimiser's buffers and the sums behind the running means.
OTHERS = ("momentum/", "running/")


class Mlp(nn.Module):
    """Linear layers fc1, fc2, ... with ReLU (and dropout) after all but the last."""

    def __init__(self, widths, dropout=0.0):
        super().__init__()
        self.depth = len(widths) - 1
        self.dropout = dropout
        for i in range(self.depth):
            setattr(self, f"fc{i + 1}", nn.Linear(widths[i], widths[i + 1]))

    def forward(self, x):
        x = x.flatten(1)
        for i in range(1, self.depth):
            x = F.dropout(F.relu(getattr(self, f"fc{i}")(x)), self.dropout, self.training)
        return getattr(self, f"fc{self.depth}")(x)


def pad_same(x, kernel, stride, value=0.0):
    """TensorFlow's SAME padding: the odd pixel at the bottom and right."""
    sides = []
    for size in (x.shape[3], x.shape[2]):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        sides += [total // 2, total - total // 2]
    return F.pad(x, sides, value=value)


class Shift(nn.Module):
    """Batch normalisation with a shift but no scale."""

    def __init__(self, channels):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x):
        return F.batch_norm(x, self.running_mean, self.running_var, None, self.bias, self.training, 0.1, 1e-3)


class ConvModule(nn.Module):
    """Convolution, batch normalisation (or bias), ReLU."""

    def __init__(self, inputs, outputs, kernel, stride=1, batch_norm=True):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, bias=not batch_norm)
        self.bn = Shift(outputs) if batch_norm else None

    def forward(self, x):
        x = self.conv(pad_same(x, self.conv.kernel_size[0], self.conv.stride[0]))
        return F.relu(x if self.bn is None else self.bn(x))


class Block(nn.Module):
    """Inception(a, b) or, with a = None, Downsample(b)."""

    def __init__(self, inputs, a, b, batch_norm):
        super().__init__()
        self.conv1x1 = None if a is None else ConvModule(inputs, a, 1, batch_norm=batch_norm)
        self.conv3x3 = ConvModule(inputs, b, 3, 2 if a is None else 1, batch_norm)
        self.outputs = b + (inputs if a is None else a)

    def forward(self, x):
        if self.conv1x1 is None:
            pooled = F.max_pool2d(pad_same(x, 3, 2, -float("inf")), 3, 2)
            return torch.cat([self.conv3x3(x), pooled], 1)
        return torch.cat([self.conv1x1(x), self.conv3x3(x)], 1)


class SmallInception(nn.Module):
    """Zhang et al. 2017, Figure 3."""

    WIDTHS = [(32, 32), (32, 48), (None, 80), (112, 48), (96, 64), (80, 80), (48, 96), (None, 96), (176, 160), (176, 160)]

    def __init__(self, channels, classes, batch_norm, dropout=0.0):
        super().__init__()
        self.conv1 = ConvModule(channels, 96, 3, batch_norm=batch_norm)
        width = 96
        for i, (a, b) in enumerate(self.WIDTHS):
            block = Block(width, a, b, batch_norm)
            setattr(self, f"block{i + 2}", block)
            width = block.outputs
        self.fc = nn.Linear(width, classes)
        self.dropout = dropout

    def forward(self, x):
        x = self.conv1(x)
        for i in range(len(self.WIDTHS)):
            x = getattr(self, f"block{i + 2}")(x)
        return self.fc(F.dropout(x.mean((2, 3)), self.dropout, self.training))


def build(state):
    """The module that `state` (the checkpoint's) speaks of."""
    (channels, height, width), classes = state["shape"], state["classes"]
    values = channels * height * width
    return {
        "mlp-1x512": lambda: Mlp([values, 512, classes]),
        "mlp-3x512": lambda: Mlp([values, 512, 512, 512, classes]),
        "inception": lambda: SmallInception(channels, classes, True),
        "inception-no-bn": lambda: SmallInception(channels, classes, False),
    }[state["model"]]()


def load(path):
    """Returns the module in evaluation mode and the rest of the run's state (a dict)."""
    with safe_open(path, "pt") as file:
        metadata = json.loads(file.metadata()["rfx"])
        assert metadata["format"] == "rfx-checkpoint/1", metadata["format"]
        state = metadata["state"]
        tensors = {name: file.get_tensor(name) for name in file.keys() if not name.startswith(OTHERS)}
    module = build(state)
    module.load_state_dict(tensors, strict=True)
    return module.eval(), state


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Load a checkpoint of rfx-train into PyTorch.")
    parser.add_argument("checkpoint")
    parser.add_argument("--compare", metavar="FILE", help="safetensors file with `input` and `logits`")
    parser.add_argument("--save", metavar="FILE", help="write the state_dict for torch.load")
    args = parser.parse_args()
    model, state = load(args.checkpoint)
    count = sum(p.numel() for p in model.parameters())
    report = {"model": state["model"], "parameters": count, "epochs": state["epoch"], "steps": state["step"]}
    if args.compare:
        with safe_open(args.compare, "pt") as file:
            ours, theirs = model(file.get_tensor("input")), file.get_tensor("logits")
        report["difference"] = ((ours - theirs).abs().max() / theirs.std()).item()
    if args.save:
        torch.save(model.state_dict(), args.save)
    print(json.dumps(report))
