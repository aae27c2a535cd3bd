"""FFCV: raw pixels in its own file, the page cache, and one compiled operation of ours for all arithmetic.

Its own operations alone are slower: they go over the batch once each and cannot whiten.
"""

from dataclasses import replace

import numpy as np

from . import CIFAR, JPEGS, PHOTOS, kernels, peer
from ..workloads import CORES


def beton(task):
    return task.folder / "images.beton"


def prepare(task):
    """Writes FFCV's file, whose labels are the images' numbers."""
    from ffcv.fields import IntField, RGBImageField
    from ffcv.writer import DatasetWriter

    if beton(task).exists():
        return
    if task.workload.source.startswith("jpegs"):
        from PIL import Image

        # It stores no given bytes: it encodes the pixels again, at a quality of 90 as is its habit.
        files, field = task.files(), RGBImageField(write_mode="jpg", jpeg_quality=90)
        image = lambda index: np.asarray(Image.open(files[index]).convert("RGB"))  # noqa: E731
    else:
        images = task.images(mapped=True)
        interleaved = images if images.shape[3] == 3 else images.transpose(0, 2, 3, 1)
        image, field = lambda index: np.ascontiguousarray(interleaved[index]), RGBImageField(write_mode="raw")

    class Images:
        def __len__(self):
            return len(task.label_table())

        def __getitem__(self, index):
            return image(index), index

    unfinished = beton(task).with_suffix(".unfinished")
    fields = {"image": field, "label": IntField()}
    DatasetWriter(str(unfinished), fields, num_workers=CORES).from_indexed_dataset(Images())
    unfinished.rename(beton(task))


def operation(shape, dtype, body, parallel, indices):
    """An operation of FFCV whose compiled function is `body()`."""
    from ffcv.pipeline.allocation_query import AllocationQuery
    from ffcv.pipeline.operation import Operation

    class Compiled(Operation):
        def generate_code(self):
            code = body()
            code.is_parallel, code.with_indices = parallel, indices
            return code

        def declare_state_and_memory(self, state):
            new = replace(state, shape=shape, dtype=np.dtype(dtype), jit_mode=True)
            return new, AllocationQuery(shape, np.dtype(dtype))

    return Compiled()


def label_from(table):
    def body():
        def label(numbers, out):
            for k in range(len(numbers)):
                out[k] = table[numbers[k, 0]]
            return out[: len(numbers)]

        return label

    return operation((), "int64", body, parallel=False, indices=False)


def one_pass(task):
    """Crop, corruption and whitening, from interleaved bytes to planar floats."""

    def body():
        from ffcv.pipeline.compiler import Compiler

        rows, make = Compiler.get_iterator(), kernels.make(task, planar=False)

        def run(images, out, indices):
            for k in rows(len(indices)):
                make(indices[k], images[k], out[k])
            return out[: len(indices)]

        return run

    return operation((3, task.side, task.side), "float32", body, parallel=True, indices=True)


def flip_and_normalise(task):
    def body():
        from ffcv.pipeline.compiler import Compiler

        rows, normalise = Compiler.get_iterator(), kernels.make_normalise(task)

        def run(images, out, indices):
            for k in rows(len(indices)):
                normalise(images[k], np.random.rand() < 0.5, out[k])
            return out[: len(indices)]

        return run

    return operation((3, task.side, task.side), "float32", body, parallel=True, indices=True)


@peer("ffcv", CIFAR + PHOTOS + JPEGS, ("ffcv",), "its file, page cache, one fused Numba operation; workers",
      workers=(CORES, 1), prepare=prepare)  # fmt: skip
def ffcv(task, workers):
    from ffcv.fields import decoders
    from ffcv.loader import Loader, OrderOption
    from ffcv.transforms import ToTensor, ToTorchImage

    size, workload = (task.side, task.side), task.workload
    if workload.image == "resized":
        image = [decoders.RandomResizedCropRGBImageDecoder(size), flip_and_normalise(task), ToTensor()]
    elif workload.source == "photos":
        # The ratio of sides that leaves this square; then nothing is resized.
        decoder = decoders.CenterCropRGBImageDecoder(size, task.side / task.images(mapped=True).shape[1])
        image = [decoder, ToTensor(), ToTorchImage(channels_last=True)]
    elif workload.dtype == "uint8":
        image = [decoders.SimpleRGBImageDecoder(), ToTensor(), ToTorchImage(channels_last=True)]
    else:
        image = [decoders.SimpleRGBImageDecoder(), one_pass(task), ToTensor()]
    label = [decoders.IntDecoder(), label_from(task.label_table()), ToTensor()]
    loader = Loader(
        str(beton(task)), batch_size=task.batch, num_workers=workers, os_cache=True, order=OrderOption.RANDOM,
        seed=task.seed, drop_last=False, pipelines={"image": image, "label": label},
    )  # fmt: skip
    return lambda number: iter(loader)
