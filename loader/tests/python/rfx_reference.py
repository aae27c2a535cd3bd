"""rfx in plain NumPy: an independent, readable implementation of its randomness, corruption and arithmetic.

Written from the design's text, not from the Rust, so that a mistake in one shows up as a difference from the
other (`check.py` compares them, byte for byte). It is also the shortest way to learn how rfx works:

    rfx_random        a keyed, seekable source of random 32-bit words (BLAKE3 and ChaCha8), and the shuffle of an epoch
    rfx_spec          the text form of a corruption
    rfx_labels        which labels are corrupted, and into what
    rfx_pixels        what happens to images
    rfx_resized       random resized crops
    rfx_normal        logarithm, exponential and normal distribution to the last bit, for the two above

and in this file

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

import rfx_labels
import rfx_pixels
import rfx_resized
from rfx_labels import label_digest
from rfx_random import Feistel, Windowed, hits, key, mulshift, share, threshold, words
from rfx_spec import Spec

U32, U64, I64, U8, F32 = np.uint32, np.uint64, np.int64, np.uint8, np.float32


# ---------------------------------------------------------------- geometry, normalisation, dtypes

def parse_crop(text):
    """Kind, side (0 for none) and shares of the area."""
    kind, _, rest = text.partition(":")
    side, _, area = rest.partition(",area=")
    return kind, int(side or 0), area or "0.08..1"


def geometry(images, ids, seed, epoch, crop, flip, rotate=0):
    """`crop`: "none", "center:28", "random:28" or "random-resized:28". The words of `augment`: row, column, flip, angle."""
    n, _, height, width = images.shape
    kind, side, area = parse_crop(crop)
    if kind == "random-resized":
        return rfx_resized.random_resized(images, ids, seed, epoch, side, area, flip)
    h, w = (side, side) if side else (height, width)
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
    rows: np.ndarray | None = None  # of each position: its row, counted over all shards

    def images(self, positions):
        """u8 [n, c, h, w], whatever the stored layout."""
        rows = np.empty((len(positions), *self.shards[0].shape[1:]), U8)
        for i, (shard, row) in enumerate(self.where[positions]):
            rows[i] = self.shards[shard][row]
        return rows if self.layout == "nchw" else np.ascontiguousarray(rows.transpose(0, 3, 1, 2))


@dataclass
class Dataset:
    classes: list  # of dicts: name, perhaps id and superclass
    thresholds: list | None  # per channel 255 of them: the train split's Gaussian
    moments: dict | None  # count, sum and sum_of_squares of the train split, per channel
    splits: dict = field(default_factory=dict)
    pack: str = ""  # the pack id

    @classmethod
    def open(cls, directory):
        directory = pathlib.Path(directory)
        index = json.loads((directory / "dataset.json").read_text())
        tables = index["gaussian"].get("channels")
        thresholds = [table["thresholds"] for table in tables] if tables else None
        dataset = cls(index["classes"], thresholds, index["moments"], pack=index["pack"])
        for split in index["splits"]:
            shards = [read_safetensors(directory / shard["name"])[0] for shard in split["shards"]]
            ids = np.concatenate([s["id"] for s in shards])
            labels = np.concatenate([s["label"] for s in shards])
            where = np.concatenate([[(i, r) for r in range(len(s["id"]))] for i, s in enumerate(shards)])
            order = np.argsort(ids)
            data = [s["data"] for s in shards]
            layout = index["element"]["layout"]
            dataset.splits[split["name"]] = Split(
                split["name"], ids[order], labels[order], data, where[order], layout, order
            )
        return dataset


def samples_of(dataset, split):
    """A split as label noise sees it."""
    split = dataset.splits[split]
    return rfx_labels.Samples(split.ids, split.labels, dataset.classes, split.images)


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
    samples, classes = dataset.splits[split], len(dataset.classes)
    positions = subset_positions(subset, samples, classes)

    begin, end = step * batch, min((step + 1) * batch, len(positions))
    size = end - begin
    mine = np.arange(begin + rank * size // world, begin + (rank + 1) * size // world)
    if order == "shuffled":
        mine = Feistel("order", seed, epoch, len(positions))(mine)
    elif order != "sequential":
        stored = np.argsort(samples.rows[positions])  # the samples visited, as they are stored
        mine = stored[Windowed(order, seed, epoch, len(positions)).all()[mine]]
    chosen = positions[mine]
    ids = samples.ids[chosen]

    corruption_seed, clean = spec.seed_or(seed), samples.labels[chosen]
    labels, rule = rfx_labels.split_labels(spec, split, corruption_seed, epoch, samples_of(dataset, split))
    noise, images = spec.inputs_of(split), samples.images(chosen)
    corrupt = (noise, split, corruption_seed, epoch, ids, clean)
    if noise and noise.stored:
        images, input_rule = rfx_pixels.corrupt_images(*corrupt, images, dataset.thresholds)
    images = geometry(images, ids, seed, epoch, crop, flip, rotate)
    if not (noise and noise.stored):
        images, input_rule = rfx_pixels.corrupt_images(*corrupt, images, dataset.thresholds)

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
        "clean_label": clean,
        "id": ids,
        "rule": rule[chosen],
        "input_rule": input_rule,
    }


# ---------------------------------------------------------------- the spec digest

def spec_digest(dataset, corruption, seed, *, split="train", batch=128, crop="none", flip=False, rotate=0,
                normalise="whiten", dtype="f32", layout="nchw", subset=None, order="shuffled", drop_last=False):
    """BLAKE3 over every resolved integer that decides a batch beside content, seed, epoch and step."""
    spec = Spec.parse(corruption)
    out = bytearray()

    def put(code, *values):
        out.extend(struct.pack(f"<{len(values)}{code}", *values))

    put("Q", len(split))
    out.extend(split.encode())
    labels, inputs = spec.labels_of(split), spec.inputs_of(split)
    put("Q", spec.seed_or(seed) if rfx_labels.draws_labels(labels) or inputs else 0)
    rfx_labels.put_labels(put, spec, split, samples_of(dataset, split))
    channels, height, width = dataset.splits[split].images(np.arange(1)).shape[1:]
    crop_kind, side, area = parse_crop(crop)
    seen = (channels, side, side) if side else (channels, height, width)
    acts_on = (channels, height, width) if inputs and inputs.stored else seen
    rfx_pixels.put_images(put, inputs, split, acts_on, dataset.thresholds)
    put("I", ("none", "center", "random", "random-resized").index(crop_kind))
    put("Q", side)
    if crop_kind == "random-resized":
        put("Q", *(threshold(float(share)) for share in area.split("..")))
    put("I", flip + 2 * rotate)
    put("Q", *seen)
    scaling = ("none", "whiten", "channel").index("none" if dtype == "u8" else normalise)
    put("I", scaling)
    if scaling == 2:
        for m, a in channel_affines(dataset.moments):
            put("f", m, a)
    put("I", ("u8", "f32", "f16", "bf16").index(dtype), ("nchw", "nhwc").index(layout))
    put("Q", batch)
    kind = order.partition(":")[0]
    put("I", drop_last, ("shuffled", "sequential", "windowed").index(kind))
    if kind == "windowed":
        window, _, block = order.partition(":")[2].partition(",block=")
        put("I", int(window), int(block or 64))
        out.extend(bytes.fromhex(dataset.pack))
    if subset in (None, "all"):
        put("I", 0)
    else:
        ids = dataset.splits[split].ids[subset_positions(subset, dataset.splits[split], len(dataset.classes))]
        put("I", 1)
        put("Q", len(ids), *ids.tolist())
    return blake3(bytes(out), derive_key_context="rfx v1 loader-spec").hexdigest()
