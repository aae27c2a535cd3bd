"""NVIDIA DALI on the CPU: rows of an array from Python, everything else in its pipeline on all cores.

It has no randomness that belongs to an image, so no Gaussian or permuted images on the fly.
"""

import numpy as np

from . import PHOTOS, peer
from ..workloads import CORES


def source_of(task, images):
    """Gives DALI the stored images of one batch after the other, and stops at the end of each epoch."""
    photos = task.workload.source == "photos"
    epoch, batches = -1, None

    def source(info):
        nonlocal epoch, batches
        if info.epoch_idx != epoch:
            epoch, batches = info.epoch_idx, task.batches(info.epoch_idx)
        indices = next(batches)  # StopIteration ends DALI's epoch too
        return [images[index] for index in indices] if photos else np.take(images, indices, axis=0)

    return source


@peer(
    "dali", ("plain", "u8") + PHOTOS, ("nvidia.dali",), "external source of array rows, DALI's operators on all cores"
)
def dali(task):
    import nvidia.dali.math as maths
    from nvidia.dali import fn, pipeline_def, types

    workload, table, side = task.workload, task.label_table(), task.side
    photos = workload.source == "photos"
    images = task.images(mapped=photos)
    means, deviations = task.statistics()

    @pipeline_def(batch_size=task.batch, num_threads=CORES, device_id=None, prefetch_queue_depth=2, seed=task.seed)
    def pipeline():
        pixels = fn.external_source(
            source=source_of(task, images),
            batch=True,
            batch_info=True,
            dtype=types.UINT8,
            layout="HWC" if photos else "CHW",
        )
        if workload.image == "resized":
            area, aspect = [0.08, 1.0], [3 / 4, 4 / 3]
            pixels = fn.random_resized_crop(pixels, size=[side, side], random_area=area, random_aspect_ratio=aspect)
            flip = fn.random.coin_flip(probability=0.5)
            return fn.crop_mirror_normalize(
                pixels,
                dtype=types.FLOAT,
                output_layout="CHW",
                mirror=flip,
                mean=means.tolist(),
                std=deviations.tolist(),
            )
        pixels = fn.crop(pixels, crop=(side, side), crop_pos_x=0.5, crop_pos_y=0.5)
        if workload.dtype == "uint8":
            return pixels
        mean = fn.reductions.mean(pixels, keep_dims=True)
        deviation = maths.max(fn.reductions.std_dev(pixels, mean, keep_dims=True), np.float32(task.floor))
        return fn.normalize(pixels, mean=mean, stddev=deviation, axes=(0, 1, 2))

    pipe = pipeline()
    pipe.build()

    def epoch(number):
        for indices in task.batches(number):
            (pixels,) = pipe.run()
            pixels = np.asarray(pixels.as_tensor())
            if workload.dtype == "uint8" and photos:
                pixels = pixels.transpose(0, 3, 1, 2)
            yield pixels, table[indices]
        try:
            pipe.run()
        except StopIteration:
            pipe.reset()

    return epoch
