"""Writes the Python version of a CIFAR data set from its binary version.

    python write_cifar.py 10|100 BINARY_FOLDER OUT_FOLDER official|2|3|4|5

`official` gives the very instructions of the published files, which Python 2.7's cPickle and an old NumPy wrote: byte
strings for texts, numpy.core, integers for flags. The numbers are protocols of this Python and NumPy: what somebody
gets who loads the published files and saves them again. As such a person may have them either way, texts are `str` with
protocols 2 and 4, and `bytes` with 3 and 5.
"""
import pickle
import struct
import sys
from pathlib import Path

import numpy as np


class Python2(pickle._Pickler):
    """Pickles as Python 2 did."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_string(self, obj):
        data = obj.encode("latin1") if isinstance(obj, str) else obj
        short = len(data) < 256
        head = b"U" + bytes([len(data)]) if short else b"T" + struct.pack("<i", len(data))
        self.write(head + data)
        self.memoize(obj)

    dispatch[str] = dispatch[bytes] = save_string

    def save_global(self, obj, name=None):
        module = obj.__module__.replace("numpy._core", "numpy.core")
        self.write(b"c" + module.encode() + b"\n" + obj.__qualname__.encode() + b"\n")
        self.memoize(obj)

    dispatch[type] = save_global
    dispatch[type(len)] = save_global

    def reducer_override(self, obj):
        if isinstance(obj, np.dtype):
            assert obj == np.uint8
            return np.dtype, ("u1", 0, 1), (3, "|", None, None, None, -1, -1, 0)
        return NotImplemented


def write(path, value, how):
    with open(path, "wb") as file:
        if how == "official":
            Python2(file, protocol=2).dump(value)
        else:
            pickle.dump(value, file, protocol=int(how))


def main(kind, binary, out, how):
    binary, out = Path(binary), Path(out)
    out.mkdir(parents=True, exist_ok=True)
    text = (lambda t: t.encode()) if how in ("3", "5") else (lambda t: t)
    head = 1 if kind == "10" else 2
    names = (
        {f"data_batch_{i}.bin": f"data_batch_{i}" for i in range(1, 6)} | {"test_batch.bin": "test_batch"}
        if kind == "10"
        else {"train.bin": "train", "test.bin": "test"}
    )
    for source, target in names.items():
        records = np.fromfile(binary / source, np.uint8).reshape(-1, head + 3072)
        batch = {text("batch_label"): text(f"batch {target}")}
        if kind == "10":
            batch[text("labels")] = records[:, 0].tolist()
        else:
            batch[text("fine_labels")] = records[:, 1].tolist()
            batch[text("coarse_labels")] = records[:, 0].tolist()
        batch[text("data")] = np.ascontiguousarray(records[:, head:])
        batch[text("filenames")] = [text(f"image_s_{i:06}.png") for i in range(len(records))]
        write(out / target, batch, how)
    lines = lambda name: [text(n) for n in (binary / name).read_text().split()]
    if kind == "10":
        meta = {text("num_cases_per_batch"): 10000, text("label_names"): lines("batches.meta.txt"), text("num_vis"): 3072}
        write(out / "batches.meta", meta, how)
    else:
        meta = {
            text("fine_label_names"): lines("fine_label_names.txt"),
            text("coarse_label_names"): lines("coarse_label_names.txt"),
        }
        write(out / "meta", meta, how)


if __name__ == "__main__":
    main(*sys.argv[1:])
