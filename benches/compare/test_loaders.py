"""Does the verification of loaders.py accept true batches, and refuse every kind of wrong ones?

    .venv/bin/python benches/compare/test_loaders.py

NumPy alone. Seeds are fixed; other seeds would make a true loader fail about once in 10^6 runs.
"""

import tempfile
import unittest
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from loaders import sources, verify
from loaders.workloads import Task

COUNT, PHOTOS = 300, 64


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        work, rng = Path(cls.temporary.name), np.random.default_rng(4)
        images = rng.integers(0, 256, (COUNT, 3, 32, 32), np.uint8)
        cls.stored = sources.store(work, "cifar", images, rng.integers(0, 10, COUNT))
        cls.coordinates = sources.coordinates(work, "cifar", COUNT)
        flat = np.broadcast_to(np.arange(PHOTOS, dtype=np.uint8)[:, None, None, None], (PHOTOS, 256, 256, 3)).copy()
        flat[..., 0], flat[..., 1] = np.mgrid[:256, :256]
        cls.photos = sources.store(work, "photos", flat, np.zeros(PHOTOS, np.int64))

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def verify(self, name, make, order=None, spoil=None, **options):
        """Verifies a loader that makes `make(task, epoch, id)`, in `order(epoch)`; `spoil` changes each batch."""
        task = replace(Task(name, self.photos if name == "imagenet-raw" else self.stored), labels="ids")
        known = replace(task, folder=self.photos if name == "imagenet-raw" else self.coordinates)

        def epochs(of):
            for number in verify.EPOCHS:
                ids = of.order(number) if order is None else order(number)
                parts = [ids[at : at + of.batch] for at in range(0, len(ids), of.batch)]
                batches = [
                    (np.stack([make(of, number, i) for i in part]).astype(of.workload.dtype), part) for part in parts
                ]
                yield [spoil(*batch) for batch in batches] if spoil else batches

        verify.verify(epochs, task, known, **options)

    def refused(self, why, *args, **options):
        with self.assertRaisesRegex(verify.Wrong, why):
            self.verify(*args, **options)


def whitened(task, image):
    return verify.whitened(image[None], task.floor)[0]


def plain(task, epoch, index):
    window = task.window(32)
    return whitened(task, task.images(mapped=True)[index][:, window, window])


class Stored(Case):
    def test_true_batches_are_accepted(self):
        self.verify("plain", plain)
        self.verify("u8", lambda task, epoch, index: task.images(mapped=True)[index])

    def test_wrong_values_are_refused(self):
        def shifted(task, epoch, index):
            return whitened(task, task.images(mapped=True)[index][:, 3:31, 2:30])

        self.refused("differs", "plain", shifted)
        self.refused("differs", "plain", lambda *of: plain(*of) * 1.001)
        self.refused("differs", "u8", lambda task, epoch, index: task.images(mapped=True)[index] ^ (index == 7))

    def test_labels_of_other_images_are_refused(self):
        self.refused("differs", "plain", plain, spoil=lambda images, ids: (images, np.roll(ids, 1)))

    def test_an_epoch_has_every_image_once(self):
        twice = np.random.default_rng(1).permutation(COUNT)
        twice[5] = twice[6]
        self.refused("not every image once", "plain", plain, order=lambda epoch: twice)
        self.refused("labels int64", "plain", plain, order=lambda epoch: np.arange(COUNT - 1))
        self.refused("labels int64", "plain", plain, order=lambda epoch: np.arange(COUNT + 1) % COUNT)

    def test_orders_are_shuffled_over_the_whole_set_and_anew(self):
        rng = np.random.default_rng(2)
        near = np.concatenate([rng.permutation(50) + at for at in range(0, COUNT, 50)])
        self.refused("no full shuffle", "plain", plain, order=lambda epoch: np.arange(COUNT))
        self.refused("no full shuffle", "plain", plain, order=lambda epoch: near)
        once = rng.permutation(COUNT)
        self.refused("the same order", "plain", plain, order=lambda epoch: once)

    def test_types_are_what_was_asked_for(self):
        self.refused("labels int32", "plain", plain, spoil=lambda images, ids: (images, ids.astype(np.int32)))
        self.refused("type float64", "plain", plain, spoil=lambda images, ids: (images.astype(float), ids))


def perm(positions_of):
    def make(task, epoch, index):
        window, positions = task.window(32), positions_of(epoch, index)
        image = task.images(mapped=True)[index].reshape(3, 1024)[:, positions].reshape(3, 32, 32)
        return whitened(task, image[:, window, window])

    return make


class Permuted(Case):
    def test_a_permutation_of_each_image_is_accepted(self):
        self.verify("perm", perm(lambda epoch, index: np.random.default_rng(index).permutation(1024)))

    def test_other_permutations_are_refused(self):
        self.refused("in common", "perm", perm(lambda epoch, index: np.random.default_rng(3).permutation(1024)))

        def cyclic(epoch, index):
            """Fisher and Yates with the usual mistake: nothing ever stays where it was (Sattolo)."""
            rng, positions = np.random.default_rng(index), np.arange(1024)
            for k in range(1023, 0, -1):
                other = rng.integers(0, k)
                positions[[k, other]] = positions[[other, k]]
            return positions

        self.refused("as they are", "perm", perm(lru_cache(maxsize=None)(cyclic)))
        anew = perm(lambda epoch, index: np.random.default_rng([epoch, index]).permutation(1024))
        self.refused("between epochs", "perm", anew)
        drawn = perm(lambda epoch, index: np.random.default_rng(index).integers(0, 1024, 1024))
        self.refused("in no image|another image|every position once", "perm", drawn)


def noise(draw, clipped=False):
    def make(task, epoch, index):
        means, deviations = task.statistics()[:, :, None, None].astype(float)
        image = draw(np.random.default_rng(index), (3, 28, 28)) * deviations + means
        return whitened(task, np.clip(np.rint(image), 0, 255) if clipped else image)

    return make


class Gaussian(Case):
    def test_normal_noise_of_each_image_is_accepted(self):
        self.verify("noise", noise(lambda rng, shape: rng.standard_normal(shape)))

    def test_other_noise_is_refused(self):
        uniform = noise(lambda rng, shape: rng.uniform(-(3**0.5), 3**0.5, shape))
        self.refused("moments", "noise", uniform)
        self.refused("moments", "noise", noise(lambda rng, shape: rng.standard_normal(shape), clipped=True))

        def smooth(rng, shape):
            values = rng.standard_normal((3, 28, 29))
            return (values[..., 1:] + 0.1 * values[..., :-1]) / 1.01**0.5

        self.refused("correlate", "noise", noise(smooth))
        self.refused(
            "repeat",
            "noise",
            lambda task, epoch, index: noise(np.random.Generator.standard_normal)(task, epoch, index // 2),
        )

        def anew(task, epoch, index):
            return noise(np.random.Generator.standard_normal)(task, epoch, [epoch, index])

        self.refused("between epochs", "noise", anew)


def resized(scale=1.0, flip=None, window=None, shift=0):
    """The window of a random-resized-crop of an image of coordinates, where resizing makes straight lines."""

    def make(task, epoch, index):
        rng = np.random.default_rng([epoch, index])
        while True:
            area, aspect = 256**2 * rng.uniform(0.08, 1) * scale, np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
            wide, high = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
            if max(wide, high) <= 256:
                break
        top, left = rng.integers(0, 257 - high), rng.integers(0, 257 - wide)
        if window:
            top, left, high, wide = window
        at = (np.arange(224) + 0.5) / 224
        image = np.empty((3, 224, 224))
        image[0], image[1] = np.clip(np.meshgrid(top + at * high - 0.5, left + at * wide - 0.5, indexing="ij"), 0, 255)
        image[2] = index + shift
        image = image[:, :, ::-1] if (rng.random() < 0.5 if flip is None else flip) else image
        means, deviations = task.statistics()[:, :, None, None]
        return (np.rint(image) - means) / deviations

    return make


class Resized(Case):
    def test_windows_of_random_resized_crops_are_accepted(self):
        self.verify("imagenet-raw", resized())

    def test_other_windows_are_refused(self):
        self.refused("mirrored", "imagenet-raw", resized(flip=False))
        self.refused("areas", "imagenet-raw", resized(scale=0.5))
        self.refused("a mean area", "imagenet-raw", resized(window=(0, 0, 256, 256)))
        self.refused("aspects", "imagenet-raw", resized(window=(0, 0, 256, 128)))
        self.refused("pixels of another image", "imagenet-raw", resized(shift=1))

        def bent(task, epoch, index):
            image = resized()(task, epoch, index)
            image[1] += 0.1 * np.sin(np.arange(224) / 20)
            return image

        self.refused("off any resized window", "imagenet-raw", bent)
        once = resized()
        self.refused("the same in both epochs", "imagenet-raw", lambda task, epoch, index: once(task, 0, index))


if __name__ == "__main__":
    unittest.main()
