"""A hand-made loader: bytes in memory and one fused loop compiled by Numba, on all cores, without prefetch."""

import numpy as np

from . import CIFAR, kernels, peer
from ..workloads import CORES

# Small batches that one parallel loop makes: its threads meet at the end of each, which costs as much as such a batch.
TOGETHER = 8


def cut(top, left, high, wide):
    """A function that copies a part of one image, whose rows are bytes."""
    from numba import njit

    @njit(nogil=True)
    def copy(index, image, out):
        for y in range(high):
            for x in range(wide):  # a slice would be copied twice, in case the arrays overlap
                out[y, x] = image[top + y, left + x]

    return copy


@peer("ram-numba", CIFAR + ("imagenet-raw-u8",), ("numba",), "bytes in memory, one fused Numba loop on all cores")
def ram_numba(task):
    import numba

    numba.set_num_threads(CORES)
    images, table, side = task.images(), task.label_table(), task.side
    shown = shape = (3, side, side)
    if task.workload.source == "photos":
        images, shape = images.reshape(len(images), images.shape[1], -1), (side, 3 * side)
        start = task.window(256).start
        make, shown = cut(start, 3 * start, *shape), (side, side, 3)
    elif task.workload.dtype == "uint8":
        images = images.reshape(len(images), 1, -1)
        shape = images.shape[1:]
        make = cut(0, 0, *shape)
    else:
        make = kernels.make(task, planar=True)

    @numba.njit(parallel=True, nogil=True, fastmath=True)
    def run(images, indices, out):
        for k in numba.prange(len(indices)):
            make(indices[k], images[indices[k]], out[k])

    together = TOGETHER if task.workload.source == "cifar" else 1
    made = np.empty((together * task.batch, *shape), task.workload.dtype)

    def epoch(number):
        order = task.order(number)
        for indices in np.split(order, range(len(made), len(order), len(made))):
            run(images, indices, made[: len(indices)])
            for at in range(0, len(indices), task.batch):
                rows = slice(at, min(at + task.batch, len(indices)))
                pixels = made[rows].reshape(-1, *shown)
                yield pixels if shown[0] == 3 else pixels.transpose(0, 3, 1, 2), table[indices[rows]]

    return epoch
