//! A run that goes on under other circumstances. In a file of its own because libtorch's number of threads is the
//! process's, and the bits of the other resumed runs depend on it.

mod support;

use std::fs;

use rfx_loader::Crop;
use rfx_trainer::{
    config::RunConfig,
    folder::RunManifest,
    signal::Interrupt,
    train::{Observer, Run},
};

/// Threads change the order of sums, so a resume on others says so; more epochs go on.
#[test]
fn more_epochs_and_other_threads_may_follow() {
    #[derive(Default)]
    struct Heard(Vec<String>, u32);
    impl Observer for Heard {
        fn started(&mut self, _: &RunManifest, epochs_done: u32) {
            self.1 = epochs_done;
        }
        fn warned(&mut self, message: &str) {
            self.0.push(message.into());
        }
    }
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::tiny(&data);
    let config = support::options(&data).resolve().unwrap();
    Run::begin(config.clone(), &out).unwrap().train(&Interrupt::default(), &mut ()).unwrap();
    let mut heard = Heard::default();
    let longer = RunConfig { epochs: 4, threads: 2, ..config };
    Run::resume(longer.clone(), &out, &mut heard).unwrap().train(&Interrupt::default(), &mut heard).unwrap();
    assert!(
        heard.0.len() == 1 && heard.0[0].contains("2 on cpu") && heard.1 == 2,
        "{heard:?}",
        heard = heard.0
    );
    assert_eq!(support::timeless_metrics(&out).len(), 4);
    let saved: RunManifest = serde_json::from_slice(&fs::read(out.join("run.json")).unwrap()).unwrap();
    let longer = RunConfig { crop: Some(Crop::None), ..longer }; // the default of these data
    assert_eq!((saved.config, saved.outcome.unwrap().epochs), (longer, 4));
}
