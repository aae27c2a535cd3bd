"""The images as arrays or as JPEG files, in a folder named by their content, so that what was made of other images is never
used.

A folder holds images.npy or tree/CLASS/*.jpg, clean.npy (their true labels), labels.npy (half of them redrawn), ids.npy
and statistics.npy (per channel); loaders add their own formats. Files come in the order of their paths.
"""

import hashlib
import io
import os
from pathlib import Path

import numpy as np

PHOTO_SAMPLES = 4096
PHOTO_SIDE = 256
CHECKED_PHOTOS = 512


def prepare(work, source, folder):
    """The folders with the images, and with images that tell where pixels come from."""
    if source.startswith("jpegs"):
        longest = int(source.removeprefix("jpegs-")) if "-" in source else None
        stored = store_jpegs(work, source, *read_jpegs(Path(folder), longest))
        return stored, store_jpegs(work, f"{source}-coordinates", *coordinate_jpegs())
    images, labels = {"cifar": read_cifar, "photos": read_photos}[source](Path(folder))
    return store(work, source, images, labels), coordinates(work, source, len(images))


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

    paths = photographs(folder)
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


def photographs(folder, suffixes=(".jpeg", ".jpg", ".png")):
    paths = sorted(p for p in folder.glob("*/*") if p.suffix.lower() in suffixes)
    if not paths:
        raise SystemExit(f"no CLASS/*.JPEG in {folder}: give a folder with a folder of photographs per class")
    return paths


def read_jpegs(folder, longest):
    """A tree with a folder per class: (bytes of each file, class of each), each class after the one before. Sides longer
    than `longest` are shortened."""
    from PIL import Image

    paths = photographs(folder, (".jpeg", ".jpg"))
    classes = sorted({path.parent.name for path in paths})
    files = []
    for path in paths:
        data = path.read_bytes()
        photo = Image.open(io.BytesIO(data))
        if longest is not None:
            scale = min(1, longest / max(photo.size))
            size = tuple(max(1, round(side * scale)) for side in photo.size)
            data = encoded(photo.convert("RGB").resize(size, Image.Resampling.BILINEAR), quality=90)
        files.append(data)
    return files, np.array([classes.index(path.parent.name) for path in paths])


def coordinate_jpegs():
    """Sixteen photographs of coordinates, blue for the number, at a quality that loses few levels."""
    from PIL import Image

    pixels = np.empty((PHOTO_SIDE, PHOTO_SIDE, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = np.mgrid[:PHOTO_SIDE, :PHOTO_SIDE]
    files = []
    for number in range(16):
        pixels[..., 2] = number_level(number)
        files.append(encoded(Image.fromarray(pixels), quality=100, subsampling=0))
    return files, np.arange(16)


def number_level(ids):
    """The blue of a photograph of coordinates: far enough from the next for JPEG."""
    return 16 * (ids % 16) + 8


def encoded(image, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


def store_jpegs(work, source, files, labels):
    """The folder with these files, over and over, class after class; of coordinates, number after number."""
    digest = hashlib.blake2b(digest_size=6)
    for data, label in zip(files, labels):
        digest.update(label.tobytes() + data)
    folder = work / f"{source}-{digest.hexdigest()}"
    if folder.exists():
        return folder
    unfinished = folder.with_suffix(".unfinished")
    known = "coordinates" in source
    count = CHECKED_PHOTOS if known else PHOTO_SAMPLES
    # Sample i is file i % len(files) of coordinates, whose class is i's; else the files of a class lie together.
    which = np.arange(count) % len(files) if known else np.sort(np.arange(count) % len(files))
    (unfinished / "tree").mkdir(parents=True, exist_ok=True)
    clean = np.arange(count) * 10 // count if known else labels[which]
    for i, (file, label) in enumerate(zip(which, clean)):
        path = unfinished / "tree" / f"{label:04}" / f"{i:06}.jpg"
        path.parent.mkdir(exist_ok=True)
        first = unfinished / f"file-{file}"
        if not first.exists():
            first.write_bytes(files[file])
        os.link(first, path)
    for file in range(len(files)):
        (unfinished / f"file-{file}").unlink(missing_ok=True)
    store_labels(unfinished, clean)
    times = np.bincount(which, minlength=len(files))
    counts = sum(n * histograms(data) for n, data in zip(times, files))
    store_statistics(unfinished, counts)
    return unfinished.rename(folder)


def histograms(data):
    """How often a JPEG's pixels have each level, [3, 256]."""
    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    return np.stack([np.bincount(pixels[..., c].ravel(), minlength=256) for c in range(3)])


def store_statistics(folder, counts):
    """Mean and deviation of each channel, from how often it has each level."""
    levels = np.arange(256)
    means = [count @ levels / count.sum() for count in counts]
    deviations = [np.sqrt(count @ (levels - mean) ** 2 / count.sum()) for count, mean in zip(counts, means)]
    np.save(folder / "statistics.npy", np.array([means, deviations], np.float32))


def store_labels(folder, labels):
    np.save(folder / "clean.npy", labels)
    np.save(folder / "labels.npy", redrawn(labels))
    np.save(folder / "ids.npy", np.arange(len(labels)))


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
    store_labels(unfinished, labels)
    axis = 1 if images.shape[1] == 3 else 3
    store_statistics(unfinished, [np.bincount(np.take(images, c, axis).ravel(), minlength=256) for c in range(3)])
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
