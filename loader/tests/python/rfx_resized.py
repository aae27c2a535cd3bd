"""Random resized crops: which rectangle, and what becomes of its pixels."""

import math

import numpy as np

from rfx_random import I64, threshold, words

U8 = np.uint8

# 2^16 times the square roots of 1,024 ratios, log-uniform from 3/4 to 4/3.
ROOTS = [math.floor(65536 * (4 / 3) ** ((2 * k + 1 - 1024) / 2048) + 0.5) for k in range(1024)]


def rectangle(draw, area, height, width):
    """Row, column, height and width, from the 24 words of `augment` of one sample; `area` is "0.08..1"."""
    least, most = (threshold(float(share)) for share in area.split(".."))
    draw = [int(word) for word in draw]
    for attempt in range(10):
        share, ratio = draw[4 + 2 * attempt], draw[5 + 2 * attempt] >> 22
        root = math.isqrt(height * width * (least + (share * (most - least) >> 32)))
        w, h = (root * ROOTS[ratio] + 2**31) >> 32, (root * ROOTS[1023 - ratio] + 2**31) >> 32
        if 0 < w <= width and 0 < h <= height:
            return draw[0] * (height - h + 1) >> 32, draw[1] * (width - w + 1) >> 32, h, w
    h, w = min(height, (8 * width + 3) // 6), min(width, (8 * height + 3) // 6)
    return (height - h) // 2, (width - w) // 2, h, w


def weights(source, size):
    """How much each of `source` pixels counts for each of `size` outputs, out of 32,768: i64 [size, source]."""
    o, j = np.arange(size, dtype=I64)[:, None], np.arange(source, dtype=I64)[None, :]
    n = np.maximum(2 * max(source, size) - np.abs((2 * j + 1) * size - (2 * o + 1) * source), 0)
    total = n.sum(1, keepdims=True)
    upto = (65536 * n.cumsum(1) + total) // (2 * total)
    return np.minimum(np.diff(upto, axis=1, prepend=0), 32767)


def resized(window, size):
    """u8 [c, h, w] as u8 [c, size, size]: each row, then each column, rounded once each."""
    rows = (window.astype(I64) @ weights(window.shape[2], size).T + 16384) >> 15
    return ((weights(window.shape[1], size) @ rows + 16384) >> 15).astype(U8)


def random_resized(images, ids, seed, epoch, size, area, flip):
    n, channels, height, width = images.shape
    out = np.empty((n, channels, size, size), U8)
    for i, draw in enumerate(words("augment", seed, ids, epoch, 24)):
        top, left, h, w = rectangle(draw, area, height, width)
        image = resized(images[i, :, top : top + h, left : left + w], size)
        out[i] = image[..., ::-1] if flip and draw[2] < 2**31 else image
    return out
