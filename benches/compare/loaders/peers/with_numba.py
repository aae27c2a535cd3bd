"""A hand-made loader: bytes in memory and one fused loop compiled by Numba, on all cores, without prefetch."""

import numpy as np

from . import CIFAR, kernels, peer
from ..workloads import CORES


def whole():
    """Copies one image."""
    from numba import njit

    @njit(nogil=True)
    def copy(index, image, out):
        out[:] = image

    return copy


@peer("ram-numba", CIFAR + ("imagenet-raw-u8",), ("numba",), "bytes in memory, one fused Numba loop on all cores")
def ram_numba(task):
    import numba

    numba.set_num_threads(CORES)
    images, table = task.images(), task.label_table()
    raw, photos = task.workload.dtype == "uint8", task.workload.source == "photos"
    window = task.window(images.shape[2])
    given = images[:, window, window] if photos else images
    make = whole() if raw else kernels.make(task, planar=True)
    shape = given.shape[1:] if raw else (3, task.side, task.side)

    @numba.njit(parallel=True, nogil=True, fastmath=True)
    def run(images, indices, out):
        for k in numba.prange(len(indices)):
            make(indices[k], images[indices[k]], out[k])

    ring = [np.empty((task.batch, *shape), task.workload.dtype) for _ in range(3)]

    def epoch(number):
        for k, indices in enumerate(task.batches(number)):
            out = ring[k % 3][: len(indices)]
            run(given, indices, out)
            yield out, table[indices]

    return epoch
