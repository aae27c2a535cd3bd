"""Files of labels in the forms in which CIFAR-10N and CIFAR-100N are published, for the labels of a CSV file.

    label_files.py TABLE.csv FOLDER

TABLE has the columns of `rfx-inspect labels` (id, old, new, rule). Writes `new.npy` (a dictionary of arrays, as numpy.save
pickles it today), `old.npy` (as NumPy did for Python 2: protocol 2), `made.pt` (a zip file laid out as torch.save does), and
`torch.pt` by torch.save itself where PyTorch is installed; and files that must be refused. Prints their names.
"""

import csv
import io
import os
import pickle
import sys
import zipfile

import numpy as np


def main(table, folder):
    with open(table, newline="") as f:
        rows = list(csv.DictReader(f))
    clean, new = (np.array([int(row[name]) for row in rows]) for name in ("old", "new"))
    human = {"clean_label": clean, "aggre_label": clean.copy(), "worse_label": new,
             "random_label1": new.astype(np.int32), "random_label2": new.astype(np.uint8),
             "random_label3": new.astype(">i8")}
    at = lambda name: os.path.join(folder, name)
    np.save(at("new.npy"), human)
    save_old(at("old.npy"), np.array(human))
    save_zip(at("made.pt"), pickle.dumps(human, 2))
    names = ["new.npy", "old.npy", "made.pt"]
    try:
        import torch
    except ImportError:
        pass
    else:
        torch.save(human, at("torch.pt"))
        names.append("torch.pt")
    print(" ".join(names))

    # To be refused.
    np.save(at("shifted.npy"), human | {"clean_label": np.roll(clean, 1)})
    np.save(at("floats.npy"), {"worse_label": new.astype(float)})
    np.save(at("uneven.npy"), {"worse_label": new, "clean_label": clean[1:]})
    np.save(at("calls.npy"), np.array([Calls()], dtype=object), allow_pickle=True)
    save_zip(at("calls.pt"), pickle.dumps(Calls(), 2))
    save_zip(at("packed.pt"), pickle.dumps(human, 2), zipfile.ZIP_DEFLATED)
    save_zip(at("empty.pt"), None)


class Calls:
    """Runs a command when it is unpickled by who executes pickles."""

    def __reduce__(self):
        return os.mkdir, ("executed",)


def save_old(path, array):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(array))
    with open(path, "wb") as f:
        f.write(head.getvalue() + pickle.dumps(array, 2))


def save_zip(path, data, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        if data is not None:
            archive.writestr("CIFAR-10_human/data.pkl", data)
        archive.writestr("CIFAR-10_human/version", "3\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
