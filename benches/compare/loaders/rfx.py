"""rfx, through its programs: `rfx-pack` packs the same arrays or files, `rfx-inspect` writes batches to be verified, `rfx-bench`
measures."""

import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from . import verify as checks
from .measure import busy_seconds
from .process import Failed

HALF = "labels=uniform:p=0.5"
SPECS = {  # corruption, and options of the batches
    "plain": (HALF, ["--crop", "28"]),
    "noise": (f"{HALF} inputs=gaussian", ["--crop", "28"]),
    # At the stored image, as the others do: all 1,024 positions are permuted, then the crop is taken.
    "perm": (f"{HALF} inputs=random-pixels:positions,at=stored", ["--crop", "28"]),
    "u8": (HALF, ["--dtype", "u8"]),
    "imagenet-raw": (HALF, ["--crop", "random-resized:224", "--flip", "--normalise", "channel"]),
    "imagenet-jpeg": (HALF, ["--crop", "random-resized:224", "--flip", "--normalise", "channel"]),
    "imagenet-jpeg-500": (HALF, ["--crop", "random-resized:224", "--flip", "--normalise", "channel"]),
    "imagenet-raw-u8": (HALF, ["--crop", "224", "--dtype", "u8", "--layout", "nhwc"]),
}


@dataclass(frozen=True)
class Rfx:
    """One number of loader threads, and for JPEG one way to decode."""

    programs: Path
    threads: int
    decode: str | None = None

    @classmethod
    def named(cls, programs, name):
        """`rfx-2`, or `rfx-fast-2` where regions much larger than what they become are decoded at a smaller scale."""
        *fast, threads = name.removeprefix("rfx-").split("-")
        return cls(programs, int(threads), "fast" if fast else None)

    def program(self, name):
        return self.programs / name

    def call(self, name, *options):
        """Output, and seconds from start to end."""
        began = time.monotonic()
        command = [str(part) for part in (self.program(name), *options)]
        ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            raise Failed(f"{name} ended with {ran.returncode}: {ran.stderr.strip()[-1000:]}")
        return ran.stdout, time.monotonic() - began

    def pack(self, folder):
        """The packed data set of a folder of arrays or files, which is written where it is missing."""
        out = folder / "rfx"
        if (folder / "tree").exists():
            self.call("rfx-pack", "folder", folder / "tree", "--codec", "jpeg", "--stats", "--out", out, "--quiet")
            return out
        arrays = ["--images", folder / "images.npy", "--labels", folder / "clean.npy"]
        self.call("rfx-pack", "npy", *arrays, "--out", out, "--quiet")  # does nothing where it is done
        return out

    def batch(self, task, packed, epoch, step, size):
        """The tensors of a batch, and seconds from the start of the program to its end, with a file written."""
        corruption, options = options_of(task, self.decode)
        where = ["--seed", task.seed, "--epoch", epoch, "--step", step, "--batch", size]
        with tempfile.TemporaryDirectory(dir=task.folder) as folder:
            file = Path(folder) / "batch.safetensors"
            command = ["batch", packed, "--corrupt", corruption, *options, *where, "--out", file]
            _, seconds = self.call("rfx-inspect", *command)
            return tensors(file), seconds

    def verify(self, task, coordinates, packed):
        """Two whole epochs, each as one batch, and batches of the right size among them."""
        sets = {task.folder: packed, coordinates: self.pack(coordinates)}

        def epoch(of, number):
            whole, _ = self.batch(of, sets[of.folder], number, 0, len(of.label_table()))
            check_labels(of, whole)
            images, ids = planar(of, whole["input"]), whole["id"].astype(np.int64)
            for step in (0, (len(ids) - 1) // of.batch):
                part, _ = self.batch(of, sets[of.folder], number, step, of.batch)
                rows = slice(step * of.batch, (step + 1) * of.batch)
                checks.ensure((planar(of, part["input"]) == images[rows]).all(), f"step {step} is another batch")
                checks.ensure((part["label"] == whole["label"][rows]).all(), f"step {step} has other labels")
            return ((images[at : at + of.batch], ids[at : at + of.batch]) for at in range(0, len(ids), of.batch))

        known = replace(task, folder=coordinates)
        checks.verify(lambda of: (epoch(of, number) for number in checks.EPOCHS), task, known, clipped=True)

    def run(self, task, packed, seconds):
        """One run of `rfx-bench`, and one of `rfx-inspect` for the first batch."""
        _, first = self.batch(task, packed, 0, 0, task.batch)
        corruption, options = options_of(task, self.decode)
        measured = ["--batch", task.batch, "--threads", self.threads, "--seconds", seconds, "--json"]
        own, machine = os.times(), busy_seconds()
        out, wall = self.call("rfx-bench", packed, "--corrupt", corruption, *options, *measured)
        now, machine = os.times(), busy_seconds() - machine
        cpu = sum(getattr(now, key) - getattr(own, key) for key in ("children_user", "children_system"))
        result = json.loads(out)
        rate = result["images_per_s"]
        # The program's own count is of the epochs alone; the process also measures memory copies.
        row = next(iter(result.get("rows", [])), {})
        per_cpu = row.get("images_per_cpu_second", rate * wall / cpu)
        return {
            "images_per_s": rate,
            "images_per_cpu_s": per_cpu,
            "cores": rate / per_cpu,
            "other_cores": max(0.0, (machine - cpu) / wall),
            "first_batch_s": first,
            "of_copy": row.get("of_copy"),
        }


def options_of(task, decode):
    corruption, options = SPECS[task.name]
    options = [*options, "--decode", decode] if decode else options
    return corruption, [str(task.crop) if value == "28" and task.crop else value for value in options]


def planar(task, images):
    return images.transpose(0, 3, 1, 2) if images.shape[3] == 3 else images


def check_labels(task, batch):
    """Labels belong to their images, and half of them were redrawn."""
    clean = np.load(task.folder / "clean.npy")[batch["id"]]
    checks.ensure((batch["clean_label"] == clean).all(), "true labels of other images")
    kept = batch["rule"] == 0
    checks.ensure((batch["label"][kept] == clean[kept]).all(), "labels that changed without a rule")
    share, limit = 1 - kept.mean(), 3 / np.sqrt(len(kept))
    checks.ensure(abs(share - 0.5) < limit, f"{share:.1%} of the labels were redrawn, not half")
    redrawn = batch["label"][~kept]
    counts = np.bincount(redrawn, minlength=clean.max() + 1)
    expected = len(redrawn) / len(counts)
    checks.ensure(
        (np.abs(counts - expected) < 6 * np.sqrt(expected) + 6).all(), f"redrawn labels are not uniform: {counts}"
    )


def tensors(path):
    """The tensors of a safetensors file: a length, a JSON header of types, shapes and places, bytes."""
    data = np.memmap(path, np.uint8, "r")
    start = 8 + int(data[:8].view("<u8")[0])
    header = json.loads(bytes(data[8:start]))
    header.pop("__metadata__", None)
    types = {"F32": "<f4", "U8": "u1", "I64": "<i8", "U64": "<u8", "I32": "<i4", "U32": "<u4"}
    found = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        found[name] = np.frombuffer(data[start + begin : start + end].tobytes(), types[entry["dtype"]]).reshape(
            entry["shape"]
        )
    return found
