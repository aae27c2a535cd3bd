"""A hand-made loader: bytes in memory and one fused loop compiled by Numba, on all cores, without prefetch."""

import numpy as np

from . import CIFAR, kernels, peer
from ..workloads import CORES


def cut(top, left, high, wide):
    """A function that copies a part of one image, whose rows are bytes."""
    from numba import njit

    @njit(nogil=True)
    def copy(index, image, out):
        for y in range(high):
            out[y] = image[top + y, left : left + wide]

    return copy


@peer("ram-numba", CIFAR + ("imagenet-raw-u8",), ("numba",), "bytes in memory, one fused Numba loop on all cores")
def ram_numba(task):
    import numba

    numba.set_num_threads(CORES)
    images, table, side = task.images(), task.label_table(), task.side
    shown = shape = (3, side, side)
    if task.workload.source == "photos":
        images, shape, start = (
            images.reshape(len(images), images.shape[1], -1),
            (side, 3 * side),
            task.window(256).start,
        )
        make, shown = cut(start, 3 * start, *shape), (side, side, 3)
    elif task.workload.dtype == "uint8":
        images, shape = images.reshape(len(images), -1, side), (3 * side, side)
        make = cut(0, 0, *shape)
    else:
        make = kernels.make(task, planar=True)

    @numba.njit(parallel=True, nogil=True, fastmath=True)
    def run(images, indices, out):
        for k in numba.prange(len(indices)):
            make(indices[k], images[indices[k]], out[k])

    ring = [np.empty((task.batch, *shape), task.workload.dtype) for _ in range(3)]

    def epoch(number):
        for k, indices in enumerate(task.batches(number)):
            out = ring[k % 3][: len(indices)]
            run(images, indices, out)
            pixels = out.reshape(-1, *shown)
            yield pixels if shown[0] == 3 else pixels.transpose(0, 3, 1, 2), table[indices]

    return epoch
