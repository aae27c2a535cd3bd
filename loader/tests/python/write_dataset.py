"""Writes a small rfx data set from FORMAT.md alone: another writer, with nothing of rfx in it.

    python write_dataset.py FOLDER

Needs the package blake3. The result is committed as tests/golden/dataset-v1 and must keep opening.
"""

import json
import math
import os
import struct
import sys

from blake3 import blake3

C, H, W = 2, 1, 3
CLASSES = [{"name": "even", "id": "n0"}, {"name": "odd", "superclass": "numbers"}]
SPLITS = {"train": [5, 4], "test": [3]}  # samples per shard
PLAN_WRITER = "python-example/1"
MASK = (1 << 64) - 1


def xxh3_64(b):
    """XXH3 with 64 bits for 4 to 8 bytes, seed 0 (xxHash specification, section 'len 4-8')."""
    secret = bytes.fromhex("b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f")
    flip = struct.unpack_from("<Q", secret, 8)[0] ^ struct.unpack_from("<Q", secret, 16)[0]
    first, last = struct.unpack_from("<I", b, 0)[0], struct.unpack_from("<I", b, len(b) - 4)[0]
    h = (last + (first << 32)) ^ flip
    rotate = lambda v, n: ((v << n) | (v >> (64 - n))) & MASK
    h ^= rotate(h, 49) ^ rotate(h, 24)
    h = h * 0x9FB21C651E98DF25 & MASK
    h ^= (h >> 35) + len(b)
    h = h * 0x9FB21C651E98DF25 & MASK
    return h ^ (h >> 28)


def u32(v):
    return struct.pack("<I", v)


def u64(v):
    return struct.pack("<Q", v)


def text(s):
    return u64(len(s.encode())) + s.encode()


def derive(context, data):
    return blake3(data, derive_key_context=context)


def image(id):
    """c, y, x order."""
    return bytes((id * 53 + k * k * 29 + 7) % 200 + 20 for k in range(C * H * W))


def noise_table(mean, deviation):
    """Newton with numerical derivatives on the mean and deviation of round-then-clip of a normal distribution."""

    def moments(mu, sigma):
        tails = [0.5 * math.erfc((j - 0.5 - mu) / sigma / math.sqrt(2)) for j in range(1, 256)]
        m = sum(tails)
        return m - mean, math.sqrt(sum((2 * j - 1) * t for j, t in enumerate(tails, 1)) - m * m) - deviation

    mu, sigma = mean, deviation
    for _ in range(50):
        f, e = moments(mu, sigma), 1e-5
        a = [(p - q) / e for p, q in zip(moments(mu + e, sigma), f)]
        b = [(p - q) / e for p, q in zip(moments(mu, sigma + e), f)]
        det = a[0] * b[1] - a[1] * b[0]
        mu -= (f[0] * b[1] - f[1] * b[0]) / det
        sigma -= (a[0] * f[1] - a[1] * f[0]) / det
    assert max(map(abs, moments(mu, sigma))) < 1e-9
    phi = lambda v: 0.5 * math.erfc(-(v - mu) / sigma / math.sqrt(2))
    thresholds = [math.floor(65536 * phi(j - 0.5) + 0.5) for j in range(1, 256)]
    return {"mu": mu, "sigma": sigma, "clipped": phi(-0.5) + 1 - phi(255.5), "thresholds": thresholds}


def shard(split, number, count, ids, plan):
    """Rows in falling order of id, with two extra columns; `data` is [n, h, w, c]."""
    n = len(ids)
    ids = sorted(ids, reverse=True)
    records = [bytes(image(i)[c * H * W + p] for p in range(H * W) for c in range(C)) for i in ids]
    tensors = [
        ("label", "I64", [n], b"".join(struct.pack("<q", i % 2) for i in ids)),
        ("id", "I64", [n], b"".join(struct.pack("<q", i) for i in ids)),
        ("weight", "F32", [n], b"".join(struct.pack("<f", 1 / (i + 1)) for i in ids)),
        ("coarse", "U8", [n, 1], bytes(i % 3 for i in ids)),
        ("hash", "U8", [n, 8], b"".join(u64(xxh3_64(r)) for r in records)),
        ("data", "U8", [n, H, W, C], b"".join(records)),
    ]
    header = {
        "__metadata__": {
            "format": "rfx-shard/1",
            "split": split,
            "shard": str(number),
            "shards": str(count),
            "plan": plan,
        }
    }
    at = 0
    for name, dtype, shape, data in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    columns = b"".join(data for *_, data in tensors[:-1])
    head = json.dumps(header).encode()
    head += b" " * (-(8 + len(head) + len(columns)) % 65536)
    head = u64(len(head)) + head + columns
    return head, head + tensors[-1][3], zip(ids, records)


def main(folder):
    os.makedirs(folder)
    source = text("python-example") + text("") + u32(0)
    source = {"kind": "python-example", "generator": "", "digest": derive("rfx v1 source", source).hexdigest(), "files": []}
    plan = text(PLAN_WRITER) + text("raw") + text("source") + text("nhwc") + u32(C) + u32(H) + u32(W)
    plan += u32(len(CLASSES)) + b"".join(text(c["name"]) for c in CLASSES) + bytes.fromhex(source["digest"]) + u32(len(SPLITS))
    first = 0
    for name, counts in SPLITS.items():
        plan += text(name) + u64(sum(counts)) + u64(first) + u64(len(counts))
        first += sum(counts)
    plan = derive("rfx v1 plan", plan).hexdigest()

    splits, samples, files, first = [], [], b"", 0
    sums, squares, count = [0] * C, [0] * C, 0
    for name, counts in SPLITS.items():
        shards = []
        for number, n in enumerate(counts):
            head, whole, rows = shard(name, number, len(counts), range(first, first + n), plan)
            first += n
            for id, record in rows:
                samples.append((id, id % 2, u64(xxh3_64(record))))
                if name == "train":
                    count += H * W
                    for k, v in enumerate(record):
                        sums[k % C] += v
                        squares[k % C] += v * v
            file = f"{name}.{number}.safetensors"
            with open(os.path.join(folder, file), "wb") as f:
                f.write(whole)
            digest = blake3(whole)
            files += text(file) + u64(len(whole)) + digest.digest()
            shards.append(
                {
                    "name": file,
                    "samples": n,
                    "bytes": len(whole),
                    "blake3": digest.hexdigest(),
                    "head": blake3(head).hexdigest(),
                }
            )
        splits.append({"name": name, "samples": sum(counts), "shards": shards})

    content = text("") + u32(len(splits)) + b"".join(text(s["name"]) + u64(s["samples"]) for s in splits)
    content += u32(len(CLASSES))
    for c in CLASSES:
        content += text(c["name"])
        content += b"".join(u32(1) + text(c[k]) if k in c else u32(0) for k in ("id", "superclass"))
    content += text("u8") + text("nhwc") + u32(C) + u32(H) + u32(W)
    content += b"".join(struct.pack("<qq", id, label) + hash for id, label, hash in sorted(samples))
    content = derive("rfx v1 content", content)
    means = [s / count for s in sums]
    deviations = [math.sqrt(count * q - s * s) / count for s, q in zip(sums, squares)]
    index = {
        "format": "rfx-dataset",
        "version": 1,
        "content": content.hexdigest(),
        "pack": derive("rfx v1 pack", content.digest() + files).hexdigest(),
        "element": {"codec": "raw", "dtype": "u8", "layout": "nhwc", "shape": [C, H, W]},
        "classes": CLASSES,
        "splits": splits,
        "moments": {"split": "train", "count": count, "sum": sums, "sum_of_squares": squares},
        "gaussian": {"channels": [noise_table(m, d) for m, d in zip(means, deviations)]},
        "source": source,
        "plan": {"digest": plan, "writer": PLAN_WRITER, "order": "source"},
        "check": "0" * 64,
    }
    raw = (json.dumps(index, indent=1) + "\n").encode()
    raw = raw[:-68] + blake3(raw).hexdigest().encode() + raw[-4:]
    with open(os.path.join(folder, "dataset.json"), "wb") as f:
        f.write(raw)


if __name__ == "__main__":
    main(sys.argv[1])
