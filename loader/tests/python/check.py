"""Checks the reference implementation against golden vectors, and rfx against the reference.

    check.py golden VECTORS.json [--cifar DIR]     every vector; DIR holds CIFAR-10's binary files
    check.py compare DATASET CASES.json            batches and labels that `rfx-inspect` wrote, byte for byte
    check.py pillow                                the reference's resizing against Pillow's

CASES is a list of objects. One with "batch" names a safetensors file and the arguments of `rfx_reference.batch`
it was made with; one with "labels" names a CSV (id, old, new, rule) and "digest", "corrupt", "seed", "epoch",
"split". Prints one line per difference and a count; exit 0 where all agree, 1 where not.
"""

import argparse
import csv
import json
import pathlib
import sys

import numpy as np
from blake3 import blake3

import rfx_labels
import rfx_pixels
import rfx_reference as rfx
import rfx_resized
import rfx_spec


class Report:
    def __init__(self):
        self.checked, self.wrong = 0, 0

    def same(self, what, found, expected):
        self.checked += 1
        if isinstance(found, np.ndarray) or isinstance(expected, np.ndarray):
            problem = difference(np.asarray(found), np.asarray(expected))
        else:
            problem = None if found == expected else f"found {found!r}, expected {expected!r}"
        if problem:
            self.wrong += 1
            print(f"DIFFERS {what}: {problem}")

    def finish(self):
        print(f"checked {self.checked}, wrong {self.wrong}")
        return 1 if self.wrong or not self.checked else 0


def difference(found, expected):
    if found.dtype != expected.dtype or found.shape != expected.shape:
        return f"found {found.dtype} {found.shape}, expected {expected.dtype} {expected.shape}"
    a, b = np.frombuffer(found.tobytes(), np.uint8), np.frombuffer(expected.tobytes(), np.uint8)
    if np.array_equal(a, b):  # bytes, so that -0 and 0, or two NaNs, are told apart
        return None
    element = int(np.flatnonzero(a != b)[0]) // found.itemsize
    index = tuple(int(i) for i in np.unravel_index(element, found.shape))
    return f"first at {index}: found {found[index]}, expected {expected[index]}"


def digest(array, dtype):
    return blake3(np.ascontiguousarray(array).astype(dtype).tobytes()).hexdigest()


# ---------------------------------------------------------------- golden vectors

def golden(vectors, cifar):
    report = Report()
    for v in vectors["key"]:
        report.same(f"key {v['domain']}", rfx.key(v["domain"], v["seed"]).hex(), v["key_hex"])
    for v in vectors["words"]:
        w = rfx.words(v["domain"], v["seed"], v["stream"], v["epoch"], len(v["words"]))[0]
        report.same(f"words {v['domain']}", w.tolist(), v["words"])
    for v in vectors["order"]:
        p = rfx.Feistel("order", v["seed"], v["epoch"], v["samples"])(np.arange(v["samples"]))
        what = f"order of {v['samples']}, seed {v['seed']}, epoch {v['epoch']}"
        report.same(what, p[: len(v["first"])].tolist(), v["first"])
        report.same(what, p[-len(v["last"]) :].tolist(), v["last"])
        report.same(what, digest(p, "<i8"), v["blake3_of_i64_le"])
    golden_labels(report, vectors["labels"]["cases"])
    for v in vectors["amount"]:
        hit = rfx.hits(rfx.words(v["domain"], v["seed"], np.arange(100), 0, 1)[:, 0], v["p"])
        report.same(f"amount {v['domain']}", np.flatnonzero(hit).tolist(), v["ids_hit_below_100"])
    for v in vectors["permutation"]:
        p = rfx_pixels.permutations(v["domain"], v["seed"], v.get("id", 0), v.get("epoch", 0), v["n"])[0]
        report.same(f"{v['domain']} {v['n']}", p[: len(v["first"])].tolist(), v["first"])
        report.same(f"{v['domain']} {v['n']}", digest(p, "<u4"), v["blake3_of_u32_le"])
    golden_images(report, vectors, cifar)
    return report.finish()


def golden_labels(report, cases):
    ids = np.arange(50_000)
    old = (ids * 7 + ids // 10) % 10
    for v in cases:
        noise = rfx_spec.LabelNoise(v["p"], v.get("exclude_true", False), v.get("exact", False), v.get("q", 0.0))
        new, _ = rfx_labels.labels_of(noise, v["seed"], v.get("epoch", 0), ids, old, 10)
        report.same(f"labels {noise}", new[: len(v["first"])].tolist(), v["first"])
        report.same(f"labels {noise}", int((new != old).sum()), v["changed"])
        report.same(f"labels {noise}", digest(new, "<i8"), v["blake3_of_i64_le"])


def golden_images(report, vectors, cifar):
    channels = vectors["gaussian"]["channels"]
    thresholds = [c["thresholds"] for c in channels]
    for v in vectors["gaussian"]["images"]:
        domain = "gaussian/resample" if v["epoch"] else "gaussian"
        x = rfx_pixels.gaussian_pixels(domain, v["seed"], v["id"], v["epoch"], v["shape_chw"], thresholds)
        report.same(f"gaussian {v['id']}", x.ravel()[: len(v["first"])].tolist(), v["first"])
        report.same(f"gaussian {v['id']}", digest(x, "u1"), v["blake3"])
    written_out = {
        "1x2x2 [0,1,2,3]": np.array([0, 1, 2, 3], np.uint8).reshape(1, 1, 2, 2),
        "3x4x4 all 200": np.full((1, 3, 4, 4), 200, np.uint8),
        "1x2x2 [0,255,255,0]": np.array([0, 255, 255, 0], np.uint8).reshape(1, 1, 2, 2),
    }
    for v in vectors["whitening"]:
        if v["image"] in written_out:
            y = rfx.whiten(written_out[v["image"]])
            report.same(f"whitening {v['image']}", y.tobytes().hex(), v["f32_hex_le"])
    if cifar is None:
        print("SKIPPED the vectors on CIFAR-10: give --cifar")
        return
    dataset = cifar_dataset(cifar, thresholds)
    everything = [dataset.splits["train"], dataset.splits["test"]]
    for c, v in enumerate(channels):
        x = everything[0].shards[0][:, c].astype(np.int64)
        found = [x.size, int(x.sum()), int((x * x).sum())]
        report.same(f"moments {c}", found, [v["count"], v["sum"], v["sum_of_squares"]])
    for v in vectors["whitening"]:
        if v["image"].startswith("CIFAR-10 id "):
            i = int(v["image"].split()[2].rstrip(","))
            image = everything[i // 50_000].images(np.array([i % 50_000]))
            y = rfx.whiten(rfx.geometry(image, np.array([i]), 0, 0, "center:28", False))
            report.same(f"whitening {i}", y.tobytes()[:16].hex(), v["first_f32_hex_le"])
            report.same(f"whitening {i}", digest(y, "<f4"), v["blake3_of_f32_le"])
    clean, shuffled, noisy = vectors["batch"]
    b = rfx.batch(dataset, "true-labels", 1, 0, 0, crop="center:28")
    report.same("batch ids", b["id"][: len(clean["ids"])].tolist(), clean["ids"])
    report.same("batch", digest(b["input"], "<f4"), clean["blake3"])
    b = rfx.batch(dataset, "shuffled-pixels", 1, 0, 0, crop="center:28")
    report.same("batch shuffled", digest(b["input"], "<f4"), shuffled["blake3"])
    b = rfx.batch(dataset, "partially-corrupted:0.5", 1, 0, 0, crop="center:28")
    report.same("batch labels", b["label"].tolist(), noisy["labels"])


def cifar_dataset(folder, thresholds):
    """CIFAR-10's binary files as a data set, without packing them."""
    dataset = rfx.Dataset([{"name": str(c)} for c in range(10)], thresholds, None)
    for name, files, first in (("train", [f"data_batch_{i}.bin" for i in range(1, 6)], 0),
                               ("test", ["test_batch.bin"], 50_000)):
        raw = np.concatenate([np.fromfile(pathlib.Path(folder, f), np.uint8) for f in files])
        raw = raw.reshape(-1, 3073)
        where = np.stack([np.zeros(len(raw), int), np.arange(len(raw))], axis=1)
        dataset.splits[name] = rfx.Split(
            name, first + np.arange(len(raw)), raw[:, 0].astype(np.int64),
            [raw[:, 1:].reshape(-1, 3, 32, 32)], where, "nchw",
        )
    return dataset


# ---------------------------------------------------------------- rfx against the reference

def compare(directory, cases):
    report = Report()
    dataset = rfx.Dataset.open(directory)
    for case in cases:
        case = dict(case)
        what = json.dumps({k: v for k, v in case.items() if k not in ("batch", "labels", "digest")})
        if "labels" in case:
            compare_labels(report, what, dataset, **case)
            continue
        found, metadata = rfx.read_safetensors(case.pop("batch"))
        corrupt, seed, epoch, step = (case.pop(k) for k in ("corrupt", "seed", "epoch", "step"))
        case["batch"] = case.pop("batch_size", 128)
        expected = rfx.batch(dataset, corrupt, seed, epoch, step, **case)
        for name, tensor in expected.items():
            report.same(f"{name} of {what}", found[name], tensor)
        case = {k: v for k, v in case.items() if k not in ("rank", "world")}
        digest = rfx.spec_digest(dataset, corrupt, seed, **case)
        report.same(f"spec digest of {what}", json.loads(metadata["rfx"])["spec_digest"], digest)
    return report.finish()


def compare_labels(report, what, dataset, labels, digest, corrupt, seed, epoch, split="train", subset=None):
    spec, samples = rfx.Spec.parse(corrupt), dataset.splits[split]
    world = rfx.samples_of(dataset, split)
    new, rule = rfx_labels.split_labels(spec, split, spec.seed_or(seed), epoch, world)
    at = rfx.subset_positions(subset, samples, world.k())
    expected = (samples.ids[at], samples.labels[at], new[at], rule[at])
    with open(labels, newline="") as f:
        rows = [tuple(int(row[k]) for k in ("id", "old", "new", "rule")) for row in csv.DictReader(f)]
    report.same(f"labels of {what}", np.array(rows, np.int64), np.stack(expected, 1).astype(np.int64))
    report.same(f"label digest of {what}", digest, rfx.label_digest(*expected))


# ---------------------------------------------------------------- the reference against Pillow

def pillow():
    """Crops of noise and of smooth images, shrunk and grown. Each pass of either may round a value that lies at a half
    to the other side, so two levels are possible; all but one value in 100,000 are within one.
    """
    from PIL import Image

    random = np.random.default_rng(1)
    report, levels = Report(), np.zeros(256, np.int64)
    sides = [(256, 256, 224), (224, 224, 224), (77, 91, 224), (1, 5, 9), (300, 17, 40), (500, 375, 32), (640, 480, 7)]
    sides += [tuple(random.integers(1, 300, 2)) + (int(random.integers(1, 260)),) for _ in range(60)]
    for h, w, size in sides:
        y, x = np.indices((h, w))
        smooth = 127.5 + 127.5 * np.sin(x / 9) * np.cos(y / 7)
        for image in (random.integers(0, 256, (h, w)), 255 * random.integers(0, 2, (h, w)), smooth):
            image = image.astype(np.uint8)
            found = rfx_resized.resized(image[None], size)[0].astype(int)
            expected = np.asarray(Image.fromarray(image).resize((size, size), Image.BILINEAR)).astype(int)
            difference = np.abs(found - expected)
            report.same(f"{h}x{w} to {size} is within 2 levels", bool(difference.max() <= 2), True)
            levels += np.bincount(difference.ravel(), minlength=256)
    print(f"{levels.sum()} values: {levels[1]} differ by one level, {levels[2]} by two")
    report.same("values within one level", bool(levels[2:].sum() * 100_000 <= levels.sum()), True)
    report.same("equal values", bool(levels[0] >= 0.97 * levels.sum()), True)
    return report.finish()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(required=True, dest="command")
    sub = commands.add_parser("golden")
    sub.add_argument("vectors")
    sub.add_argument("--cifar")
    sub = commands.add_parser("compare")
    sub.add_argument("dataset")
    sub.add_argument("cases")
    commands.add_parser("pillow")
    options = parser.parse_args()
    if options.command == "pillow":
        return pillow()
    if options.command == "golden":
        return golden(json.loads(pathlib.Path(options.vectors).read_text()), options.cifar)
    return compare(options.dataset, json.loads(pathlib.Path(options.cases).read_text()))


if __name__ == "__main__":
    sys.exit(main())
