//! Where the time of one thread goes.

use std::time::{Duration, Instant};

use rfx_loader::{Recipe, recipe::StageTimes};

/// The stages of whole epochs after the first, until `time` has passed; records were compared with their hashes by then.
pub(super) fn measure(recipe: &Recipe, time: Duration) -> anyhow::Result<StageTimes> {
    let mut sum = StageTimes::default();
    let started = Instant::now();
    for epoch in 1.. {
        sum += recipe.stages(epoch, u64::MAX)?;
        if started.elapsed() >= time {
            break;
        }
    }
    Ok(sum)
}

/// Name and seconds of each stage, in order.
pub(super) fn named(stages: &StageTimes) -> [(&'static str, f64); 5] {
    let StageTimes { decide_s, read_s, geometry_s, corrupt_s, write_s, .. } = *stages;
    [
        ("decide", decide_s),
        ("read", read_s),
        ("geometry", geometry_s),
        ("corrupt", corrupt_s),
        ("write", write_s),
    ]
}
