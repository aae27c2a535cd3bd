"""Which labels are corrupted, and into what.

Rules: 0 untouched, 1 redrawn, flipped or taken from a file (it may fall on the old class), 2 redrawn for this very
epoch, 3 the target of a trigger.
"""

import csv
from dataclasses import dataclass

import numpy as np
from blake3 import blake3

import rfx_normal
from rfx_random import U32, U64, I64, Feistel, hits, mulshift, share, threshold, words

U8 = np.uint8
UNTOUCHED, REDRAWN, RESAMPLED, POISONED = 0, 1, 2, 3


@dataclass
class Samples:
    """A whole split, in id order."""

    ids: np.ndarray
    labels: np.ndarray  # clean
    classes: list  # of dicts: name, perhaps superclass
    images: object = None  # called with positions: u8 [n, c, h, w]

    def k(self):
        return len(self.classes)


def split_labels(spec, split, seed, epoch, samples):
    """New labels and rule codes of a split, with what a trigger adds."""
    new, rule = noisy_labels(spec.labels_of(split), seed, epoch, samples)
    poison = spec.inputs_of(split)
    if poison and poison.kind == "trigger" and (split == "train" or spec.test_labels):
        hit = poisoned(poison, split, seed, samples.ids, samples.labels)
        new, rule = np.where(hit, int(poison.options["target"]), new), np.where(hit, POISONED, rule).astype(U8)
    return new, rule


def poisoned(noise, split, seed, ids, old):
    """Which samples get a trigger: a share of those trained on, and of others all that are not of the target class."""
    if split != "train":
        return old != int(noise.options["target"])
    return hits(words("trigger/amount", seed, ids, 0, 1)[:, 0], noise.amount)


def noisy_labels(noise, seed, epoch, samples):
    ids, old, k = samples.ids, samples.labels, samples.k()
    if noise is None or noise.kind == "uniform":
        return labels_of(noise, seed, epoch, ids, old, k)
    if noise.kind == "zhang2017":
        new = published(old, noise.p, k)
        np.random.seed(12345)
        return new, np.where(np.random.rand(len(old)) <= noise.p, REDRAWN, UNTOUCHED).astype(U8)
    w = words("labels", seed, ids, 0, 4)
    if noise.kind == "file":
        amount = float(noise.options.get("amount", 1.0))
        taken = hits(w[:, 0], amount)
        new = file_labels(noise.options["path"], noise.options.get("column"), samples)
        return np.where(taken, new, old), np.where(taken, REDRAWN, UNTOUCHED).astype(U8)
    if noise.kind == "instance-dependent":
        leave, row_upto = instance_rows(threshold(float(noise.options["rate"])) / 2.0**32, seed, w[:, 3], samples)
        changed = w[:, 0].astype(U64) < leave
    else:
        leave, upto = conditional(noise, samples.classes)
        row_upto = upto[old]
        if noise.exact:
            changed = exact_by_class(leave, seed, old)
        else:
            changed = w[:, 0].astype(U64) < leave[old]
    rule = np.where(changed, REDRAWN, UNTOUCHED).astype(U8)
    draw = w[:, 1]
    if epoch >= 1:
        again = hits(w[:, 2], noise.resample)
        rule[changed & again] = RESAMPLED
        draw = np.where(again, words("labels/resample", seed, ids, epoch, 1)[:, 0], draw)
    new = (row_upto <= draw.astype(U64)[:, None]).sum(1)
    return np.where(changed, new, old), rule


# ---------------------------------------------------------------- uniform

def labels_of(noise, seed, epoch, ids, old, classes):
    """New labels and rule codes under uniform noise of a whole split, given in id order."""
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


# ---------------------------------------------------------------- pair-flip, asymmetric, matrix

def conditional(noise, classes):
    """Per class: how often it is left (an integer below 2^32), and the words below which each class is reached.

    u64 [K] and u64 [K, K]; a class's own column repeats the one before, so that it is never reached.
    """
    k = len(classes)
    leave, upto = np.zeros(k, U64), np.zeros((k, k), U64)
    if noise.kind == "matrix":
        amount = float(noise.options.get("amount", 1.0))
        for y, row in enumerate(read_matrix(noise.options["file"], k)):
            off = 0.0
            for j, p in enumerate(row):
                off += p if j != y else 0.0
            leave[y] = threshold(amount * (off / (off + row[y])))
            if leave[y]:
                upto[y] = _reached(row, y, off)
        return leave, upto
    for y, target in flips(noise.kind, classes).items():
        leave[y] = threshold(noise.p)
        upto[y, target:] = 2**32
    return leave, upto


def _reached(weights, y, total):
    total_so_far, reached = 0.0, []
    for j, p in enumerate(weights):
        total_so_far += p if j != y else 0.0
        reached.append(int(np.floor(4294967296.0 * (total_so_far / total) + 0.5)))
    return reached


def flips(kind, classes):
    """The one class that each class may become."""
    k, names = len(classes), [c["name"] for c in classes]
    if kind == "pair-flip":
        return {y: (y + 1) % k for y in range(k)}
    if all("superclass" in c for c in classes):
        flips = {}
        for y, c in enumerate(classes):
            siblings = [j for j in range(k) if classes[j]["superclass"] == c["superclass"]]
            if len(siblings) > 1:
                flips[y] = siblings[(siblings.index(y) + 1) % len(siblings)]
        return flips
    pairs = {"airplane": "truck>automobile bird>airplane deer>horse cat>dog dog>cat",
             "0": "7>1 2>7 5>6 6>5 3>8"}[names[0]]
    return {names.index(a): names.index(b) for a, b in (pair.split(">") for pair in pairs.split())}


def exact_by_class(leave, seed, old):
    """Of each class the first round(p_y n_y) samples that the permutation comes across."""
    walk = Feistel("labels/exact", seed, 0, len(old))(np.arange(len(old)))
    changed = np.zeros(len(old), bool)
    for y, t in enumerate(leave):
        of_class = walk[old[walk] == y]
        changed[of_class[: (int(t) * len(of_class) + 2**31) >> 32]] = True
    return changed


def read_matrix(path, k):
    rows = np.load(path) if path.endswith(".npy") else np.loadtxt(path, delimiter=",", ndmin=2)
    assert rows.shape == (k, k) and np.allclose(rows.sum(1), 1, atol=1e-3)
    return rows.astype(np.float64).tolist()


# ---------------------------------------------------------------- labels from a file

def file_labels(path, column, samples):
    columns = read_columns(path)
    name = column or next(n for n in ("label", "new", *columns) if n in columns and n not in ("id", "clean_label", "old"))
    rows = np.arange(len(samples.ids))
    if "id" in columns:
        order = np.argsort(columns["id"])
        rows = order[np.searchsorted(columns["id"][order], samples.ids)]
        assert (columns["id"][rows] == samples.ids).all()
    for clean in ("clean_label", "old"):
        if clean in columns and clean != name and "coarse" not in name:
            assert (columns[clean][rows] == samples.labels).all()
    return columns[name][rows].astype(I64)


def read_columns(path):
    if path.endswith(".npy"):
        array = np.load(path, allow_pickle=True)  # of a file that this test wrote itself
        return dict(array.item()) if array.dtype == object else {"label": array}
    with open(path, newline="") as f:
        table = list(csv.reader(f))
    names = ["id", "label"][2 - len(table[0]) :]
    if not table[0][0].lstrip("-").isdigit():
        names = table.pop(0)
    values = np.array([[int(cell) for cell in row] for row in table], I64)
    return {name: values[:, i] for i, name in enumerate(names)}


# ---------------------------------------------------------------- instance-dependent (Xia 2020)

def instance_rows(rate, seed, flip_words, samples):
    """Per sample: how often it is left (an integer), and the words below which each class is reached."""
    lowest, highest = rfx_normal.upper(rate / 0.1), 1.0 - rfx_normal.upper((1.0 - rate) / 0.1)
    p = lowest + _between(flip_words) * (highest - lowest)
    q = np.clip(rate + 0.1 * rfx_normal.quantile(p), 0.0, 1.0)
    return np.floor(q * 2.0**32 + 0.5).astype(U64), _softmax_rows(seed, samples)


def _softmax_rows(seed, samples):
    """The words below which each class is reached, whatever the rate; kept, as they take seconds."""
    n, k = len(samples.ids), samples.k()
    name = (seed, n, int(samples.ids[0]))
    if name in _SOFTMAX:
        return _SOFTMAX[name]
    upto = np.zeros((n, k), U64)
    for y in range(k):
        at = np.flatnonzero(samples.labels == y)
        if not len(at):
            continue
        x = samples.images(at).reshape(len(at), -1).astype(np.float64) / 255.0
        values = x.shape[1]
        matrix = rfx_normal.quantile(_between(words("labels/instance", seed, y, 0, values * k)[0]))
        matrix = matrix.reshape(values, k)
        logits = np.zeros((len(at), k))
        for j in range(values):  # in this order, so that sums round alike
            logits += x[:, j, None] * matrix[j]
        logits[:, y] = -np.inf
        weights = np.zeros_like(logits)
        others = np.arange(k) != y
        weights[:, others] = rfx_normal.exp(logits[:, others] - logits.max(1, keepdims=True))
        sums = np.zeros((len(at), k))
        so_far = np.zeros(len(at))
        for j in range(k):
            so_far = so_far + weights[:, j]
            sums[:, j] = so_far
        upto[at] = np.floor(4294967296.0 * (sums / so_far[:, None]) + 0.5).astype(U64)
    return _SOFTMAX.setdefault(name, upto)


_SOFTMAX = {}


def _between(word):
    """A word as a number between 0 and 1."""
    return (word.astype(np.float64) + 0.5) / 4294967296.0


# ---------------------------------------------------------------- the authors' own

def published(labels, corrupt_prob, n_classes):
    """The paper's first author's lines: pluskid/fitting-random-labels, cifar10_data.py."""
    labels = np.array(labels)
    np.random.seed(12345)
    mask = np.random.rand(len(labels)) <= corrupt_prob
    rnd_labels = np.random.choice(n_classes, mask.sum())
    labels[mask] = rnd_labels
    return labels


# ---------------------------------------------------------------- digests

def label_digest(ids, old, new, rule):
    """BLAKE3 over (id, old, new, rule) in id order: what a run prints to prove its labels."""
    row = np.dtype([("id", "<i8"), ("old", "<i8"), ("new", "<i8"), ("rule", "u1")])
    rows = np.empty(len(ids), row)
    rows["id"], rows["old"], rows["new"], rows["rule"] = ids, old, new, rule
    return blake3(rows.tobytes(), derive_key_context="rfx v1 label-digest").hexdigest()


def put_labels(put, spec, split, samples):
    """The integers of a split's label corruption, for the spec digest; `put(code, *values)` as struct.pack."""
    noise = spec.labels_of(split)
    if noise is None:
        put("I", 0)
    elif noise.kind == "uniform":
        put("I", 1)
        put("Q", threshold(noise.p))
        put("I", noise.exclude_true, noise.exact)
        put("Q", threshold(noise.resample))
    elif noise.kind == "file":
        put("I", 3)
        put("Q", threshold(float(noise.options.get("amount", 1.0))))
        put("Q", len(samples.ids))
        put("I", *file_labels(noise.options["path"], noise.options.get("column"), samples).tolist())
    elif noise.kind == "instance-dependent":
        put("I", 4)
        put("Q", threshold(float(noise.options["rate"])), threshold(noise.resample))
    elif noise.kind == "zhang2017":
        put("I", 5)
        put("Q", int(noise.p * 2.0**53))
    else:
        leave, upto = conditional(noise, samples.classes)
        put("I", 2, noise.exact)
        put("Q", threshold(noise.resample))
        put("I", samples.k())
        for y in range(samples.k()):
            row = [0, *upto[y].tolist()] if leave[y] or noise.kind != "matrix" else [0]
            targets = [(j, b) for j, (a, b) in enumerate(zip(row, row[1:])) if b > a]
            put("Q", int(leave[y]))
            put("I", len(targets))
            for j, b in targets:
                put("I", j)
                put("Q", b)
    poison = spec.inputs_of(split)
    if poison and poison.kind == "trigger" and (split == "train" or spec.test_labels):
        put("I", 256)
        put_poison(put, poison, split)


def put_poison(put, noise, split):
    put("Q", threshold(noise.amount if split == "train" else 1.0))
    put("I", split != "train", int(noise.options["target"]))


def draws_labels(noise):
    """Whether anything of it is drawn under the corruption's seed."""
    if noise is None or noise.kind == "zhang2017":
        return False
    return noise.kind != "file" or float(noise.options.get("amount", 1.0)) != 1.0
