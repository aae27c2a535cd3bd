//! A materialised copy, read as it is, gives the bytes that the original gives under the corruption.

#[path = "samples/mod.rs"]
mod samples;
#[path = "support/synthetic.rs"]
mod synthetic;

use rfx_loader::{
    CorruptionSpec, Crop, Dataset, Error, Layout, LoaderSpec, Partition, Recipe,
    dataset::Verify,
    pack::{PackCodec, PackOptions, PackOrder},
    source::{Generated, Materialised, Source, SourceError},
};
use samples::{edit_index, pack_to, reseal_shard, shard_path};
use synthetic::{Synthetic, packed, packed_as};

const SPECS: [&str; 6] = [
    "true-labels",
    "random-labels",
    "labels=uniform:p=0.5,resample=0.5 inputs=random-pixels:amount=0.5,resample=0.5 test-labels=same",
    "gaussian:resample=1",
    "shuffled-pixels:positions seed=9 test-inputs=clean",
    "labels=uniform:p=0.3,exact,exclude-true inputs=gaussian:amount=0.25",
];

const SEED: u64 = 11;

/// Of a batch: images, labels, ids, labels before the corruption.
type Seen = (Vec<u8>, Vec<i64>, Vec<i64>, Vec<i64>);

/// What a recipe gives in every step of `epoch`.
fn batches(recipe: &Recipe, epoch: u32) -> Vec<Seen> {
    let batch = |step| recipe.batch(epoch, step, Partition::WHOLE).unwrap();
    let parts = |b: rfx_loader::batch::HostBatch| {
        (b.input_bytes().to_vec(), b.labels().to_vec(), b.ids().to_vec(), b.clean_labels().to_vec())
    };
    (0..recipe.steps_per_epoch()).map(|step| parts(batch(step))).collect()
}

#[test]
fn a_copy_gives_the_bytes_that_streaming_the_corruption_gives() {
    let tmp = tempfile::tempdir().unwrap();
    for layout in [Layout::Nchw, Layout::Nhwc] {
        let source = Synthetic::new(120, 30, [3, 10, 9], layout);
        let original = packed(&source, &tmp.path().join(format!("{layout:?}")), 9_000, PackOrder::Source);
        for (i, text) in SPECS.into_iter().enumerate() {
            for epoch in [0, 3] {
                let corruption: CorruptionSpec = text.parse().unwrap();
                let asked =
                    LoaderSpec::new("").corruption(corruption.clone()).crop(Crop::Random(7)).flip(true);
                let copied = Materialised::open(&original, &asked, SEED, epoch).unwrap();
                let codec = PackCodec::Zstd { level: 1, dictionary_bytes: 0 };
                let order = PackOrder::Shuffled { seed: 2 };
                let options = PackOptions { jobs: 2, shard_bytes: 6_000, order, codec };
                let copy = packed_as(&copied, &tmp.path().join(format!("{layout:?}-{i}-{epoch}")), options);
                assert!(copy.verify(&()).unwrap().is_sound());
                for split in ["train", "test"] {
                    let spec = |crop| LoaderSpec::new(split).batch(16).crop(crop);
                    let streamed = spec(Crop::Random(7)).flip(true).corruption(corruption.clone());
                    let streamed = batches(&Recipe::new(&original, &streamed, SEED).unwrap(), epoch);
                    let read = Recipe::new(&copy, &spec(Crop::None), SEED).unwrap();
                    let clean = copy.split(split).unwrap().column("clean_label").unwrap().to_vec();
                    let first = copy.split(split).unwrap().ids()[0];
                    for (a, b) in streamed.iter().zip(batches(&read, epoch)) {
                        assert!(
                            (&a.0, &a.1, &a.2) == (&b.0, &b.1, &b.2),
                            "{layout:?} {text} {epoch} {split}"
                        );
                        let found: Vec<_> = b.2.iter().map(|&id| clean[(id - first) as usize]).collect();
                        assert_eq!(a.3, found);
                    }
                    // The original's own column is carried, of the labels before the corruption.
                    let third: Vec<_> = clean.iter().map(|label| label / 3).collect();
                    assert_eq!(copy.split(split).unwrap().column("third").unwrap(), third);
                }
            }
        }
    }
}

/// Threads that pack several splits come from one to the other in any order, and the splits need other memory to work in.
#[test]
fn splits_that_are_corrupted_differently_are_read_in_any_order() {
    let tmp = tempfile::tempdir().unwrap();
    let source = Synthetic::new(20, 10, [3, 10, 9], Layout::Nchw);
    let original = packed(&source, &tmp.path().join("original"), 1 << 20, PackOrder::Source);
    for text in SPECS.into_iter().chain(["gaussian test-inputs=clean", "random-pixels test-inputs=clean"]) {
        let spec = LoaderSpec::new("").corruption(text.parse().unwrap()).crop(Crop::Random(7));
        let image = |copied: &Materialised, split| {
            let mut out = vec![0; 3 * 7 * 7];
            copied.read(split, 3, &mut out).unwrap();
            out
        };
        let open = || Materialised::open(&original, &spec, SEED, 0).unwrap();
        let expected = [0, 1].map(|split| image(&open(), split));
        let (forth, back) = (open(), open());
        assert_eq!([0, 1].map(|split| image(&forth, split)), expected, "{text}");
        assert_eq!(
            [1, 0].map(|split| image(&back, split)),
            [expected[1].clone(), expected[0].clone()],
            "{text}"
        );
    }
}

#[test]
fn the_index_says_where_a_copy_is_from_and_a_copy_of_a_copy_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let at = |name: &str| tmp.path().join(name);
    let source = Synthetic::new(40, 10, [1, 6, 6], Layout::Nchw);
    let original = packed(&source, &at("original"), 1 << 20, PackOrder::Source);
    let spec =
        LoaderSpec::new("").corruption("gaussian:amount=0.5 seed=4".parse().unwrap()).crop(Crop::Center(4));
    let copied = Materialised::open(&original, &spec, SEED, 2).unwrap();
    let copy = packed(&copied, &at("copy"), 1 << 20, PackOrder::Source);
    let index = copy.index();
    assert_eq!(
        (index.source.kind.as_str(), index.element.shape.to_string().as_str()),
        ("materialised", "1x4x4")
    );
    let get = |name: &str| {
        let found = index.source.parameters.iter().find(|p| p.name == name);
        found.unwrap_or_else(|| panic!("no {name}")).value.clone()
    };
    assert_eq!(get("original"), original.content().to_string());
    assert_eq!((get("corruption"), get("seed")), ("gaussian:amount=0.5 seed=4".into(), SEED.to_string()));
    assert_eq!(
        (get("corruption-seed"), get("epoch"), get("original-kind")),
        ("4".into(), "2".into(), "synthetic".into())
    );
    // The spec that is told makes the digest that is told.
    for split in ["train", "test"] {
        let told: LoaderSpec = serde_json::from_str(&get("spec")).unwrap();
        let told = LoaderSpec { split: split.into(), ..told };
        let digest = Recipe::new(&original, &told, SEED).unwrap().digest().to_string();
        assert_eq!(get(&format!("spec-digest/{split}")), digest);
    }
    assert_ne!(copy.moments(), original.moments(), "those of its own images");
    assert!(index.columns.iter().all(|c| c.name != "original_id"));
    let error = Materialised::open(&copy, &spec, SEED, 0).unwrap_err();
    assert!(matches!(error, Error::Source(SourceError::NotFound { .. })), "{error}");
    assert!(error.to_string().contains("materialise its original"), "{error}");
    // What was made from generated data says so.
    pack_to(&Generated::new(), &at("generated"), &samples::options(2, 1 << 27)).unwrap();
    let generated = Dataset::open(at("generated"), Verify::Once).unwrap();
    let noise = Materialised::open(&generated, &LoaderSpec::new("").crop(Crop::Center(2)), 1, 0).unwrap();
    assert!(packed(&noise, &at("noise"), 1 << 27, PackOrder::Source).is_generated());
}

#[test]
fn ids_of_another_writer_are_kept_as_a_column() {
    let tmp = tempfile::tempdir().unwrap();
    let at = |name: &str| tmp.path().join(name);
    let small = samples::Small::new(6, 3);
    pack_to(&small, &at("original"), &samples::options(1, 1 << 27)).unwrap();
    // Ids 100 to 105, as another writer may choose them.
    let path = shard_path(&at("original"), "train");
    let mut bytes = std::fs::read(&path).unwrap();
    let data = bytes.len() - 6 * 20;
    for row in 0..6 {
        bytes[data - 6 * 16 + 8 * row..][..8].copy_from_slice(&(100 + row as i64).to_le_bytes());
    }
    samples::overwrite(&path, &bytes);
    reseal_shard(&at("original"), 0, 0, data);
    edit_index(&at("original"), |i| i["plan"]["writer"] = "another/1".into());
    let original = Dataset::open(at("original"), Verify::Once).unwrap();
    let spec = LoaderSpec::new("").corruption("random-labels".parse().unwrap());
    let copy =
        packed(&Materialised::open(&original, &spec, 1, 0).unwrap(), &at("copy"), 1 << 27, PackOrder::Source);
    let train = copy.split("train").unwrap();
    assert_eq!(train.ids(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(train.column("original_id").unwrap(), [100, 101, 102, 103, 104, 105]);
    assert_eq!(copy.split("test").unwrap().column("original_id").unwrap(), [6, 7, 8]);
    // Labels were drawn with the original's ids.
    let streamed = Recipe::new(&original, &LoaderSpec { split: "train".into(), ..spec }, 1).unwrap();
    let expected: Vec<_> = streamed.labels(0).map(|row| row.new).collect();
    assert_eq!(train.labels(), expected);
}

#[test]
fn a_damaged_original_stops_a_copy_with_its_own_error() {
    let tmp = tempfile::tempdir().unwrap();
    let small = samples::Small::new(6, 3);
    pack_to(&small, &tmp.path().join("original"), &samples::options(1, 1 << 27)).unwrap();
    let path = shard_path(&tmp.path().join("original"), "train");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    samples::overwrite(&path, &bytes);
    let original = Dataset::open(tmp.path().join("original"), Verify::Once).unwrap();
    let copied = Materialised::open(&original, &LoaderSpec::new(""), 1, 0).unwrap();
    let error = pack_to(&copied, &tmp.path().join("copy"), &samples::options(1, 1 << 27)).unwrap_err();
    assert_eq!(error.kind(), rfx_loader::ErrorKind::Mismatch);
    assert!(error.to_string().contains("row 5 (id 5)"), "{error}");
}
