//! What does it take to hold 1,281,167 images?
//!
//! `cargo run --release -p rfx-benches --bin scale -- WORK --photos DIR [--samples N] [--side S] [--jobs J]` packs as many
//! images of S x S (64) as ImageNet has, made of the photographs in the folders of DIR, into WORK, and prints, each beside
//! what the machine can do in the same run: how fast it packs and what a rerun makes of a pack that was killed with SIGKILL;
//! how long it takes to open; how much memory a loader takes; what one sample at a random place costs; how fast an epoch
//! goes with a cold and with a warm page cache; how long it takes to go on at any position. Needs twice 4 S S N bytes of disk
//! for a moment (32 GB), once afterwards. A WORK that holds a pack of the same plan is used again (`--keep-pack`).

mod machine;
mod photos;

use std::{
    error::Error,
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use photos::Photos;
use rfx_benches::{copy_case, rates};
use rfx_loader::{
    Crop, Dataset, Dtype, Loader, LoaderSpec, Normalise, Partition, Position, Recipe,
    dataset::Verify,
    digest::Digest,
    pack::{PackOptions, PackOrder, PackProgress, PackReport, pack},
    rng::{Key, mulshift},
    source::Source,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Share of the shards after which a pack is killed.
const KILL_AT: f64 = 0.4;

struct Args {
    work: PathBuf,
    photos: PathBuf,
    samples: usize,
    side: usize,
    jobs: usize,
    keep_pack: bool,
    /// Pack only, and be killed: what the program starts itself with.
    only_pack: bool,
}

impl Args {
    fn parse() -> Result<Args> {
        let mut args = Args {
            work: PathBuf::new(),
            photos: PathBuf::new(),
            samples: 1_281_167,
            side: 64,
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            keep_pack: false,
            only_pack: false,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word}: expected a value"));
            match word.as_str() {
                "--photos" => args.photos = value()?.into(),
                "--samples" => args.samples = value()?.parse()?,
                "--side" => args.side = value()?.parse()?,
                "--jobs" => args.jobs = value()?.parse()?,
                "--keep-pack" => args.keep_pack = true,
                "--only-pack" => args.only_pack = true,
                _ if word.starts_with("--") => return Err(format!("{word}: no such option").into()),
                _ => args.work = word.into(),
            }
        }
        if args.work.as_os_str().is_empty() || args.photos.as_os_str().is_empty() {
            return Err(
                "usage: scale WORK --photos DIR [--samples N] [--side S] [--jobs J] [--keep-pack]".into()
            );
        }
        Ok(args)
    }

    fn whole(&self) -> PathBuf {
        self.work.join("whole")
    }
}

fn main() -> Result<()> {
    let args = Args::parse()?;
    let source = Photos::new(&args.photos, args.samples, args.side)?;
    if args.only_pack {
        packed(&source, &args.work, args.jobs)?;
        return Ok(());
    }
    fs::create_dir_all(&args.work)?;
    if args.keep_pack && args.whole().join("dataset.json").exists() {
        say("pack", "kept from an earlier run");
    } else {
        packing(&args, &source)?;
    }
    opening(&args.whole())?;
    machine::drop_cache(&args.whole())?;
    random_access(&args.whole(), "cold")?;
    epochs(&args)?;
    resuming(&args.whole())
}

fn say(what: &str, text: impl std::fmt::Display) {
    println!("{what:<28} {text}");
}

fn packed(source: &Photos, dir: &Path, jobs: usize) -> Result<PackReport> {
    let order = PackOrder::Shuffled { seed: 0 }; // as `rfx-pack imagenet` has it
    let options = PackOptions { jobs, order, ..Default::default() };
    Ok(pack(source, dir, &options, &() as &dyn PackProgress, &AtomicBool::new(false))?)
}

/// Packs in one go, then again with a kill in the middle, and compares.
fn packing(args: &Args, source: &Photos) -> Result<()> {
    let whole = args.whole();
    let written = write_rate(&args.work, source.shape().values())?;
    let (started, cpu) = (Instant::now(), machine::cpu_time());
    let report = packed(source, &whole, args.jobs)?;
    let (wall, cpu) = (started.elapsed(), machine::cpu_time() - cpu);
    let (samples, gigabytes) = (report.samples as f64, report.bytes as f64 / 1e9);
    say("packed", format!("{} samples, {gigabytes:.2} GB, {} shards", report.samples, report.shards));
    say(
        "pack rate",
        format!("{:.0} images/s, {:.2} GB/s", samples / wall.as_secs_f64(), gigabytes / wall.as_secs_f64()),
    );
    say("a plain file and fsync", format!("{:.2} GB/s", written / 1e9));
    let per_core = samples / cpu.as_secs_f64();
    say("per second of processor", format!("{per_core:.0} images; {:.1} us an image", 1e6 / per_core));
    for (part, share) in parts(source)? {
        say("  of which", format!("{part}: {share:.1} us"));
    }
    let killed = args.work.join("killed");
    let again = kill_and_rerun(args, &killed, report.shards)?;
    let same = Dataset::open(&killed, Verify::Once)?.pack() == Dataset::open(&whole, Verify::Once)?.pack();
    say("killed and rerun", format!("{again}; {} files", if same { "the same" } else { "OTHER" }));
    fs::remove_dir_all(&killed)?;
    if same { Ok(()) } else { Err("a killed pack ended with other files".into()) }
}

/// Bytes a second that go to a file in one thread, fsync included.
fn write_rate(work: &Path, record: usize) -> Result<f64> {
    let path = work.join("plain");
    let block = vec![7u8; record * 4096 / 8];
    let blocks = (2usize << 30).div_ceil(block.len());
    let started = Instant::now();
    let mut file = fs::File::create(&path)?;
    (0..blocks).try_for_each(|_| file.write_all(&block))?;
    file.sync_all()?;
    let rate = (blocks * block.len()) as f64 / started.elapsed().as_secs_f64();
    fs::remove_file(&path)?;
    Ok(rate)
}

/// Microseconds an image of what packing does, one thread alone: making it, and the digest of the shard's bytes.
fn parts(source: &Photos) -> Result<[(&'static str, f64); 2]> {
    const IMAGES: usize = 20_000;
    let mut record = vec![0; source.shape().values()];
    let started = Instant::now();
    for i in 0..IMAGES {
        source.read(0, i % source.splits()[0].samples, &mut record)?;
    }
    let making = started.elapsed();
    let shard = record.repeat(4096);
    let started = Instant::now();
    for _ in 0..IMAGES / 4096 {
        std::hint::black_box(Digest::of(&shard));
    }
    let each = |time: Duration, images: usize| time.as_secs_f64() * 1e6 / images as f64;
    Ok([
        ("making it (of this bench, not of packing)", each(making, IMAGES)),
        ("BLAKE3 of its bytes", each(started.elapsed(), IMAGES / 4096 * 4096)),
    ])
}

/// Packs in a process of its own, kills that after some of the shards, and packs on.
fn kill_and_rerun(args: &Args, dir: &Path, shards: usize) -> Result<String> {
    let _ = fs::remove_dir_all(dir);
    let jobs = (args.jobs + 1).to_string();
    let command = |work: &Path| {
        let mut command = Command::new("/proc/self/exe");
        command.arg(work).arg("--photos").arg(&args.photos).args(["--only-pack", "--jobs", &jobs]);
        command.args(["--samples", &args.samples.to_string(), "--side", &args.side.to_string()]);
        command
    };
    let done = || {
        let names = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.file_name());
        names.filter(|name| name.to_string_lossy().ends_with(".safetensors")).count()
    };
    let mut child = command(dir).spawn()?;
    while (done() as f64) < KILL_AT * shards as f64 {
        if let Some(status) = child.try_wait()? {
            return Err(format!("the pack that was to be killed ended: {status}").into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill()?; // SIGKILL
    child.wait()?;
    let (left, started) = (done(), Instant::now());
    let status = command(dir).status()?;
    if !status.success() {
        return Err(format!("the rerun failed: {status}").into());
    }
    Ok(format!("killed after {left} of {shards} shards, rerun in {:.1} s", started.elapsed().as_secs_f64()))
}

/// The usual work of a training loader: random crop, flip, whitening, f32, a seventh of the labels redrawn.
fn training() -> Result<LoaderSpec> {
    let spec = LoaderSpec::new("train").batch(256).crop(Crop::Random(56)).flip(true);
    Ok(spec.normalise(Normalise::Whiten).dtype(Dtype::F32).corruption("partially-corrupted:0.15".parse()?))
}

fn first_batch(dir: &Path, at: Position) -> Result<[Duration; 4]> {
    let clock = Instant::now();
    let dataset = Dataset::open(dir, Verify::Once)?;
    let opened = clock.elapsed();
    dataset.split("train")?;
    let mapped = clock.elapsed();
    let recipe = Recipe::new(&dataset, &training()?, 1)?;
    let resolved = clock.elapsed();
    let mut loader = Loader::builder(recipe).threads(1).start_at(at).start()?;
    loader.next().ok_or("no batch")??;
    Ok([opened, mapped, resolved, clock.elapsed()])
}

fn opening(dir: &Path) -> Result<()> {
    for cache in ["cold", "warm"] {
        if cache == "cold" {
            machine::drop_cache(dir)?;
        }
        let times = first_batch(dir, Position::default())?.map(|t| format!("{:.0}", t.as_secs_f64() * 1e3));
        say(
            &format!("open, page cache {cache}"),
            format!(
                "index {}, shards mapped {}, labels drawn {}, first batch {} ms",
                times[0], times[1], times[2], times[3]
            ),
        );
    }
    let recipe = Recipe::new(&Dataset::open(dir, Verify::Once)?, &training()?, 1)?;
    let opened = machine::own_memory();
    let mut loader = Loader::builder(recipe).threads(2).start()?;
    for batch in loader.by_ref().take(200) {
        batch?;
    }
    let running = machine::own_memory();
    let ring = loader.slots() * 256 * 56 * 56 * 3 * 4;
    say(
        "memory beside mapped files",
        format!(
            "of this whole process {:.0} MB opened, {:.0} MB with a loader of 2 threads, of which batches {:.0} MB",
            opened as f64 / 1e6,
            running as f64 / 1e6,
            ring as f64 / 1e6
        ),
    );
    Ok(())
}

/// One sample at a time, each at a random place of a random epoch.
fn random_access(dir: &Path, cache: &str) -> Result<()> {
    let dataset = Dataset::open(dir, Verify::Never)?;
    let recipe = Recipe::new(&dataset, &LoaderSpec::new("train").batch(1), 1)?;
    let steps = recipe.steps_per_epoch() as u32;
    let mut words = Key::derive("benches/scale/places", 0).words(0, 0);
    let mut maker = recipe.maker(Partition::WHOLE)?;
    const COUNT: u32 = 20_000;
    let started = Instant::now();
    for epoch in 0..COUNT {
        maker.make(epoch, u64::from(mulshift(words.next_u32(), steps)))?;
    }
    let each = started.elapsed().as_secs_f64() * 1e6 / f64::from(COUNT);
    say(&format!("a random sample, {cache}"), format!("{each:.1} us, order of a new epoch included"));
    Ok(())
}

fn epochs(args: &Args) -> Result<()> {
    let dir = args.whole();
    let threads = args.jobs;
    let cases = [
        ("u8, whole image", LoaderSpec::new("train").batch(256)),
        ("crop 56, flip, whiten, f32", training()?),
    ];
    for (name, spec) in cases {
        for cache in ["cold", "warm"] {
            if cache == "cold" {
                machine::drop_cache(&dir)?;
            }
            let before = machine::cached_share(&dir)?;
            let recipe = Recipe::new(&Dataset::open(&dir, Verify::Once)?, &spec, 1)?;
            let copied = 2.0 * recipe.samples() as f64 * (args.side * args.side * 3) as f64;
            let copy = rates(&mut [copy_case(256 << 20, threads)], 3)[0];
            let (started, cpu) = (Instant::now(), machine::cpu_time());
            for batch in Loader::builder(recipe.clone()).threads(threads).epochs(1).start()? {
                batch?;
            }
            let (wall, cpu) = (started.elapsed().as_secs_f64(), machine::cpu_time() - cpu);
            let moved = copied / 2.0 + (recipe.samples() * recipe.sample_bytes()) as f64;
            say(
                &format!("epoch, {cache}"),
                format!(
                    "{name}: {:.0} images/s on {threads} threads, {:.2} of copy, {:.0} per second of processor; {:.0} % in the page cache before, {:.0} % after",
                    recipe.samples() as f64 / wall,
                    moved / 2.0 / wall / copy,
                    recipe.samples() as f64 / cpu.as_secs_f64(),
                    100.0 * before,
                    100.0 * machine::cached_share(&dir)?
                ),
            );
        }
    }
    random_access(&dir, "warm")?;
    machine::drop_cache(&dir)?;
    say("the files in order, cold", format!("{:.2} GB/s", read_rate(&dir)? / 1e9));
    Ok(())
}

/// Bytes a second of reading the data set's files one after the other.
fn read_rate(dir: &Path) -> Result<f64> {
    let mut block = vec![0; 4 << 20];
    let (started, mut total) = (Instant::now(), 0);
    for entry in fs::read_dir(dir)? {
        let mut file = fs::File::open(entry?.path())?;
        loop {
            match file.read(&mut block)? {
                0 => break,
                n => total += n,
            }
        }
    }
    Ok(total as f64 / started.elapsed().as_secs_f64())
}

/// From nothing to the batch at a random position, as a restarted process does it.
fn resuming(dir: &Path) -> Result<()> {
    let steps = {
        let dataset = Dataset::open(dir, Verify::Once)?;
        Recipe::new(&dataset, &training()?, 1)?.steps_per_epoch() as u32
    };
    let mut words = Key::derive("benches/scale/resume", 0).words(0, 0);
    let mut times = Vec::new();
    for _ in 0..20 {
        let epoch = words.next_u32() >> 20;
        let step = u64::from(mulshift(words.next_u32(), steps));
        times.push(first_batch(dir, Position { epoch, step })?[3]);
    }
    times.sort_unstable();
    let [median, worst] = [times[times.len() / 2], times[times.len() - 1]].map(|t| t.as_secs_f64() * 1e3);
    say(
        "resume at a random position",
        format!("median {median:.0} ms, worst of 20 {worst:.0} ms, open to first batch"),
    );
    Ok(())
}
