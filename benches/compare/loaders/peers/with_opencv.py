"""A hand-made loader of photographs: decoded pixels in a memory map, OpenCV on all cores, a compiled normalisation."""

import math
import random

import numpy as np

from . import JPEGS, kernels, peer
from ..workloads import CORES


def window(height, width, rng):
    """(top, left, height, width) of a random-resized-crop: area 0.08 to 1, aspect 3/4 to 4/3, ten attempts."""
    for _ in range(10):
        area = height * width * rng.uniform(0.08, 1)
        aspect = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
        wide, high = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if wide <= width and high <= height:
            return rng.randint(0, height - high), rng.randint(0, width - wide), high, wide
    # None did: the middle, with the nearest ratio of sides that is within the bounds.
    wide, high = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
    return (height - high) // 2, (width - wide) // 2, high, wide


@peer(
    "rawblob", ("imagenet-raw",), ("cv2", "numba"), "memory map, OpenCV and a Numba normalisation in a thread per core"
)
def rawblob(task):
    images = task.images(mapped=True)
    return threads(task, lambda index: images[index])


@peer("cv2-jpeg", JPEGS, ("cv2", "numba"), "the files, OpenCV and a Numba normalisation in a thread per core")
def jpegs(task):
    import cv2

    files = task.files()
    return threads(task, lambda index: cv2.imread(str(files[index]), cv2.IMREAD_COLOR_RGB))


def threads(task, image):
    from collections import deque
    from concurrent.futures import ThreadPoolExecutor

    import cv2

    cv2.setNumThreads(0)
    table, normalise = task.label_table(), kernels.make_normalise(task)
    size = (task.side, task.side)
    waiting = 2 * CORES
    ring = [np.empty((task.batch, 3, *size), np.float32) for _ in range(waiting + 1)]
    pool = ThreadPoolExecutor(CORES)

    def make(indices, out, seed):
        rng, resized = random.Random(seed), np.empty((*size, 3), np.uint8)
        for row, index in zip(out, indices):
            whole = image(index)
            top, left, high, wide = window(*whole.shape[:2], rng)
            cut = whole[top : top + high, left : left + wide]
            cv2.resize(cut, size, dst=resized, interpolation=cv2.INTER_LINEAR)
            normalise(resized, rng.random() < 0.5, row)
        return out, table[indices]

    def epoch(number):
        begun = deque()
        for k, indices in enumerate(task.batches(number)):
            out = ring[k % len(ring)][: len(indices)]
            begun.append(pool.submit(make, indices, out, f"{task.seed} {number} {k}"))
            if len(begun) == waiting:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()

    return epoch
