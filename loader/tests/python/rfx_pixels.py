"""What happens to images: u8 [n, c, h, w] throughout."""

import functools
import math

import numpy as np

import rfx_normal
from rfx_labels import poisoned, put_poison
from rfx_random import I64, U32, U64, hits, mulshift, threshold, words

U8 = np.uint8
UNTOUCHED, CORRUPTED, RESAMPLED = 0, 1, 2
DOMAINS = {"shuffled-pixels": "permute-shared", "random-pixels": "permute"}

# CIFAR-10-C, severities 1 to 5 (Hendrycks & Dietterich 2019).
SEVERITIES = {
    "additive": ("sigma", (0.04, 0.06, 0.08, 0.09, 0.10)),
    "impulse": ("p", (0.01, 0.02, 0.03, 0.05, 0.07)),
    "shot": ("lambda", (500.0, 250.0, 100.0, 75.0, 50.0)),
}


def permutations(domain, seed, streams, epoch, size):
    """Fisher-Yates from the top, one permutation per stream: i64 [n, size]; out[k] = in[p[k]]."""
    w = words(domain, seed, streams, epoch, size - 1)
    p = np.tile(np.arange(size), (len(w), 1))
    row = np.arange(len(w))
    for used, i in enumerate(range(size - 1, 0, -1)):
        j = mulshift(w[:, used], i + 1).astype(I64)
        p[row, j], p[row, i] = p[row, i], p[row, j]
    return p


def halves(domain, seed, ids, epoch, shape):
    """A 16-bit word for every value, in c, y, x order: the low, then the high half of each word."""
    values = math.prod(shape)
    w = words(domain, seed, ids, epoch, -(-values // 2))
    both = np.stack([w & U32(0xFFFF), w >> U32(16)], axis=-1)
    return both.reshape(len(w), -1)[:, :values].reshape(-1, *shape)


def gaussian_pixels(domain, seed, ids, epoch, shape, thresholds):
    """Noise images: each value is the number of its channel's 255 thresholds <= the next 16-bit word."""
    h = halves(domain, seed, ids, epoch, tuple(shape))
    noise = [np.searchsorted(thresholds[c], h[:, c], side="right") for c in range(shape[0])]
    return np.stack(noise, axis=1).astype(U8)


def strength(noise):
    name, constants = SEVERITIES[noise.kind]
    severity = noise.options.get("severity")
    return float(noise.options[name]) if severity is None else constants[int(severity) - 1]


@functools.cache
def additive_thresholds(sigma):
    """T(k), k from -254 to 255; t_j of the value x is T(j - x)."""
    s = 255.0 * sigma
    return [round_up(65536.0 * rfx_normal.upper((0.5 - k) / s)) for k in range(-254, 256)]


@functools.cache
def shot_thresholds(lam):
    """t_1 to t_255 of every value."""
    table = np.zeros((256, 255), np.int64)
    for x in range(256):
        mean = lam * x / 255.0
        photons, probability, below = 0, float(rfx_normal.exp(-mean)), 0.0
        for j in range(1, 256):
            while photons < math.ceil((j - 0.5) * lam / 255.0):
                below += probability
                photons += 1
                probability = probability * mean / photons
            table[x, j - 1] = round_up(65536.0 * min(below, 1.0))
    return table


def round_up(x):
    """To the nearest integer, half up, of numbers of at least 0."""
    whole = math.floor(x)
    return whole + (x - whole >= 0.5)


def pepper(p):
    return round_up(65536.0 * (p / 2.0))


def patch(noise, shape):
    """Row, column, side, weight and values of a trigger's patch."""
    _, height, width = shape
    side = int(noise.options.get("size", 3))
    where = noise.options.get("position", "bottom-right")
    pattern = noise.options.get("pattern", "checker")
    y, x = np.indices((side, side))
    values = np.where((y + x) % 2 == 0, 255, 0) if pattern == "checker" else np.full((side, side), int(pattern))
    row = height - side if where.startswith("bottom") else 0
    column = width - side if where.endswith("right") else 0
    return row, column, side, round_up(float(noise.options.get("blend", 1.0)) * 65536.0), values


def corrupt_images(noise, split, seed, epoch, ids, labels, images, thresholds):
    """What the network sees in place of the images of samples with these ids and clean labels, and rule codes."""
    rule = np.zeros(len(ids), U8)
    if noise is None:
        return images, rule
    if noise.kind == "trigger":
        rule[poisoned(noise, split, seed, ids, labels)] = CORRUPTED
        out = images.copy()
        out[rule == CORRUPTED] = stamped(noise, images[rule == CORRUPTED])
        return out, rule
    domain = DOMAINS.get(noise.kind, noise.kind)
    assert not (noise.kind == "shuffled-pixels" and noise.resample), "one permutation for all, none redrawn"
    w = words(domain + "/amount", seed, ids, 0, 2)
    corrupted = hits(w[:, 0], noise.amount)
    again = hits(w[:, 1], noise.resample) & (epoch >= 1)
    rule[corrupted] = CORRUPTED
    rule[corrupted & again] = RESAMPLED
    out = images.copy()
    for code, suffix, draw_epoch in ((CORRUPTED, "", 0), (RESAMPLED, "/resample", epoch)):
        chosen = rule == code
        if chosen.any():
            draw = (domain + suffix, seed, ids[chosen], draw_epoch)
            out[chosen] = _corrupt(noise, *draw, images[chosen], thresholds)
    return out, rule


def _corrupt(noise, domain, seed, ids, epoch, images, thresholds):
    n, *shape = images.shape
    if noise.kind == "gaussian":
        return gaussian_pixels(domain, seed, ids, epoch, shape, thresholds)
    if noise.kind in SEVERITIES:
        return _noisy(noise, halves(domain, seed, ids, epoch, tuple(shape)), images)
    streams = 0 if noise.kind == "shuffled-pixels" else ids  # one permutation for all images, or one each
    rows = images.reshape(n, shape[0], -1) if noise.positions else images.reshape(n, 1, -1)
    p = permutations(domain, seed, streams, epoch, rows.shape[2])
    return np.take_along_axis(rows, p[:, None, :], axis=2).reshape(images.shape)


def _noisy(noise, half, images):
    if noise.kind == "additive":
        # From the definition: a row of thresholds per value, counted.
        t = np.array(additive_thresholds(strength(noise)))
        out = np.empty_like(images)
        for x in range(256):
            row = t[254 - x + 1 : 254 - x + 256]  # T(1 - x) to T(255 - x)
            at = images == x
            out[at] = np.searchsorted(row, half[at], side="right")
        return out
    if noise.kind == "impulse":
        edge = pepper(strength(noise))
        return np.where(half < edge, 0, np.where(half >= 65536 - edge, 255, images)).astype(U8)
    table = shot_thresholds(strength(noise))
    out = np.empty_like(images)
    for x in range(256):
        at = images == x
        out[at] = np.searchsorted(table[x], half[at], side="right")
    return out


def stamped(noise, images):
    row, column, side, weight, values = patch(noise, images.shape[1:])
    out = images.copy()
    window = out[:, :, row : row + side, column : column + side].astype(np.int64)
    out[:, :, row : row + side, column : column + side] = (window * (65536 - weight) + values * weight + 32768) >> 16
    return out


KINDS = (None, "shuffled-pixels", "random-pixels", "gaussian", "additive", "impulse", "shot", "trigger")


def put_images(put, noise, split, shape, thresholds):
    """The integers of an image corruption, for the spec digest; `shape` is that of the image it acts on."""
    if noise is None:
        put("I", 0)
        return
    put("I", KINDS.index(noise.kind) + (256 if noise.stored else 0))
    if noise.kind == "trigger":
        put_poison(put, noise, split)
        row, column, side, weight, values = patch(noise, shape)
        put("I", row, column, side, weight)
        put("B", *values.ravel().tolist())
        return
    if noise.kind in DOMAINS:
        put("I", noise.positions)
    put("Q", threshold(noise.amount))
    if noise.kind != "shuffled-pixels":
        put("Q", threshold(noise.resample))
    if noise.kind == "gaussian":
        for channel in thresholds:
            put("I", *channel)
    elif noise.kind == "additive":
        put("I", *additive_thresholds(strength(noise)))
    elif noise.kind == "impulse":
        put("I", pepper(strength(noise)))
    elif noise.kind == "shot":
        for row in shot_thresholds(strength(noise)):
            put("I", *row.tolist())
