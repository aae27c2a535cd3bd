"""Writes a `meta.mat` as ILSVRC's devkit has it, with SciPy: `make_meta_mat.py OUT.mat [--plain]`.

Two of its files are committed (`loader/tests/images`): a writer that shares no code with our reader. Three classes, whose
ids are not in the order of their WordNet ids, and a synset above them.
"""

import sys

import numpy as np
import scipy.io

ROWS = [
    # id, wnid, words, gloss, children
    (1, "n02119789", "kit fox, Vulpes macrotis", "small grey fox of southwestern United States", []),
    (2, "n01440764", "tench, Tinca tinca", "freshwater dace-like game fish of Europe", []),
    (3, "n03126707", "crane", "lifts and moves heavy objects", []),
    (4, "n00001740", "entity", "that which is perceived", [1, 2, 3]),
]


def main():
    fields = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height", "num_train_images"]
    table = np.empty((len(ROWS), 1), dtype=[(f, object) for f in fields])
    for i, (number, wnid, words, gloss, children) in enumerate(ROWS):
        table[i, 0] = (float(number), wnid, words, gloss, float(len(children)), np.array(children, dtype=float), 0.0, 1300.0)
    scipy.io.savemat(sys.argv[1], {"other": np.arange(5.0), "synsets": table}, do_compression="--plain" not in sys.argv)


main()
