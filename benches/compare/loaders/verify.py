"""Whether batches are what was asked for.

Each label is the number of its image here, which says at once that labels belong to images, that every image comes once
per epoch, and what each image is to be compared with. Randomness is every loader's own, so images of coordinates tell
what it did: which permutation, which window. Limits for random draws are six standard deviations: a true loader is
refused about once in 10^8 checks.
"""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from .sources import number_level

TOLERANCE = 1e-4  # of whitened and normalised values, which are computed in float32
EPOCHS = (0, 1)


class Wrong(AssertionError):
    """A batch that is not what was asked for."""


def ensure(condition, message):
    if not condition:
        raise Wrong(message)


def peer(task, peer, coordinates):
    """Verifies two epochs of a peer. `coordinates` is the folder of images that tell where pixels come from."""
    task = replace(task, labels="ids")
    known = replace(task, folder=Path(coordinates))
    verify(lambda t: map(peer.epochs(t), EPOCHS), task, known)
    return True


def verify(epochs_of, task, known, clipped=False):
    """`epochs_of` gives the epochs of a task, as batches whose labels are ids; `clipped` says that Gaussian images are
    made of bytes."""
    kind = task.workload.image
    if kind == "resized":
        windows = [check_windows(known, *collect(known, epoch)) for epoch in epochs_of(known)]
        ensure(not np.allclose(*windows), "the windows are the same in both epochs")
        return
    permutations = None
    if kind == "perm":
        whole = replace(known, crop=32)
        first, second = (read_permutations(whole, *collect(whole, epoch)) for epoch in epochs_of(whole))
        ensure((first == second).all(), "the permutations change between epochs")
        permutations = first
    orders, images = [], None
    for epoch in epochs_of(task):
        order, found = collect(task, epoch)
        check_order(order)
        orders.append(order)
        if kind != "noise":
            check_images(task, order, found, permutations)
        elif images is None:
            check_noise(task, found, clipped)
            images = found[np.argsort(order)]
        else:
            difference = np.abs(images - found[np.argsort(order)]).max()
            ensure(difference <= TOLERANCE, f"Gaussian images change by {difference} between epochs")
    same = np.mean(orders[0] == orders[1])
    ensure(same < 0.1 or len(orders[0]) < 100, f"{same:.0%} of two epochs are in the same order")


def collect(task, epoch):
    """(ids, images) of a whole epoch, in its order."""
    count, side = len(task.label_table()), task.side
    ids, images, at = np.empty(count, np.int64), np.empty((count, 3, side, side), task.workload.dtype), 0
    for pixels, labels in epoch:
        pixels, labels = np.asarray(pixels), np.asarray(labels)
        length = min(task.batch, count - at)
        ensure(labels.shape == (length,) and labels.dtype == np.int64, f"labels {labels.dtype} {labels.shape}")
        ensure(pixels.shape == (length, 3, side, side), f"images of shape {pixels.shape} where {length} are due")
        ensure(pixels.dtype == images.dtype, f"images of type {pixels.dtype}")
        ids[at : at + length], images[at : at + length] = labels, pixels
        at += length
    ensure(at == count, f"an epoch of {at} samples, not {count}")
    ensure((np.sort(ids) == np.arange(count)).all(), "an epoch has not every image once")
    return ids, images


def check_order(order):
    """In a full shuffle, successive ids are a third of their range apart."""
    count = len(order)
    apart, expected = np.abs(np.diff(order)).mean(), (count + 1) / 3
    limit = 6 * 0.24 * count / np.sqrt(count)  # neighbours' distances deviate by 0.236 of the range
    ensure(abs(apart - expected) < limit, f"successive ids are {apart:.0f} apart, not {expected:.0f}: no full shuffle")


def reference(task, ids, permutations):
    """The images in float64, planar."""
    images = task.images(mapped=True)[ids]
    if images.shape[3] == 3:
        images = images.transpose(0, 3, 1, 2)
    if permutations is not None:
        rows = images.reshape(len(images), 3, -1)
        images = np.take_along_axis(rows, permutations[ids, None], axis=2).reshape(images.shape)
    window = task.window(images.shape[2])
    images = images[:, :, window, window]
    return images if task.workload.dtype == "uint8" else whitened(images, task.floor)


def whitened(images, floor):
    images = images.astype(np.float64)
    centred = images - images.mean((1, 2, 3), keepdims=True)
    return centred / np.maximum(centred.std((1, 2, 3), keepdims=True), floor)


def check_images(task, ids, images, permutations):
    for at in range(0, len(ids), 500):
        wanted = reference(task, ids[at : at + 500], permutations)
        difference = np.abs(images[at : at + 500] - wanted.astype(np.float64)).max()
        limit = 0 if wanted.dtype == np.uint8 else TOLERANCE
        ensure(difference <= limit, f"an image differs by {difference} from NumPy's")


def read_permutations(task, ids, images):
    """Where each pixel of each image came from, by id; from whole images of coordinates, whitened."""
    stored = task.images(mapped=True)
    permutations = np.empty((len(ids), 1024), np.int16)
    for start in range(0, len(ids), 500):
        rows = ids[start : start + 500]
        originals = stored[rows].astype(np.float64)
        mean, deviation = (f(originals, axis=(1, 2, 3), keepdims=True) for f in (np.mean, np.std))
        levels = images[start : start + 500] * np.maximum(deviation, task.floor) + mean
        y, x, number = np.rint(levels).reshape(len(rows), 3, -1).transpose(1, 0, 2)
        ensure(np.abs(levels - np.rint(levels)).max() < 0.1, "pixels that are in no image")
        ensure((number == (rows % 256)[:, None]).all(), "pixels of another image")
        permutations[rows] = 32 * y + x
    ensure((np.sort(permutations, axis=1) == np.arange(1024)).all(), "an image has not every position once")
    limit = 6 / np.sqrt(len(ids))  # either number has about a Poisson distribution of mean 1
    repeated = (permutations[1:] == permutations[:-1]).sum(axis=1).mean()
    ensure(abs(repeated - 1) < limit, f"permutations of two images have {repeated} positions in common, not about 1")
    fixed = (permutations == np.arange(1024)).sum(axis=1).mean()
    ensure(abs(fixed - 1) < limit, f"permutations leave {fixed} positions as they are, not about 1")
    return permutations


def check_noise(task, images, clipped):
    """Moments of each channel against those of NumPy's noise, whitened in the same way; neighbours are independent."""
    rng, channels = np.random.default_rng(2), task.statistics().T.astype(float)
    shape = (2000, task.side, task.side)
    if clipped:
        drawn = [rng.choice(256, shape, p=clipped_normal(mean, deviation)) for mean, deviation in channels]
    else:
        drawn = [rng.normal(mean, deviation, shape) for mean, deviation in channels]
    expected = whitened(np.stack(drawn, axis=1), task.floor)
    values = task.side**2 * min(2000, len(images))
    for power in range(1, 5):
        here, there = ((part.astype(np.float64) ** power).mean((0, 2, 3)) for part in (images[:2000], expected))
        spread = (expected**power).std((0, 2, 3)) * np.sqrt(2 / values)
        ensure(
            (np.abs(here - there) < 6 * spread + 1e-4).all(), f"moments {power} of the noise are {here}, not {there}"
        )
    centred = images - images.mean((0, 2, 3), keepdims=True)
    variance = (centred**2).mean()
    for name, product in (
        ("right", centred[..., 1:] * centred[..., :-1]),
        ("below", centred[:, :, 1:] * centred[:, :, :-1]),
    ):
        correlation = product.mean() / variance
        # Whitening takes 1/values of the variance out of each image, which leaves its neighbours so much correlated.
        ensure(abs(correlation) < 6 / np.sqrt(product.size) + 1e-3, f"neighbours ({name}) correlate by {correlation}")
    projected = images.reshape(len(images), -1) @ rng.standard_normal(images[0].size).astype(np.float32)
    ensure(len(np.unique(projected)) > 0.99 * len(images), "images repeat")


def clipped_normal(mean, deviation):
    """Probabilities of the levels 0..255 of normal values that, rounded and clipped, have this mean and deviation."""
    levels, mu, sigma = np.arange(256), mean, deviation
    for _ in range(500):
        below = [0.5 + 0.5 * math.erf((edge - 0.5 - mu) / (sigma * math.sqrt(2))) for edge in range(1, 256)]
        shares = np.diff([0, *below, 1])
        found = shares @ levels
        mu, sigma = mu + mean - found, sigma * deviation / np.sqrt(shares @ (levels - found) ** 2)
    return shares


def check_windows(task, ids, images):
    """[n, 5] of each image: top, left, height, width, mirrored; after checking that they are random-resized-crops."""
    (means, deviations), stored = task.statistics()[:, :, None, None], 256
    encoded = task.workload.source.startswith("jpegs")
    levels = images * deviations + means
    if encoded:  # which loses a few levels, and more where a loader encodes anew
        ensure(np.abs(levels[:, 2] - number_level(ids)[:, None, None]).max() < 8, "pixels of another image")
    else:
        ensure(np.abs(levels[:, 2] - (ids % 256)[:, None, None]).max() < 0.51, "pixels of another image")
    middle = slice(task.side // 8, -task.side // 8)  # edges are interpolated in more than one way
    lines = levels[:, 0, middle].mean(2), levels[:, 1, :, middle].mean(1)
    at = np.arange(task.side)[middle] + 0.5
    fits = [np.polyfit(at, line.T, 1) for line in lines]
    for line, (slope, offset) in zip(lines, fits):
        error = np.abs(line - (slope[:, None] * at + offset[:, None])).max()
        ensure(error < (3.0 if encoded else 1.0), f"an image is {error} pixels off any resized window")
    (tall, top), (wide, left) = fits
    mirrored = wide < 0
    left = np.where(mirrored, left + wide * task.side, left) + 0.5
    height, width, top = tall * task.side, np.abs(wide) * task.side, top + 0.5
    area, aspect = height * width / stored**2, width / height
    ensure((tall > 0).all(), "an image stands on its head")
    ensure(((area > 0.07) & (area < 1.02)).all(), f"areas from {area.min():.3f} to {area.max():.3f}")
    ensure(((aspect > 0.72) & (aspect < 1.38)).all(), f"aspects from {aspect.min():.3f} to {aspect.max():.3f}")
    ensure(0.45 < area.mean() < 0.6, f"a mean area of {area.mean():.3f}")  # 0.52 after windows that do not fit
    share = mirrored.mean()
    ensure(abs(share - 0.5) < 3 / np.sqrt(len(ids)), f"{share:.0%} of the images are mirrored")
    for start, length in ((top, height), (left, width)):
        ensure((start > -1.5).all() and (start + length < stored + 1.5).all(), "a window reaches beyond the image")
    windows = np.stack([top, left, height, width, mirrored], axis=1)
    return windows[np.argsort(ids)]
