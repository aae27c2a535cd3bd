"""What a loader shall deliver.

All loaders get the same images and labels, deliver every image once per epoch in an order that is shuffled anew over
the whole set, and keep the short last batch. Labels are int64; each was redrawn uniformly over all classes with
probability 1/2, once. "Whitened" is per image: (x - mean) / max(deviation, 1/sqrt(values)), of pixels in 0..1.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CORES = len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Workload:
    name: str
    source: str  # cifar, photos (decoded), or jpegs and jpegs-500 (files)
    batch: int
    crop: int  # side of the images that come out
    image: str  # stored, noise (Gaussian pixels), perm (permuted positions) or resized (random-resized-crop and flip)
    dtype: str  # of the images that come out
    about: str


WORKLOADS = {
    w.name: w
    for w in [
        Workload("plain", "cifar", 128, 28, "stored", "float32", "centre crop 28, whitened, float32 NCHW"),
        Workload("noise", "cifar", 128, 28, "noise", "float32",
                 "Gaussian pixels, their own for each image, the same in every epoch; 28 x 28, whitened, float32 NCHW"),
        Workload("perm", "cifar", 128, 28, "perm", "float32",
                 "the 1,024 positions of each image permuted in a way of its own, the same in every epoch; "
                 "centre crop 28, whitened, float32 NCHW"),
        Workload("u8", "cifar", 128, 32, "stored", "uint8", "whole images, uint8"),
        Workload("imagenet-raw", "photos", 256, 224, "resized", "float32",
                 "decoded photographs of 256 x 256: random-resized-crop 224 (area 0.08 to 1, aspect 3/4 to 4/3), flip, "
                 "normalised per channel, float32 NCHW"),
        Workload("imagenet-raw-u8", "photos", 256, 224, "stored", "uint8",
                 "decoded photographs of 256 x 256: centre crop 224, uint8, channels where they are stored"),
        Workload("imagenet-jpeg", "jpegs", 256, 224, "resized", "float32",
                 "photographs as JPEG files, as they are: random-resized-crop 224, flip, normalised, float32 NCHW"),
        Workload("imagenet-jpeg-500", "jpegs-500", 256, 224, "resized", "float32",
                 "the same with longer sides of at most 500 pixels, encoded again at quality 90"),
    ]
}  # fmt: skip


@dataclass(frozen=True)
class Task:
    """One workload over one folder of arrays (`sources` writes it)."""

    name: str
    folder: Path
    labels: str = "labels"  # or `ids`, where outputs are verified: each label then says which image it came with
    crop: int | None = None
    seed: int = 1

    @property
    def workload(self):
        return WORKLOADS[self.name]

    @property
    def batch(self):
        return self.workload.batch

    @property
    def side(self):
        return self.crop or self.workload.crop

    @property
    def floor(self):
        """The least deviation of a whitened image, in levels of 0..255."""
        return 255 / np.sqrt(3 * self.side * self.side)

    def images(self, mapped=False):
        """uint8, [n, 3, h, w] of CIFAR, [n, h, w, 3] of photographs."""
        return np.load(self.folder / "images.npy", mmap_mode="r" if mapped else None)

    def files(self):
        """The JPEG files, one for each sample."""
        return sorted((self.folder / "tree").glob("*/*.jpg"))

    def label_table(self):
        """int64, [n]."""
        return np.load(self.folder / f"{self.labels}.npy")

    def statistics(self):
        """Mean and deviation of each channel over all images, in levels of 0..255; float32."""
        return np.load(self.folder / "statistics.npy")

    def window(self, stored):
        """The rows (and columns) of the centre crop."""
        start = (stored - self.side) // 2
        return slice(start, start + self.side)

    def order(self, epoch):
        """For loaders that have no order of their own."""
        return np.random.default_rng([self.seed, epoch]).permutation(len(self.label_table()))

    def batches(self, epoch):
        order = self.order(epoch)
        return (order[start : start + self.batch] for start in range(0, len(order), self.batch))
