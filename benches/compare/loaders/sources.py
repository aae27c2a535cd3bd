"""The images as arrays, in a folder named by their content, so that what was made of other images is never used.

A folder holds images.npy, clean.npy (their true labels), labels.npy (half of them redrawn), ids.npy and statistics.npy
(per channel); loaders add their own formats.
"""

import hashlib
from pathlib import Path

import numpy as np

PHOTO_SAMPLES = 4096
PHOTO_SIDE = 256
CHECKED_PHOTOS = 512


def read(source, folder):
    """(images, labels) of a source's folder."""
    return {"cifar": read_cifar, "photos": read_photos}[source](Path(folder))


def read_cifar(folder):
    """CIFAR-10's binary version: records of a label and 3 x 32 x 32 bytes."""
    paths = sorted(folder.glob("data_batch_*.bin"))
    if not paths:
        raise SystemExit(f"no data_batch_*.bin in {folder}: give the folder cifar-10-batches-bin")
    records = np.concatenate([np.fromfile(path, np.uint8).reshape(-1, 3073) for path in paths])
    return np.ascontiguousarray(records[:, 1:]).reshape(-1, 3, 32, 32), records[:, 0].astype(np.int64)


def read_photos(folder):
    """A tree with a folder per class: shorter side to 256, centre 256 x 256, over and over."""
    from PIL import Image

    paths = sorted(p for p in folder.glob("*/*") if p.suffix.lower() in (".jpeg", ".jpg", ".png"))
    if not paths:
        raise SystemExit(f"no CLASS/*.JPEG in {folder}: give a folder with a folder of photographs per class")
    classes = sorted({path.parent.name for path in paths})
    images = np.empty((min(len(paths), PHOTO_SAMPLES), PHOTO_SIDE, PHOTO_SIDE, 3), np.uint8)
    for image, path in zip(images, paths):
        photo = Image.open(path).convert("RGB")
        scale = PHOTO_SIDE / min(photo.size)
        width, height = (max(PHOTO_SIDE, int(length * scale)) for length in photo.size)
        left, top = (width - PHOTO_SIDE) // 2, (height - PHOTO_SIDE) // 2
        photo = photo.resize((width, height), Image.Resampling.BILINEAR)
        image[:] = np.asarray(photo)[top : top + PHOTO_SIDE, left : left + PHOTO_SIDE]
    labels = np.array([classes.index(path.parent.name) for path in paths[: len(images)]])
    again = np.arange(PHOTO_SAMPLES) % len(images)
    return images[again], labels[again]


def store(work, source, images, labels):
    """The folder with these arrays, which is written where it is missing."""
    digest = hashlib.blake2b(images, digest_size=6)
    digest.update(labels.tobytes())
    folder = work / f"{source}-{digest.hexdigest()}"
    if folder.exists():
        return folder
    unfinished = folder.with_suffix(".unfinished")
    unfinished.mkdir(parents=True, exist_ok=True)
    np.save(unfinished / "images.npy", images)
    np.save(unfinished / "clean.npy", labels)
    np.save(unfinished / "labels.npy", redrawn(labels))
    np.save(unfinished / "ids.npy", np.arange(len(labels)))
    axes = (0, 2, 3) if images.shape[1] == 3 else (0, 1, 2)
    levels = np.arange(256)
    counts = [np.bincount(np.take(images, c, 1 if axes[1] == 2 else 3).ravel(), minlength=256) for c in range(3)]
    means = [count @ levels / count.sum() for count in counts]
    deviations = [np.sqrt(count @ (levels - mean) ** 2 / count.sum()) for count, mean in zip(counts, means)]
    np.save(unfinished / "statistics.npy", np.array([means, deviations], np.float32))
    return unfinished.rename(folder)


def redrawn(labels):
    """Each label is redrawn uniformly over all classes with probability 1/2."""
    rng = np.random.default_rng(1)
    anew = rng.integers(0, labels.max() + 1, len(labels))
    return np.where(rng.random(len(labels)) < 0.5, anew, labels)


def coordinates(work, source, n):
    """A folder with images that tell where each pixel comes from: its row, its column and the image's number."""
    side, count = (32, n) if source == "cifar" else (PHOTO_SIDE, CHECKED_PHOTOS)
    pixels = np.empty((count, 3, side, side), np.uint8)
    pixels[:, 0], pixels[:, 1] = np.mgrid[:side, :side]
    pixels[:, 2] = (np.arange(count) % 256)[:, None, None]
    images = pixels if source == "cifar" else np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))
    return store(work, f"{source}-coordinates", images, np.arange(count) % 10)
