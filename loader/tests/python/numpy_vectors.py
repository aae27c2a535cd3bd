"""Vectors of NumPy's legacy generator and of the labels that the paper's authors published, made by NumPy itself.

    python numpy_vectors.py > ../golden/numpy_legacy.json

`published` is their code, word for word but for its names (pluskid/fitting-random-labels, cifar10_data.py).
"""

import json

import numpy as np
from blake3 import blake3


def published(labels, corrupt_prob, n_classes):
    labels = np.array(labels)
    np.random.seed(12345)
    mask = np.random.rand(len(labels)) <= corrupt_prob
    rnd_labels = np.random.choice(n_classes, mask.sum())
    labels[mask] = rnd_labels
    return [int(x) for x in labels]


def seeded(seed):
    def fresh():
        np.random.seed(seed)
        return np.random

    words = fresh().randint(0, 2**32, 2000, dtype=np.uint32)
    return {
        "seed": seed,
        "words": [int(words[i]) for i in (0, 1, 623, 624, 1999)],
        "samples": [int(x * 2.0**53) for x in fresh().rand(3)],
        "choices": [[n, fresh().choice(n, 12).tolist()] for n in (1, 2, 7, 10, 16, 100, 1000, 65537)],
    }


def main():
    clean = [(i * 7 + i // 10) % 10 for i in range(50_000)]
    cases = []
    for p in (0.0, 0.1, 0.5, 0.99, 1.0):
        new = np.array(published(clean, p, 10))
        cases.append({
            "p": p,
            "first": new[:20].tolist(),
            "changed": int((new != clean).sum()),
            "blake3_of_i64_le": blake3(new.astype("<i8").tobytes()).hexdigest(),
        })
    vectors = {"numpy": np.__version__, "seeds": [seeded(s) for s in (0, 1, 12345, 2**32 - 1)], "published": cases}
    print(json.dumps(vectors, indent=1))


if __name__ == "__main__":
    main()
