"""rfx in plain NumPy: an independent, readable implementation of its randomness, corruption and arithmetic.

Written from the design's text, not from the Rust, so that a mistake in one shows up as a difference from the
other (`check.py` compares them, byte for byte). It is also the shortest way to learn how rfx works, read from
the top:

    key, words        a keyed, seekable source of random 32-bit words (BLAKE3 and ChaCha8)
    Feistel           the shuffle of an epoch, computed position by position
    labels_of         which labels are corrupted, and into what
    permutations, gaussian_pixels, corrupt_images   what happens to images
    geometry, whiten, per_channel, cast        geometry, normalisation, dtypes
    Dataset           a packed data set: `dataset.json` and safetensors shards
    batch             all of it together: one batch of one epoch
    spec_digest       the name of everything that decides a batch, as one hash

Everything is a pure function of (data, spec, seed, epoch, step): nothing here is consumed or remembered. Every
function works on many samples at once; a leading axis `n` is always "one row per sample".
Needs numpy and blake3.
"""

import json
import math
import pathlib
import struct
from dataclasses import dataclass, field

import numpy as np
from blake3 import blake3

U32, U64, I64, U8, F32 = np.uint32, np.uint64, np.int64, np.uint8, np.float32


# ---------------------------------------------------------------- random words

def key(domain, seed):
    """The 32-byte ChaCha key of a domain: seeds are hashed, so neighbouring ones have nothing in common."""
    return blake3(struct.pack("<Q", seed), derive_key_context="rfx v1 " + domain).digest()


def _quarter_round(s, a, b, c, d):
    for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = s[x] + s[y]
        mixed = s[z] ^ s[x]
        s[z] = (mixed << U32(turn)) | (mixed >> U32(32 - turn))


def words(domain, seed, streams, epoch, count):
    """The first `count` words of each stream (a sample id) in an epoch: u32 [n, count].

    ChaCha8 with a 64-bit block counter (epoch in its high half) and a 64-bit stream number.
    """
    streams = np.atleast_1d(np.asarray(streams)).astype(U64)
    n, blocks = len(streams), -(-count // 16)
    state = np.empty((16, n, blocks), U32)
    state[:4] = np.frombuffer(b"expand 32-byte k", "<u4")[:, None, None]
    state[4:12] = np.frombuffer(key(domain, seed), "<u4")[:, None, None]
    state[12] = np.arange(blocks, dtype=U32)
    state[13] = U32(epoch)
    state[14] = (streams & U64(0xFFFFFFFF)).astype(U32)[:, None]
    state[15] = (streams >> U64(32)).astype(U32)[:, None]
    s = state.copy()
    for _ in range(4):  # a double round each
        for column in range(4):
            _quarter_round(s, column, column + 4, column + 8, column + 12)
        for column in range(4):
            _quarter_round(s, column, (column + 1) % 4 + 4, (column + 2) % 4 + 8, (column + 3) % 4 + 12)
    s += state
    return s.transpose(1, 2, 0).reshape(n, blocks * 16)[:, :count]


def mulshift(word, n):
    """A word as an integer in 0..n, by one multiplication and no rejection."""
    return (word.astype(U64) * U64(n)) >> U64(32)


def threshold(probability):
    """A probability as the integer it is compared as: round(p * 2^32), half up."""
    return math.floor(probability * 2.0**32 + 0.5)


def hits(word, probability):
    """The event of this probability, for each word."""
    return word.astype(U64) < U64(threshold(probability))


def share(probability, n):
    """round(p * n), half up, in integers."""
    return (threshold(probability) * n + 2**31) >> 32


# ---------------------------------------------------------------- order

class Feistel:
    """A keyed permutation of 0..m that needs no memory: `permutation(positions)` -> positions."""

    def __init__(self, domain, seed, epoch, m):
        self.m = m
        bits = max(8, (m - 1).bit_length())
        self.high, self.low = U64((bits + 1) // 2), U64(bits // 2)
        self.round_keys = words(domain, seed, 0, epoch, 8)[0].astype(U64)

    def __call__(self, positions):
        x = np.array(positions, U64)
        outside = np.ones(x.shape, bool)
        while outside.any():  # cycle walking: again, until inside 0..m
            x[outside] = self._rounds(x[outside])
            outside = x >= U64(self.m)
        return x.astype(I64)

    def _rounds(self, x):
        high_mask, low_mask = (U64(1) << self.high) - U64(1), (U64(1) << self.low) - U64(1)
        a, c = x >> self.low, x & low_mask
        for r, k in enumerate(self.round_keys):
            if r % 2 == 0:
                a ^= fmix32(c ^ k) & high_mask
            else:
                c ^= fmix32(a ^ k) & low_mask
        return (a << self.low) | c


def fmix32(h):
    """MurmurHash3's finaliser, on the low 32 bits of u64 values."""
    mask = U64(0xFFFFFFFF)
    h = h ^ (h >> U64(16))
    h = (h * U64(0x85EBCA6B)) & mask
    h = h ^ (h >> U64(13))
    h = (h * U64(0xC2B2AE35)) & mask
    return h ^ (h >> U64(16))


# ---------------------------------------------------------------- what to corrupt, and how

@dataclass
class LabelNoise:
    p: float
    exclude_true: bool = False  # the new class is never the old one
    exact: bool = False  # exactly round(p n) labels of the split, not about p n
    resample: float = 0.0  # the share of samples redrawn in every epoch >= 1


@dataclass
class InputNoise:
    kind: str  # "shuffled-pixels", "random-pixels" or "gaussian"
    positions: bool = False  # move whole pixels, not single values
    amount: float = 1.0
    resample: float = 0.0


@dataclass
class Spec:
    labels: LabelNoise | None = None
    inputs: InputNoise | None = None
    seed: int | None = None  # the corruption's own; otherwise the run's
    test_inputs: bool = True
    test_labels: bool = False

    def seed_or(self, run_seed):
        return run_seed if self.seed is None else self.seed

    @classmethod
    def parse(cls, text):
        """A preset (`random-labels`) or the long form (`labels=uniform:p=0.5 inputs=gaussian seed=1`)."""
        spec = cls()
        for part in text.split():
            name, _, value = part.partition("=")
            if part.partition(":")[0] in ("shuffled-pixels", "random-pixels", "gaussian"):
                spec.inputs = _input_noise(part)
            elif part.startswith("partially-corrupted:"):
                spec.labels = LabelNoise(float(part.partition(":")[2].removeprefix("p=")))
            elif part == "random-labels":
                spec.labels = LabelNoise(1.0)
            elif name == "labels" and value != "clean":
                spec.labels = _label_noise(value)
            elif name == "inputs" and value != "clean":
                spec.inputs = _input_noise(value)
            elif name == "seed":
                spec.seed = int(value)
            elif name == "test-inputs":
                spec.test_inputs = value == "same"
            elif name == "test-labels":
                spec.test_labels = value == "same"
            elif part not in ("true-labels", "labels=clean", "inputs=clean"):
                raise ValueError(f"what is {part!r} in the corruption {text!r}?")
        return spec


def _label_noise(text):
    options = _options(text.removeprefix("uniform:"))
    return LabelNoise(
        p=float(options["p"]),
        exclude_true="exclude-true" in options,
        exact="exact" in options,
        resample=float(options.get("resample", 0.0)),
    )


def _input_noise(text):
    kind, _, rest = text.partition(":")
    options = _options(rest)
    return InputNoise(
        kind,
        positions="positions" in options,
        amount=float(options.get("amount", 1.0)),
        resample=float(options.get("resample", 0.0)),
    )


def _options(text):
    return dict(item.partition("=")[::2] for item in text.split(",") if item)


# ---------------------------------------------------------------- labels

UNTOUCHED, REDRAWN, RESAMPLED = 0, 1, 2


def labels_of(noise, seed, epoch, ids, old, classes):
    """New labels and rule codes of a whole split, given in id order.

    Rules: 0 untouched, 1 redrawn once (it may fall on the old class), 2 redrawn for this very epoch.
    """
    rule = np.zeros(len(ids), U8)
    if noise is None:
        return old.copy(), rule
    w = words("labels", seed, ids, 0, 3)
    if noise.exact:
        corrupted = np.zeros(len(ids), bool)
        chosen = Feistel("labels/exact", seed, 0, len(ids))
        corrupted[chosen(np.arange(share(noise.p, len(ids))))] = True
    else:
        corrupted = hits(w[:, 0], noise.p)  # nested: whoever is corrupted at p is so at any p' > p
    rule[corrupted] = REDRAWN
    draw = w[:, 1]
    if epoch >= 1:
        again = hits(w[:, 2], noise.resample)
        rule[corrupted & again] = RESAMPLED
        draw = np.where(again, words("labels/resample", seed, ids, epoch, 1)[:, 0], draw)
    if noise.exclude_true:
        new = mulshift(draw, classes - 1).astype(I64)
        new += new >= old
    else:
        new = mulshift(draw, classes).astype(I64)
    return np.where(corrupted, new, old), rule


def label_digest(ids, old, new, rule):
    """BLAKE3 over (id, old, new, rule) in id order: what a run prints to prove its labels."""
    row = np.dtype([("id", "<i8"), ("old", "<i8"), ("new", "<i8"), ("rule", "u1")])
    rows = np.empty(len(ids), row)
    rows["id"], rows["old"], rows["new"], rows["rule"] = ids, old, new, rule
    return blake3(rows.tobytes(), derive_key_context="rfx v1 label-digest").hexdigest()


# ---------------------------------------------------------------- images (u8 [n, c, h, w] throughout)

def permutations(domain, seed, streams, epoch, size):
    """Fisher-Yates from the top, one permutation per stream: i64 [n, size]; out[k] = in[p[k]]."""
    w = words(domain, seed, streams, epoch, size - 1)
    p = np.tile(np.arange(size), (len(w), 1))
    row = np.arange(len(w))
    for used, i in enumerate(range(size - 1, 0, -1)):
        j = mulshift(w[:, used], i + 1).astype(I64)
        p[row, j], p[row, i] = p[row, i], p[row, j]
    return p


def gaussian_pixels(domain, seed, ids, epoch, shape, thresholds):
    """Noise images: each value is the number of its channel's 255 thresholds <= the next 16-bit word."""
    channels, height, width = shape
    values = channels * height * width
    w = words(domain, seed, ids, epoch, -(-values // 2))
    halves = np.stack([w & U32(0xFFFF), w >> U32(16)], axis=-1)  # the low half first
    halves = halves.reshape(len(w), -1)[:, :values].reshape(-1, channels, height * width)
    noise = [np.searchsorted(thresholds[c], halves[:, c], side="right") for c in range(channels)]
    return np.stack(noise, axis=1).astype(U8).reshape(-1, *shape)


def corrupt_images(noise, seed, epoch, ids, images, thresholds):
    """What the network sees in place of the (cropped, flipped) images, and rule codes as for labels."""
    rule = np.zeros(len(ids), U8)
    if noise is None:
        return images, rule
    domain = {"shuffled-pixels": "permute-shared", "random-pixels": "permute"}.get(noise.kind, "gaussian")
    assert not (noise.kind == "shuffled-pixels" and noise.resample), "one permutation for all, none redrawn"
    w = words(domain + "/amount", seed, ids, 0, 2)
    corrupted = hits(w[:, 0], noise.amount)
    again = hits(w[:, 1], noise.resample) & (epoch >= 1)
    rule[corrupted] = REDRAWN
    rule[corrupted & again] = RESAMPLED
    out = images.copy()
    for code, suffix, draw_epoch in ((REDRAWN, "", 0), (RESAMPLED, "/resample", epoch)):
        chosen = rule == code
        if chosen.any():
            draw = (domain + suffix, seed, ids[chosen], draw_epoch)
            out[chosen] = _corrupt(noise, *draw, images[chosen], thresholds)
    return out, rule


def _corrupt(noise, domain, seed, ids, epoch, images, thresholds):
    n, channels, height, width = images.shape
    if noise.kind == "gaussian":
        return gaussian_pixels(domain, seed, ids, epoch, (channels, height, width), thresholds)
    streams = 0 if noise.kind == "shuffled-pixels" else ids  # one permutation for all images, or one each
    rows = images.reshape(n, channels, -1) if noise.positions else images.reshape(n, 1, -1)
    p = permutations(domain, seed, streams, epoch, rows.shape[2])
    return np.take_along_axis(rows, p[:, None, :], axis=2).reshape(images.shape)


# ---------------------------------------------------------------- geometry, normalisation, dtypes

def geometry(images, ids, seed, epoch, crop, flip, rotate=0):
    """`crop`: "none", "center:28" or "random:28". The words of `augment`: row, column, flip, angle."""
    n, _, height, width = images.shape
    kind, _, side = crop.partition(":")
    h, w = (int(side), int(side)) if side else (height, width)
    draw = words("augment", seed, ids, epoch, 4)
    if kind == "random":
        top, left = mulshift(draw[:, 0], height - h + 1), mulshift(draw[:, 1], width - w + 1)
    else:
        top, left = np.full(n, (height - h) // 2), np.full(n, (width - w) // 2)
    mirrored = (draw[:, 2] < 2**31) & flip
    out = np.empty((n, images.shape[1], h, w), U8)
    steps = mulshift(draw[:, 3], 32 * rotate + 1).astype(I64) - 16 * rotate
    for i in range(n):
        if steps[i]:
            out[i] = turned(images[i], int(top[i]), int(left[i]), h, w, bool(mirrored[i]), int(steps[i]))
            continue
        window = images[i, :, int(top[i]) : int(top[i]) + h, int(left[i]) : int(left[i]) + w]
        out[i] = window[..., ::-1] if mirrored[i] else window
    return out


def turned(image, top, left, h, w, mirrored, step):
    """The window of one image, turned by step / 16 degrees about its centre, bilinear in integers."""
    angle = math.radians(step / 16)
    sine, cosine = round(65536 * math.sin(angle)), round(65536 * math.cos(angle))
    x = np.arange(w, dtype=I64)
    u = 2 * (x[::-1] if mirrored else x)[None, :] - (w - 1)
    v = 2 * np.arange(h, dtype=I64)[:, None] - (h - 1)
    y = (2 * top + h - 1) * 65536 + sine * u + cosine * v
    x = (2 * left + w - 1) * 65536 + cosine * u - sine * v
    b, a = (y >> 9) & 255, (x >> 9) & 255
    y, x = y >> 17, x >> 17

    def at(down, right):
        rows, columns = np.clip(y + down, 0, image.shape[1] - 1), np.clip(x + right, 0, image.shape[2] - 1)
        return image[:, rows, columns].astype(I64)

    upper = at(0, 0) * (256 - a) + at(0, 1) * a
    lower = at(1, 0) * (256 - a) + at(1, 1) * a
    return ((upper * (256 - b) + lower * b + 32768) >> 16).astype(U8)


def whiten(images):
    """Per-image whitening: (x - m) * a in f32, m and a from exact integer sums in f64."""
    x = images.reshape(len(images), -1)
    size = x.shape[1]
    total = x.sum(1, dtype=I64)
    squares = (x.astype(I64) ** 2).sum(1)
    deviation = np.sqrt((size * squares - total**2).astype(np.float64)) / size
    m = (total / size).astype(F32)
    a = (1.0 / np.maximum(deviation, 255.0 / math.sqrt(size))).astype(F32)
    return ((x.astype(F32) - m[:, None]) * a[:, None]).reshape(images.shape)


def per_channel(images, moments):
    """The same form with one m and a per channel, of the train split."""
    out = np.empty(images.shape, F32)
    for c, (m, a) in enumerate(channel_affines(moments)):
        out[:, c] = (images[:, c].astype(F32) - m) * a
    return out


def channel_affines(moments):
    """m and a of each channel, from exact sums (Python integers)."""
    count = moments["count"]
    for total, squares in zip(moments["sum"], moments["sum_of_squares"]):
        spread = count * squares - total * total
        yield F32(total / count), F32(1.0 / (math.sqrt(spread) / count)) if spread else F32(1.0)


def cast(values, dtype):
    """f32 to the requested dtype, ties to even; bf16 as its u16 bits, since NumPy has no such type."""
    if dtype == "bf16":
        bits = values.astype(F32).view(U32)
        return ((bits + U32(0x7FFF) + ((bits >> U32(16)) & U32(1))) >> U32(16)).astype(np.uint16)
    return values.astype({"f32": F32, "f16": np.float16}[dtype])


# ---------------------------------------------------------------- a packed data set

def read_safetensors(path):
    """Tensors and metadata of a safetensors file: a u64 header length, a JSON header, then raw bytes."""
    raw = np.memmap(path, U8, "r")
    (length,) = struct.unpack("<Q", raw[:8].tobytes())
    header = json.loads(raw[8 : 8 + length].tobytes())
    metadata = header.pop("__metadata__", {})
    dtypes = {"I64": "<i8", "I32": "<i4", "U8": "u1", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = raw[begin:end].view(dtypes[entry["dtype"]]).reshape(entry["shape"])
    return tensors, metadata


@dataclass
class Split:
    """Samples in id order: position i is the sample with the i-th smallest id."""

    name: str
    ids: np.ndarray
    labels: np.ndarray
    shards: list
    where: np.ndarray  # [n, 2]: shard and row of each position
    layout: str

    def images(self, positions):
        """u8 [n, c, h, w], whatever the stored layout."""
        rows = np.empty((len(positions), *self.shards[0].shape[1:]), U8)
        for i, (shard, row) in enumerate(self.where[positions]):
            rows[i] = self.shards[shard][row]
        return rows if self.layout == "nchw" else np.ascontiguousarray(rows.transpose(0, 3, 1, 2))


@dataclass
class Dataset:
    classes: int
    thresholds: list | None  # per channel 255 of them: the train split's Gaussian
    moments: dict | None  # count, sum and sum_of_squares of the train split, per channel
    splits: dict = field(default_factory=dict)

    @classmethod
    def open(cls, directory):
        directory = pathlib.Path(directory)
        index = json.loads((directory / "dataset.json").read_text())
        tables = index["gaussian"].get("channels")
        thresholds = [table["thresholds"] for table in tables] if tables else None
        dataset = cls(len(index["classes"]), thresholds, index["moments"])
        for split in index["splits"]:
            shards = [read_safetensors(directory / shard["name"])[0] for shard in split["shards"]]
            ids = np.concatenate([s["id"] for s in shards])
            labels = np.concatenate([s["label"] for s in shards])
            where = np.concatenate([[(i, r) for r in range(len(s["id"]))] for i, s in enumerate(shards)])
            order = np.argsort(ids)
            data = [s["data"] for s in shards]
            layout = index["element"]["layout"]
            dataset.splits[split["name"]] = Split(
                split["name"], ids[order], labels[order], data, where[order], layout
            )
        return dataset


def subset_positions(text, split, classes):
    """Positions, in id order, of `N`, `N:balanced`, `fraction:F`, `range:A..B`, `classes:0,3` or `ids:5,17`."""
    n = len(split.ids)
    if text is None or text == "all":
        return np.arange(n)
    kind, _, rest = text.partition(":")
    if kind == "range":
        first, last = rest.split("..")
        return np.arange(int(first), int(last))
    if kind == "classes":
        return np.flatnonzero(np.isin(split.labels, [int(c) for c in rest.split(",")]))
    if kind == "ids":
        return np.flatnonzero(np.isin(split.ids, [int(i) for i in rest.split(",")]))
    text, _, seed = text.partition("@")
    walk = Feistel("subset", int(seed or 0), 0, n)(np.arange(n))  # one order: smaller subsets nest in larger
    if text.startswith("fraction:"):
        return np.sort(walk[: share(float(text.partition(":")[2]), n)])
    count = int(text.partition(":")[0])
    if not text.endswith(":balanced"):
        return np.sort(walk[:count])
    quota = [count // classes + (c < count % classes) for c in range(classes)]
    return np.sort(np.concatenate([walk[split.labels[walk] == c][:quota[c]] for c in range(classes)]))


# ---------------------------------------------------------------- a batch

def batch(dataset, corruption, seed, epoch, step, *, split="train", batch=128, crop="none", flip=False, rotate=0,
          normalise="whiten", dtype="f32", layout="nchw", subset=None, order="shuffled", rank=0, world=1):
    """One rank's part of one global batch: input, label, clean_label, id, and what was done to each."""
    spec = Spec.parse(corruption) if isinstance(corruption, str) else corruption
    samples, classes = dataset.splits[split], dataset.classes
    positions = subset_positions(subset, samples, classes)

    begin, end = step * batch, min((step + 1) * batch, len(positions))
    size = end - begin
    mine = np.arange(begin + rank * size // world, begin + (rank + 1) * size // world)
    if order == "shuffled":
        mine = Feistel("order", seed, epoch, len(positions))(mine)
    chosen = positions[mine]
    ids = samples.ids[chosen]

    corruption_seed = spec.seed_or(seed)
    noise = spec.labels if split == "train" or spec.test_labels else None
    labels, rule = labels_of(noise, corruption_seed, epoch, samples.ids, samples.labels, classes)
    noise = spec.inputs if split == "train" or spec.test_inputs else None
    images = geometry(samples.images(chosen), ids, seed, epoch, crop, flip, rotate)
    images, input_rule = corrupt_images(noise, corruption_seed, epoch, ids, images, dataset.thresholds)

    if dtype == "u8":
        values = images
    else:
        steps = {"whiten": whiten, "none": lambda x: x.astype(F32),
                 "channel": lambda x: per_channel(x, dataset.moments)}
        values = cast(steps[normalise](images), dtype)
    if layout == "nhwc":
        values = values.transpose(0, 2, 3, 1)
    return {
        "input": np.ascontiguousarray(values),
        "label": labels[chosen],
        "clean_label": samples.labels[chosen],
        "id": ids,
        "rule": rule[chosen],
        "input_rule": input_rule,
    }


# ---------------------------------------------------------------- the spec digest

def spec_digest(dataset, corruption, seed, *, split="train", batch=128, crop="none", flip=False, rotate=0,
                normalise="whiten", dtype="f32", layout="nchw", subset=None, order="shuffled", drop_last=False):
    """BLAKE3 over every resolved integer that decides a batch beside content, seed, epoch and step."""
    spec = Spec.parse(corruption)
    labels = spec.labels if split == "train" or spec.test_labels else None
    inputs = spec.inputs if split == "train" or spec.test_inputs else None
    out = bytearray()

    def put(code, *values):
        out.extend(struct.pack(f"<{len(values)}{code}", *values))

    put("Q", len(split))
    out.extend(split.encode())
    put("Q", spec.seed_or(seed) if labels or inputs else 0)
    if labels:
        put("I", 1)
        put("Q", threshold(labels.p))
        put("I", labels.exclude_true, labels.exact)
        put("Q", threshold(labels.resample))
    else:
        put("I", 0)
    if not inputs:
        put("I", 0)
    else:
        kind = ("shuffled-pixels", "random-pixels", "gaussian").index(inputs.kind)
        put("I", 1 + kind)
        if inputs.kind != "gaussian":
            put("I", inputs.positions)
        put("Q", threshold(inputs.amount))
        if inputs.kind != "shuffled-pixels":
            put("Q", threshold(inputs.resample))
        if inputs.kind == "gaussian":
            for row in dataset.thresholds:
                put("I", *row)
    crop_kind, _, side = crop.partition(":")
    put("I", ("none", "center", "random").index(crop_kind))
    put("Q", int(side or 0))
    put("I", flip + 2 * rotate)
    channels, height, width = dataset.splits[split].images(np.arange(1)).shape[1:]
    put("Q", channels, *((int(side), int(side)) if side else (height, width)))
    scaling = ("none", "whiten", "channel").index("none" if dtype == "u8" else normalise)
    put("I", scaling)
    if scaling == 2:
        for m, a in channel_affines(dataset.moments):
            put("f", m, a)
    put("I", ("u8", "f32", "f16", "bf16").index(dtype), ("nchw", "nhwc").index(layout))
    put("Q", batch)
    put("I", drop_last, ("shuffled", "sequential").index(order))
    if subset in (None, "all"):
        put("I", 0)
    else:
        ids = dataset.splits[split].ids[subset_positions(subset, dataset.splits[split], dataset.classes)]
        put("I", 1)
        put("Q", len(ids), *ids.tolist())
    return blake3(bytes(out), derive_key_context="rfx v1 loader-spec").hexdigest()
