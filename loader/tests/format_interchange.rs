//! Other programs read what we write: the safetensors libraries of Rust and Python, and a reader in Python that was
//! written from FORMAT.md alone and derives both ids.

#[path = "samples/mod.rs"]
mod samples;
mod support;

use std::{fs, process::Command};

use rfx_loader::{
    ImageShape, Layout,
    dataset::{Dataset, Verify},
    pack::{PackOptions, PackOrder},
    source::Source,
};
use safetensors::{Dtype, SafeTensors};
use samples::{Small, pack_to};

fn packed(layout: Layout) -> (tempfile::TempDir, Small, Dataset) {
    let tmp = tempfile::tempdir().unwrap();
    let mut source = Small::new(50, 7);
    source.layout = layout;
    source.shape = ImageShape::new(3, 4, 5).unwrap();
    let order = PackOrder::Shuffled { seed: 4 };
    pack_to(&source, tmp.path(), &PackOptions { jobs: 1, shard_bytes: 1500, order, ..Default::default() })
        .unwrap();
    let dataset = Dataset::open(tmp.path(), Verify::Once).unwrap();
    (tmp, source, dataset)
}

#[test]
fn the_safetensors_crate_opens_every_shard() {
    for (layout, image) in [(Layout::Nchw, [3, 4, 5]), (Layout::Nhwc, [4, 5, 3])] {
        let (tmp, source, dataset) = packed(layout);
        for (number, split) in dataset.index().splits.iter().enumerate() {
            for shard in &split.shards {
                let bytes = fs::read(tmp.path().join(&shard.name)).unwrap();
                let tensors = SafeTensors::deserialize(&bytes).unwrap();
                let n = shard.samples;
                let get = |name: &str| tensors.tensor(name).unwrap();
                let ids = get("id").data().as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b));
                let labels = get("label").data().as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b));
                assert_eq!((get("id").dtype(), get("label").dtype()), (Dtype::I64, Dtype::I64));
                assert_eq!((get("hash").shape(), get("data").dtype()), (&[n, 8][..], Dtype::U8));
                assert_eq!(get("data").shape(), [n, image[0], image[1], image[2]]);
                let first = if number == 0 { 0 } else { 50 };
                for ((id, label), record) in ids.zip(labels).zip(get("data").data().chunks(60)) {
                    assert_eq!(record, source.image(number, id as usize - first));
                    assert_eq!(label, source.label(number, id as usize - first).unwrap());
                }
                let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
                let metadata = metadata.metadata().as_ref().unwrap();
                assert_eq!(metadata["format"], "rfx-shard/1");
                assert_eq!(metadata["plan"], dataset.index().plan.digest.to_string());
            }
        }
    }
}

const READER: &str = r#"
import json, os, struct, sys
import numpy as np
from blake3 import blake3
from safetensors import safe_open

folder = sys.argv[1]
raw = open(os.path.join(folder, "dataset.json"), "rb").read()
index = json.loads(raw)
assert index["format"] == "rfx-dataset" and index["version"] == 1
end = len(raw) - 4
check = raw[end - 64:end]
assert blake3(raw[:end - 64] + b"0" * 64 + raw[end:]).hexdigest().encode() == check == index["check"].encode()

u32 = lambda v: struct.pack("<I", v)
u64 = lambda v: struct.pack("<Q", v)
text = lambda s: u64(len(s.encode())) + s.encode()
content = text(index["source"]["generator"]) + u32(len(index["splits"]))
for split in index["splits"]:
    content += text(split["name"]) + u64(split["samples"])
content += u32(len(index["classes"]))
for c in index["classes"]:
    content += text(c["name"])
    content += b"".join(u32(1) + text(c[k]) if k in c else u32(0) for k in ("id", "superclass"))
content += text("u8") + text(index["element"]["layout"])
for side in index["element"]["shape"]:
    content += u32(side)
rows, files = [], b""
sums = {}
for split in index["splits"]:
    for i, shard in enumerate(split["shards"]):
        path = os.path.join(folder, shard["name"])
        blob = open(path, "rb").read()
        assert len(blob) == shard["bytes"] and blake3(blob).hexdigest() == shard["blake3"]
        values = shard["samples"] * int(np.prod(index["element"]["shape"]))
        assert (len(blob) - values) % 65536 == 0
        assert blake3(blob[:len(blob) - values]).hexdigest() == shard["head"]
        with safe_open(path, framework="numpy") as f:
            meta = f.metadata()
            assert meta["format"] == "rfx-shard/1" and meta["split"] == split["name"]
            assert meta["shard"] == str(i) and meta["plan"] == index["plan"]["digest"]
            label, id, hash, data = (f.get_tensor(k) for k in ("label", "id", "hash", "data"))
        assert label.dtype == np.int64 and hash.dtype == np.uint8 and data.dtype == np.uint8
        rows += [(int(a), int(b), bytes(h)) for a, b, h in zip(id, label, hash)]
        files += text(shard["name"]) + u64(shard["bytes"]) + bytes.fromhex(shard["blake3"])
        axes = (0, 2, 3) if index["element"]["layout"] == "nchw" else (0, 1, 2)
        wide = data.astype(np.uint64)
        total, squares = sums.get(split["name"], (0, 0))
        sums[split["name"]] = (total + wide.sum(axes), squares + (wide * wide).sum(axes))
for id, label, hash in sorted(rows):
    content += struct.pack("<qq", id, label) + hash
content = blake3(content, derive_key_context="rfx v1 content")
assert content.hexdigest() == index["content"]
pack = blake3(content.digest() + files, derive_key_context="rfx v1 pack")
assert pack.hexdigest() == index["pack"]
total, squares = sums[index["moments"]["split"]]
assert total.tolist() == index["moments"]["sum"] and squares.tolist() == index["moments"]["sum_of_squares"]
print(content.hexdigest(), pack.hexdigest())
"#;

#[test]
fn a_reader_in_python_checks_everything_and_derives_both_ids() {
    let Some(python) = support::python("a_reader_in_python_checks_everything_and_derives_both_ids") else {
        return;
    };
    for layout in [Layout::Nchw, Layout::Nhwc] {
        let (tmp, _, dataset) = packed(layout);
        let output = Command::new(&python).args(["-c", READER]).arg(tmp.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let expected = format!("{} {}\n", dataset.content(), dataset.pack());
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
}
