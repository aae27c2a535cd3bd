//! The bytes of a pack depend on the source and the plan alone.

#[path = "samples/mod.rs"]
mod samples;

use rfx_loader::{
    dataset::{Class, Dataset, Verify},
    pack::{PackOptions, PackOrder},
    source::Generated,
};
use samples::{Small, options, pack_to, tree};

#[test]
fn any_number_of_jobs_writes_the_same_bytes() {
    let tmp = tempfile::tempdir().unwrap();
    let source = Small::new(997, 101);
    let outputs: Vec<_> = [1, 2, 4, 16]
        .into_iter()
        .map(|jobs| {
            let dir = tmp.path().join(jobs.to_string());
            let order = PackOrder::Shuffled { seed: 1 };
            pack_to(&source, &dir, &PackOptions { jobs, shard_bytes: 3000, order, ..Default::default() })
                .unwrap();
            tree(&dir)
        })
        .collect();
    assert!(outputs[0].len() > 10, "several shards: {:?}", outputs[0].keys());
    assert!(outputs.iter().all(|o| *o == outputs[0]));
}

#[test]
fn the_generated_set_is_the_same_for_one_and_four_jobs() {
    let tmp = tempfile::tempdir().unwrap();
    let [a, b] = [1, 4].map(|jobs| {
        let dir = tmp.path().join(jobs.to_string());
        pack_to(&Generated::new(), &dir, &options(jobs, 3 << 20)).unwrap();
        tree(&dir)
    });
    assert_eq!(a, b);
}

#[test]
fn the_content_id_does_not_depend_on_shard_size_or_order_and_the_pack_id_does() {
    let tmp = tempfile::tempdir().unwrap();
    let source = Small::new(300, 30);
    let mut packs = std::collections::HashSet::new();
    let mut content = None;
    let orders = [PackOrder::Source, PackOrder::Shuffled { seed: 0 }, PackOrder::Shuffled { seed: 1 }];
    for (i, shard_bytes) in [700, 2500, 1 << 27].into_iter().enumerate() {
        for (j, order) in orders.into_iter().enumerate() {
            let dir = tmp.path().join(format!("{i}{j}"));
            let report =
                pack_to(&source, &dir, &PackOptions { jobs: 2, shard_bytes, order, ..Default::default() })
                    .unwrap();
            assert_eq!(*content.get_or_insert(report.content), report.content);
            assert!(packs.insert(report.pack), "{shard_bytes} {order}");
        }
    }
}

#[test]
fn the_content_id_depends_on_everything_a_batch_can_show() {
    let tmp = tempfile::tempdir().unwrap();
    let changes: [fn(&mut Small); 11] = [
        |_| (),
        |s| s.classes[0].name = "other".into(),
        |s| s.classes.push(Class::named("d")),
        |s| s.classes[1].id = Some("n01".into()),
        |s| s.classes[1].superclass = Some("n01".into()),
        |s| s.splits[1].name = "val".into(),
        |s| s.splits[0].samples += 1,
        |s| s.generator = "g/1".into(),
        |s| s.constant = Some(3),
        |s| s.layout = rfx_loader::Layout::Nhwc,
        |s| s.shape = rfx_loader::ImageShape::new(1, 5, 4).unwrap(),
    ];
    let mut seen = std::collections::HashSet::new();
    for (i, change) in changes.into_iter().enumerate() {
        let mut source = Small::new(20, 4);
        change(&mut source);
        let report = pack_to(&source, &tmp.path().join(i.to_string()), &options(1, 1 << 27)).unwrap();
        assert!(seen.insert(report.content), "change {i}");
    }
    // Where the samples came from is not part of what they are.
    let mut source = Small::new(20, 4);
    source.files.clear();
    let report = pack_to(&source, &tmp.path().join("files"), &options(1, 1 << 27)).unwrap();
    assert!(seen.contains(&report.content));
}

#[test]
fn shards_are_equal_splits_of_about_the_size_asked_for() {
    let tmp = tempfile::tempdir().unwrap();
    let report = pack_to(&Small::new(1000, 1), tmp.path(), &options(1, 44 * 110)).unwrap();
    let dataset = Dataset::open(tmp.path(), Verify::Once).unwrap();
    let rows: Vec<_> = dataset.index().splits[0].shards.iter().map(|s| s.samples).collect();
    assert_eq!((rows.len(), report.shards), (9, 10));
    assert!(rows.iter().all(|r| (111..=112).contains(r)), "{rows:?}");
    assert_eq!(rows.iter().sum::<usize>(), 1000);
}

#[test]
fn nothing_of_the_machine_is_written() {
    let tmp = tempfile::tempdir().unwrap();
    pack_to(&Small::new(10, 2), tmp.path(), &options(1, 1 << 27)).unwrap();
    let path = tmp.path().to_str().unwrap().to_owned();
    let user = std::env::var("USER").unwrap_or_else(|_| "no user".into());
    for (name, bytes) in tree(tmp.path()) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&path) && !text.contains(&format!("/{user}/")), "{name}");
    }
}
