"""NumPy over a memory map, a batch at a time, on one thread: what needs nothing else."""

import numpy as np

from . import CIFAR, peer


def whiten(pixels, out, floor):
    """Whitens images of any type into float32 `out`."""
    out[...] = pixels
    rows = out.reshape(len(out), -1)
    rows -= rows.mean(axis=1, keepdims=True)
    deviations = np.sqrt(np.einsum("ij,ij->i", rows, rows) / rows.shape[1])
    rows *= (1 / np.maximum(deviations, np.float32(floor)))[:, None]
    return out


@peer("numpy-memmap", CIFAR + ("imagenet-raw-u8",), ("numpy",), "memory map, np.take, whole-batch arithmetic, 1 thread")
def numpy_memmap(task):
    images, table = task.images(mapped=True), task.label_table()
    kind, batch, side, window = task.workload.image, task.batch, task.side, task.window(images.shape[2])
    rows = np.empty((batch, *images.shape[1:]), np.uint8)
    out = np.empty((batch, 3, side, side), np.float32)
    means, deviations = (part[:, None, None] for part in task.statistics())

    def generator(index):
        return np.random.Generator(np.random.Philox(key=int(index)))

    def noise(indices):
        pixels = np.empty((len(indices), 3, side, side), np.float32)
        for image, index in zip(pixels, indices):
            generator(index).standard_normal(dtype=np.float32, out=image)
        return pixels * deviations + means

    def permuted(indices):
        pixels = np.empty((len(indices), 3, side, side), np.uint8)
        for image, index in zip(pixels, indices):
            positions = generator(index).permutation(1024).reshape(32, 32)[window, window]
            np.take(images[index].reshape(3, 1024), positions, axis=1, out=image)
        return pixels

    def stored(indices):
        return np.take(images, indices, axis=0, out=rows[: len(indices)], mode="clip")[:, :, window, window]

    make = {"noise": noise, "perm": permuted, "stored": stored}[kind]

    def epoch(number):
        for indices in task.batches(number):
            if task.workload.source == "photos":
                pixels = images[indices, window, window].transpose(0, 3, 1, 2)
            elif task.workload.dtype == "uint8":
                pixels = stored(indices)
            else:
                pixels = whiten(make(indices), out[: len(indices)], task.floor)
            yield pixels, table[indices]

    return epoch
