"""The networks of rfx-train as PyTorch modules: nothing here is of rfx but the names.

`build(model, shape, classes)` makes the module whose `state_dict` has the names and shapes of a checkpoint's tensors;
`model` is a name of rfx-train, `shape` is (channels, height, width). `dropout` acts where rfx-train's does.
"""

import torch
from torch import nn
from torch.nn import functional as F


class Mlp(nn.Module):
    """Linear layers fc1, fc2, ... with ReLU and dropout after all but the last."""

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


def pool_same(x):
    """The maximum over 3x3 with stride 2, padding SAME."""
    return F.max_pool2d(pad_same(x, 3, 2, -float("inf")), 3, 2)


class SmallAlexNet(nn.Module):
    """Zhang et al. 2017, appendix A."""

    def __init__(self, channels, height, width, classes, dropout=0.0):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 5, padding=2)
        self.conv2 = nn.Conv2d(64, 64, 5, padding=2)
        height, width = (-(-side // 4) for side in (height, width))
        self.fc1 = nn.Linear(64 * height * width, 384)
        self.fc2 = nn.Linear(384, 192)
        self.fc3 = nn.Linear(192, classes)
        self.norm = nn.LocalResponseNorm(9, alpha=0.001, beta=0.75, k=1.0)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        x = self.norm(pool_same(F.relu(self.conv1(x))))
        x = self.norm(pool_same(F.relu(self.conv2(x))))
        x = self.dropout(F.relu(self.fc1(x.flatten(1))))
        x = self.dropout(F.relu(self.fc2(x)))
        return self.fc3(x)


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


class InceptionBlock(nn.Module):
    """Inception(a, b) or, with a = None, Downsample(b)."""

    def __init__(self, inputs, a, b, batch_norm):
        super().__init__()
        self.conv1x1 = None if a is None else ConvModule(inputs, a, 1, batch_norm=batch_norm)
        self.conv3x3 = ConvModule(inputs, b, 3, 2 if a is None else 1, batch_norm)
        self.outputs = b + (inputs if a is None else a)

    def forward(self, x):
        if self.conv1x1 is None:
            return torch.cat([self.conv3x3(x), pool_same(x)], 1)
        return torch.cat([self.conv1x1(x), self.conv3x3(x)], 1)


class SmallInception(nn.Module):
    """Zhang et al. 2017, Figure 3, all widths divided by `divisor`."""

    WIDTHS = [(32, 32), (32, 48), (None, 80), (112, 48), (96, 64), (80, 80), (48, 96), (None, 96), (176, 160), (176, 160)]

    def __init__(self, channels, classes, batch_norm, divisor=1, dropout=0.0):
        super().__init__()
        width = 96 // divisor
        self.conv1 = ConvModule(channels, width, 3, batch_norm=batch_norm)
        for i, (a, b) in enumerate(self.WIDTHS):
            block = InceptionBlock(width, a and a // divisor, b // divisor, batch_norm)
            setattr(self, f"block{i + 2}", block)
            width = block.outputs
        self.fc = nn.Linear(width, classes)
        self.dropout = dropout

    def forward(self, x):
        x = self.conv1(x)
        for i in range(len(self.WIDTHS)):
            x = getattr(self, f"block{i + 2}")(x)
        return self.fc(F.dropout(x.mean((2, 3)), self.dropout, self.training))


class BasicConv2d(nn.Module):
    """torchvision's: convolution without a bias, batch normalisation with epsilon 1e-3, ReLU."""

    def __init__(self, inputs, outputs, kernel, stride=1, padding=None):
        super().__init__()
        rows, columns = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        padding = (rows // 2, columns // 2) if padding is None else padding
        self.conv = nn.Conv2d(inputs, outputs, (rows, columns), stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class Mixed(nn.Module):
    """A block of Inception v3. A branch is a list of convolutions (name, channels, kernel); a kernel "/" is 3x3 with
    stride 2, "|" two of 1x3 and 3x1 beside each other, whose names end in a and b. The last branch pools first: the mean
    where it has a convolution, else the maximum with stride 2."""

    def __init__(self, inputs, branches):
        super().__init__()
        self.branches, self.outputs = branches, 0
        for branch in branches:
            width = inputs
            for name, outputs, kernel in branch:
                if kernel == "|":
                    setattr(self, f"{name}a", BasicConv2d(width, outputs, (1, 3)))
                    setattr(self, f"{name}b", BasicConv2d(width, outputs, (3, 1)))
                    width = 2 * outputs
                    continue
                strided = kernel == "/"
                conv = BasicConv2d(width, outputs, 3, 2, 0) if strided else BasicConv2d(width, outputs, kernel)
                setattr(self, name, conv)
                width = outputs
            self.outputs += width

    def forward(self, x):
        out = []
        for branch in self.branches:
            y = x
            if branch is self.branches[-1]:
                y = F.avg_pool2d(x, 3, 1, 1) if branch else F.max_pool2d(x, 3, 2)
            for name, _, kernel in branch:
                if kernel == "|":
                    y = torch.cat([getattr(self, f"{name}a")(y), getattr(self, f"{name}b")(y)], 1)
                else:
                    y = getattr(self, name)(y)
            out.append(y)
        return torch.cat(out, 1)


class InceptionV3(nn.Module):
    """Szegedy et al. 2016, with torchvision's names, without its auxiliary classifier."""

    STEM = [("1a_3x3", 32, 3, 2, 0), ("2a_3x3", 32, 3, 1, 0), ("2b_3x3", 64, 3, 1, 1), ("3b_1x1", 80, 1, 1, 0), ("4a_3x3", 192, 3, 1, 0)]

    def __init__(self, channels, classes, dropout=0.0):
        super().__init__()
        width = channels
        for name, outputs, kernel, stride, padding in self.STEM:
            setattr(self, f"Conv2d_{name}", BasicConv2d(width, outputs, kernel, stride, padding))
            width = outputs
        double = [("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3)]

        def a(pool):
            return [
                [("branch1x1", 64, 1)],
                [("branch5x5_1", 48, 1), ("branch5x5_2", 64, 5)],
                [*double, ("branch3x3dbl_3", 96, 3)],
                [("branch_pool", pool, 1)],
            ]

        def c(inner):
            seven = [(f"branch7x7dbl_{i}", inner, k) for i, k in enumerate([1, (7, 1), (1, 7), (7, 1)], 1)]
            return [
                [("branch1x1", 192, 1)],
                [("branch7x7_1", inner, 1), ("branch7x7_2", inner, (1, 7)), ("branch7x7_3", 192, (7, 1))],
                [*seven, ("branch7x7dbl_5", 192, (1, 7))],
                [("branch_pool", 192, 1)],
            ]

        b = [[("branch3x3", 384, "/")], [*double, ("branch3x3dbl_3", 96, "/")], []]
        seven = [(f"branch7x7x3_{i}", 192, k) for i, k in enumerate([1, (1, 7), (7, 1), "/"], 1)]
        d = [[("branch3x3_1", 192, 1), ("branch3x3_2", 320, "/")], seven, []]
        e = [
            [("branch1x1", 320, 1)],
            [("branch3x3_1", 384, 1), ("branch3x3_2", 384, "|")],
            [("branch3x3dbl_1", 448, 1), ("branch3x3dbl_2", 384, 3), ("branch3x3dbl_3", 384, "|")],
            [("branch_pool", 192, 1)],
        ]
        self.blocks = []
        kinds = [a(32), a(64), a(64), b, c(128), c(160), c(160), c(192), d, e, e]
        for name, branches in zip("5b 5c 5d 6a 6b 6c 6d 6e 7a 7b 7c".split(), kinds):
            setattr(self, f"Mixed_{name}", Mixed(width, branches))
            self.blocks.append(f"Mixed_{name}")
            width = getattr(self, f"Mixed_{name}").outputs
        self.fc = nn.Linear(width, classes)
        self.dropout = dropout

    def forward(self, x):
        for name, outputs, *_ in self.STEM:
            x = getattr(self, f"Conv2d_{name}")(x)
            x = F.max_pool2d(x, 3, 2) if outputs in (64, 192) else x
        for name in self.blocks:
            x = getattr(self, name)(x)
        return self.fc(F.dropout(x.mean((2, 3)), self.dropout, self.training))


class ResidualBlock(nn.Module):
    """torchvision's BasicBlock, or with `bottleneck` its Bottleneck."""

    def __init__(self, inputs, width, stride, bottleneck):
        super().__init__()
        if bottleneck:
            convs = [(1, 1, width), (3, stride, width), (1, 1, 4 * width)]
        else:
            convs = [(3, stride, width), (3, 1, width)]
        self.depth, channels = len(convs), inputs
        for i, (kernel, step, outputs) in enumerate(convs, 1):
            setattr(self, f"conv{i}", nn.Conv2d(channels, outputs, kernel, step, kernel // 2, bias=False))
            setattr(self, f"bn{i}", nn.BatchNorm2d(outputs))
            channels = outputs
        self.outputs, self.downsample = channels, None
        if stride != 1 or channels != inputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x):
        y = x
        for i in range(1, self.depth + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            y = F.relu(y) if i < self.depth else y
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """He et al. 2016 as in torchvision; images with a side below 64 get a 3x3 convolution and no pool for a stem."""

    def __init__(self, shape, classes, counts, bottleneck, dropout=0.0):
        super().__init__()
        channels, *sides = shape
        kernel, stride = (3, 1) if min(sides) < 64 else (7, 2)
        self.conv1 = nn.Conv2d(channels, 64, kernel, stride, kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.pool = nn.Identity() if stride == 1 else nn.MaxPool2d(3, 2, 1)
        width = 64
        for stage, count in enumerate(counts):
            blocks = []
            for place in range(count):
                step = 2 if stage > 0 and place == 0 else 1
                blocks.append(ResidualBlock(width, 64 << stage, step, bottleneck))
                width = blocks[-1].outputs
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(width, classes)

    def forward(self, x):
        x = self.pool(F.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.dropout(x.mean((2, 3))))


class WideBlock(nn.Module):
    """Batch normalisation, ReLU and convolution, twice, with dropout between."""

    def __init__(self, inputs, outputs, stride, dropout):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.convShortcut = None if inputs == outputs else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x):
        active = F.relu(self.bn1(x))
        y = self.conv2(self.dropout(F.relu(self.bn2(self.conv1(active)))))
        return y + (x if self.convShortcut is None else self.convShortcut(active))


class Stage(nn.Module):
    """Blocks of one width, under the name `layer`."""

    def __init__(self, inputs, outputs, stride, dropout):
        super().__init__()
        blocks = [WideBlock(inputs if i == 0 else outputs, outputs, stride if i == 0 else 1, dropout) for i in range(4)]
        self.layer = nn.Sequential(*blocks)

    def forward(self, x):
        return self.layer(x)


class WideResNet28(nn.Module):
    """Zagoruyko and Komodakis 2016, with the names of xternalz/WideResNet-pytorch."""

    def __init__(self, channels, classes, factor, dropout=0.0):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 16, 3, 1, 1, bias=False)
        self.block1 = Stage(16, 16 * factor, 1, dropout)
        self.block2 = Stage(16 * factor, 32 * factor, 2, dropout)
        self.block3 = Stage(32 * factor, 64 * factor, 2, dropout)
        self.bn1 = nn.BatchNorm2d(64 * factor)
        self.fc = nn.Linear(64 * factor, classes)

    def forward(self, x):
        x = self.block3(self.block2(self.block1(self.conv1(x))))
        return self.fc(F.relu(self.bn1(x)).mean((2, 3)))


def build(model, shape, classes, dropout=0.0):
    """The module that rfx-train calls `model`, for images of `shape`."""
    channels, height, width = shape
    values = channels * height * width
    if model.startswith("wrn-28-"):
        return WideResNet28(channels, classes, int(model.removeprefix("wrn-28-")), dropout)
    return {
        "mlp-1x512": lambda: Mlp([values, 512, classes], dropout),
        "mlp-3x512": lambda: Mlp([values, 512, 512, 512, classes], dropout),
        "alexnet": lambda: SmallAlexNet(channels, height, width, classes, dropout),
        "inception": lambda: SmallInception(channels, classes, True, dropout=dropout),
        "inception-no-bn": lambda: SmallInception(channels, classes, False, dropout=dropout),
        "inception-w4": lambda: SmallInception(channels, classes, True, 4, dropout),
        "inception-w4-no-bn": lambda: SmallInception(channels, classes, False, 4, dropout),
        "inception-v3": lambda: InceptionV3(channels, classes, dropout),
        "resnet-18": lambda: ResNet(shape, classes, [2, 2, 2, 2], False, dropout),
        "resnet-50": lambda: ResNet(shape, classes, [3, 4, 6, 3], True, dropout),
    }[model]()
