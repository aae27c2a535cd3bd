"""NVIDIA DALI on the CPU: rows of an array from Python, everything else in its pipeline on all cores.

It has no randomness that belongs to an image, so no Gaussian or permuted images on the fly.
"""

import numpy as np

from . import JPEGS, PHOTOS, peer
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


@peer("dali-jpeg", JPEGS, ("nvidia.dali",), "file reader, window decode, resize with antialiasing; threads",
      workers=(CORES, 1))  # fmt: skip
def dali_jpeg(task, threads):
    from nvidia.dali import fn, pipeline_def, types

    side, count = task.side, len(task.label_table())
    means, deviations = task.statistics()
    # Its reader gives the first epoch in the order of the list, and shuffles after it.
    order = task.order(0)
    files, labels = task.files(), task.label_table()
    files, labels = [str(files[i]) for i in order], [int(labels[i]) for i in order]

    @pipeline_def(batch_size=task.batch, num_threads=threads, device_id=None, prefetch_queue_depth=2, seed=task.seed)
    def pipeline():
        data, label = fn.readers.file(
            files=files, labels=labels, name="Reader", shuffle_after_epoch=True, pad_last_batch=True
        )
        area, aspect = [0.08, 1.0], [3 / 4, 4 / 3]
        pixels = fn.decoders.image_random_crop(
            data, device="cpu", output_type=types.RGB, random_area=area, random_aspect_ratio=aspect, num_attempts=10
        )
        pixels = fn.resize(pixels, resize_x=side, resize_y=side, interp_type=types.INTERP_LINEAR, antialias=True)
        pixels = fn.crop_mirror_normalize(
            pixels,
            dtype=types.FLOAT,
            output_layout="CHW",
            mirror=fn.random.coin_flip(probability=0.5),
            mean=means.tolist(),
            std=deviations.tolist(),
        )
        return pixels, fn.cast(label, dtype=types.INT64)

    pipe = pipeline()
    pipe.build()

    def epoch(number):
        left = count
        while left > 0:
            pixels, label = pipe.run()
            pixels, label = np.asarray(pixels.as_tensor()), np.asarray(label.as_tensor()).reshape(-1)
            length = min(left, len(pixels))
            left -= length
            yield pixels[:length], label[:length]

    return epoch
