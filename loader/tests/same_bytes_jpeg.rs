//! Batches of JPEG records: the same bytes on any threads, ranks and shards, those of images that were decoded whole
//! beforehand, and what becomes of records that cannot be decoded.
#![cfg(feature = "jpeg")]

use std::{fs, path::Path, sync::atomic::AtomicBool};

use rfx_loader::{
    Crop, Dataset, Dtype, Layout, Loader, LoaderSpec, Normalise, OnBadRecord, OrderKind, Partition, Recipe,
    batch::HostBatch,
    dataset::Verify,
    decode::{Colour, Profile, conformance::CASES},
    digest::{Digest, Hasher},
    pack::{PackOptions, PackOrder, pack},
    source::{EncodeOptions, ImageOptions, Images},
};
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

const BATCH: usize = 8;
const EPOCHS: u32 = 2;

/// A JPEG of this size, sampling and coding, all of which follow from its number.
fn jpeg(number: usize) -> Vec<u8> {
    let (height, width) = (20 + number * 37 % 190, 20 + number * 53 % 230);
    let value = |i: usize| {
        let (y, x, c) = (i / 3 / width, i / 3 % width, i % 3);
        ((x * (c + 1) + y * 2 + number * 31) ^ (x * y / 7)) as u8
    };
    let pixels: Vec<u8> = (0..height * width * 3).map(value).collect();
    let samplings = [Subsamp::Sub2x2, Subsamp::None, Subsamp::Sub2x1, Subsamp::Gray, Subsamp::Sub1x2];
    let mut compressor = Compressor::new().unwrap();
    compressor.set_subsamp(samplings[number % 5]).unwrap();
    compressor.set_progressive(number % 7 == 3).unwrap();
    let image = Image { pixels: &pixels[..], width, pitch: 3 * width, height, format: PixelFormat::RGB };
    compressor.compress_to_vec(image).unwrap()
}

/// A tree of two classes with these files in each other one, by rising ids.
fn tree(files: &[Vec<u8>]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let half = files.len().div_ceil(2);
    for (i, bytes) in files.iter().enumerate() {
        let class = folder.path().join(if i < half { "a" } else { "b" });
        fs::create_dir_all(&class).unwrap();
        fs::write(class.join(format!("{i:03}.jpg")), bytes).unwrap();
    }
    folder
}

/// Photographs of every kind, an inked one and a PNG among them.
fn files() -> Vec<Vec<u8>> {
    let mut files: Vec<_> = (0..35).map(jpeg).collect();
    for name in ["cmyk.jpg", "ycck.jpg", "rgb.png", "rgb422.jpg"] {
        files.push(CASES.iter().find(|c| c.name == name).unwrap().bytes.to_vec());
    }
    files
}

fn encoded(colour: Colour) -> ImageOptions {
    let encode = Some(EncodeOptions { moments: true, ..EncodeOptions::default() });
    ImageOptions { encode, colour, jobs: 1, ..ImageOptions::default() }
}

fn packed(tree: &Path, images: &ImageOptions, options: PackOptions, out: &Path) -> Dataset {
    let source = Images::folder(tree, images, &()).unwrap();
    pack(&source, out, &options, &(), &AtomicBool::new(false)).unwrap();
    Dataset::open(out, Verify::Once).unwrap()
}

fn plain() -> PackOptions {
    PackOptions { jobs: 1, ..PackOptions::default() }
}

type Delivered = (u32, u64, usize, Digest);

macro_rules! delivered {
    ($batch:expr) => {{
        let batch = $batch;
        let bytes = batch.input_bytes().len() / batch.len().max(1);
        let sample = |i: usize| -> Delivered {
            let mut hasher = Hasher::new("test");
            hasher.bytes(&batch.input_bytes()[i * bytes..(i + 1) * bytes]);
            hasher.i64(batch.labels()[i]).i64(batch.clean_labels()[i]).i64(batch.ids()[i]);
            hasher.bytes(&[batch.rules()[i], batch.input_rules()[i]]);
            (batch.epoch(), batch.step(), batch.info().offset + i, hasher.finish())
        };
        (0..batch.len()).map(sample).collect::<Vec<_>>()
    }};
}

fn reference(recipe: &Recipe) -> Vec<Delivered> {
    let steps = (0..EPOCHS).flat_map(|e| (0..recipe.steps_per_epoch()).map(move |s| (e, s)));
    steps.flat_map(|(e, s)| delivered!(recipe.batch(e, s, Partition::WHOLE).unwrap())).collect()
}

fn loaded(recipe: &Recipe, threads: usize, slots: usize, world: u32) -> Vec<Delivered> {
    let mut seen = Vec::new();
    for rank in 0..world {
        let loader = Loader::builder(recipe.clone()).threads(threads).slots(slots).epochs(EPOCHS);
        let loader = loader.partition(Partition::new(rank, world).unwrap()).start().unwrap();
        for batch in loader {
            seen.extend(delivered!(batch.unwrap()));
        }
    }
    seen.sort_by_key(|s| (s.0, s.1, s.2));
    seen
}

fn specs() -> Vec<LoaderSpec> {
    let base = |crop: &str| LoaderSpec::new("train").batch(BATCH).crop(crop.parse().unwrap()).flip(true);
    let corrupted = |spec: LoaderSpec, text: &str| spec.corruption(text.parse().unwrap());
    vec![
        base("random-resized:32").normalise(Normalise::Whiten).dtype(Dtype::F32),
        corrupted(base("random-resized:24,area=0.5..1"), "partially-corrupted:0.5")
            .decode(Profile::Fast)
            .layout(Layout::Nhwc),
        corrupted(base("center-resized:24"), "labels=uniform:p=0.5 inputs=random-pixels:amount=0.5")
            .normalise(Normalise::Channel)
            .dtype(Dtype::F16),
        corrupted(base("center-resized:9"), "gaussian:amount=0.5").subset("17".parse().unwrap()),
    ]
}

#[test]
fn batches_do_not_depend_on_threads_slots_ranks_or_shards() {
    let (tree, out) = (tree(&files()), tempfile::tempdir().unwrap());
    for colour in [Colour::Rgb, Colour::Grey] {
        let images = encoded(colour);
        let one = packed(tree.path(), &images, plain(), &out.path().join(format!("one-{}", colour.name())));
        let many = PackOptions { shard_bytes: 30_000, order: PackOrder::Shuffled { seed: 5 }, ..plain() };
        let many = packed(tree.path(), &images, many, &out.path().join(format!("many-{}", colour.name())));
        for spec in specs() {
            let recipe = Recipe::new(&one, &spec, 7).unwrap();
            let expected = reference(&recipe);
            let other = Recipe::new(&many, &spec, 7).unwrap();
            assert_eq!(other.digest(), recipe.digest());
            assert_eq!(reference(&other), expected);
            for (threads, slots, world) in [(0, 3, 1), (1, 3, 2), (3, 4, 1), (2, 3, 3)] {
                let seen = loaded(&other, threads, slots, world);
                assert!(seen == expected, "{threads} threads, {slots} slots, {world} ranks: {spec:?}");
            }
        }
    }
}

#[test]
fn exact_batches_are_those_of_images_decoded_whole_beforehand() {
    let mut compared = 0;
    for (number, file) in files().into_iter().enumerate().step_by(2) {
        let (tree, out) = (tree(&[file]), tempfile::tempdir().unwrap());
        for colour in [Colour::Rgb, Colour::Grey] {
            let name = |what: &str| out.path().join(format!("{what}-{}", colour.name()));
            let jpegs = packed(tree.path(), &encoded(colour), plain(), &name("jpeg"));
            // A file that was encoded anew (no JPEG, or turned) is another image since.
            if Images::folder(tree.path(), &encoded(colour), &()).unwrap().report().copied != Some(1) {
                continue;
            }
            compared += 1;
            let pixels = ImageOptions { encode: None, ..encoded(colour) };
            let pixels = packed(tree.path(), &pixels, plain(), &name("raw"));
            for crop in ["random-resized:28", "center-resized:28"] {
                let spec = LoaderSpec::new("train").batch(1).crop(crop.parse().unwrap()).flip(true);
                let [a, b] = [&jpegs, &pixels].map(|dataset| Recipe::new(dataset, &spec, 3).unwrap());
                for epoch in 0..12 {
                    let [a, b] = [&a, &b].map(|recipe| recipe.batch(epoch, 0, Partition::WHOLE).unwrap());
                    assert!(a.input_bytes() == b.input_bytes(), "image {number}, {crop}, epoch {epoch}");
                }
            }
        }
    }
    assert_eq!(compared, 38);
}

#[test]
fn fast_batches_are_close_and_equal_where_nothing_can_be_shrunk() {
    let (tree, out) = (tree(&files()), tempfile::tempdir().unwrap());
    let dataset = packed(tree.path(), &encoded(Colour::Rgb), plain(), &out.path().join("set"));
    let make = |size: usize, decode| {
        let spec =
            LoaderSpec::new("train").batch(64).crop(Crop::CenterResized(size)).order(OrderKind::Sequential);
        let recipe = Recipe::new(&dataset, &spec.decode(decode), 1).unwrap();
        (recipe.digest(), recipe.batch(0, 0, Partition::WHOLE).unwrap().input_bytes().to_vec())
    };
    let (exact, fast) = (make(8, Profile::Exact), make(8, Profile::Fast));
    assert!(exact.0 != fast.0 && exact.1 != fast.1);
    let apart: u64 = exact.1.iter().zip(&fast.1).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    assert!(apart < 12 * exact.1.len() as u64, "{apart} over {}", exact.1.len());
    assert_eq!(make(200, Profile::Exact).1, make(200, Profile::Fast).1);
}

/// Ten images, of which those with these ids are cut short: their headers are whole.
fn with_bad(bad: &[usize], out: &Path) -> Dataset {
    let cut = |(i, file): (usize, Vec<u8>)| {
        let scan = file.windows(2).position(|w| w == [0xff, 0xda]).unwrap();
        if bad.contains(&i) { file[..(scan + file.len()) / 2].to_vec() } else { file }
    };
    let tree = tree(&(0..10).map(jpeg).enumerate().map(cut).collect::<Vec<_>>());
    packed(
        tree.path(),
        &ImageOptions { encode: Some(EncodeOptions::default()), ..ImageOptions::default() },
        plain(),
        out,
    )
}

fn batch(dataset: &Dataset, on_bad: OnBadRecord) -> (Recipe, rfx_loader::Result<HostBatch>) {
    let spec = LoaderSpec::new("train").batch(10).order(OrderKind::Sequential).on_bad(on_bad);
    let spec = spec.crop(Crop::CenterResized(16)).dtype(Dtype::U8);
    let recipe = Recipe::new(dataset, &spec, 1).unwrap();
    let batch = recipe.batch(0, 0, Partition::WHOLE);
    (recipe, batch)
}

#[test]
fn a_record_that_cannot_be_decoded_fails_or_is_replaced_and_named_and_moves_no_other() {
    let out = tempfile::tempdir().unwrap();
    let bad = [3, 4, 9];
    let dataset = with_bad(&bad, &out.path().join("bad"));
    let (clean, expected) = batch(&with_bad(&[], &out.path().join("good")), OnBadRecord::Fail);
    let expected = expected.unwrap();
    assert_eq!(clean.bad_records().met, 0);
    let image = |batch: &HostBatch, i: usize| batch.input_bytes()[i * 768..(i + 1) * 768].to_vec();

    let (failing, failed) = batch(&dataset, OnBadRecord::Fail);
    let error = failed.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("(id 3)") && error.kind().exit_code() == 1, "{error}");

    let (blank, blanked) = batch(&dataset, OnBadRecord::Blank);
    let blanked = blanked.unwrap();
    let (substitute, substituted) = batch(&dataset, OnBadRecord::Substitute);
    let substituted = substituted.unwrap();
    for i in 0..10 {
        if !bad.contains(&i) {
            assert!(
                image(&blanked, i) == image(&expected, i) && image(&substituted, i) == image(&expected, i)
            );
        }
    }
    for (i, next) in [(3, 5), (4, 5), (9, 0)] {
        assert!(image(&blanked, i).iter().all(|&v| v == 0));
        assert!(image(&substituted, i) == image(&expected, next));
        assert_eq!((blanked.ids()[i], blanked.labels()[i]), (i as i64, expected.labels()[i]));
        assert_eq!((substituted.ids()[i], substituted.labels()[i]), (next as i64, expected.labels()[next]));
    }
    for (recipe, met) in [(&blank, 3), (&substitute, 4)] {
        let records = recipe.bad_records();
        assert_eq!((records.met, records.named.keys().copied().collect::<Vec<_>>()), (met, vec![3, 4, 9]));
    }
    let digests = [&failing, &blank, &substitute].map(Recipe::digest);
    assert!(digests[0] != digests[1] && digests[1] != digests[2] && digests[0] != digests[2]);
    for recipe in [&blank, &substitute] {
        let expected = reference(recipe);
        for (threads, world) in [(0, 1), (2, 3)] {
            assert_eq!(loaded(recipe, threads, 3, world), expected);
        }
    }
    // None is left to stand in.
    let all = with_bad(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], &out.path().join("none"));
    assert!(batch(&all, OnBadRecord::Substitute).1.is_err());
}

#[test]
fn what_is_no_image_is_refused_before_it_is_a_record() {
    let mut bomb = jpeg(0);
    let frame = bomb.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    bomb[frame + 5..frame + 9].fill(0xff); // 65,535 x 65,535 pixels
    for bad in [Vec::new(), b"no image at all, but some text".to_vec(), bomb, jpeg(1)[..40].to_vec()] {
        let tree = tree(&[jpeg(2), bad]);
        assert!(Images::folder(tree.path(), &encoded(Colour::Rgb), &()).is_err());
    }
}

#[test]
fn what_needs_images_of_one_shape_is_refused_and_the_error_says_what_to_ask_for() {
    let out = tempfile::tempdir().unwrap();
    let dataset = with_bad(&[], &out.path().join("set"));
    let refused = |spec: LoaderSpec| Recipe::new(&dataset, &spec, 1).map(|_| ()).unwrap_err().to_string();
    let spec = |crop: &str| LoaderSpec::new("train").crop(crop.parse().unwrap()).dtype(Dtype::F32);
    for crop in ["none", "center:16", "random:16"] {
        let error = refused(spec(crop));
        assert!(error.contains("random-resized:S") && error.contains("center-resized:S"), "{error}");
    }
    assert!(refused(spec("random-resized:65536")).contains("at most 65535"));
    let resized = || spec("random-resized:16");
    for (spec, part) in [
        (resized().normalise(Normalise::Channel), "--stats"),
        (resized().corruption("gaussian".parse().unwrap()), "--stats"),
        (resized().corruption("shuffled-pixels:at=stored".parse().unwrap()), "at=stored"),
        (resized().corruption("labels=instance-dependent:rate=0.3".parse().unwrap()), "instance-dependent"),
        (resized().rotate(5), "rotate 5"),
    ] {
        let error = refused(spec);
        assert!(error.contains(part), "{error}");
    }
    Recipe::new(&dataset, &resized().normalise(Normalise::Whiten), 1).unwrap();
}
