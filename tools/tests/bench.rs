//! `rfx-bench` on the generated set, for moments: what it reports holds together, whatever the rates are.

mod program;
#[path = "../../loader/tests/support/mod.rs"]
mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use program::{BENCH, Ran, copy, finish, flip, generated, packed, run, send, wait_until_mapped};
use serde_json::Value;

/// Train samples of the generated set.
const SAMPLES: u64 = 10_000;
/// Bytes of one of its images.
const IMAGE: u64 = 3 * 32 * 32;

/// As short as it gets: one epoch of each row after the first, as every epoch is over a microsecond long.
fn bench(args: &str) -> Ran {
    run(BENCH, &format!("{} --seconds 1e-6 {args}", generated("bench").display()), &[])
}

fn json(args: &str) -> Value {
    bench(&format!("--json {args}")).ended(0).json()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Equal up to rounding.
#[track_caller]
fn same(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-9 * a.abs().max(b.abs()), "{a} {b}");
}

/// What holds of every row.
#[track_caller]
fn check_row(row: &Value, threads: u64, epochs: u64, samples: u64, batch: u64) {
    assert_eq!((row["threads"].as_u64(), row["epochs"].as_u64()), (Some(threads), Some(epochs)));
    assert_eq!(row["samples"], epochs * samples);
    assert_eq!(row["wait"]["batches"], epochs * samples.div_ceil(batch));
    let [seconds, cpu, rate, copy] =
        ["seconds", "cpu_seconds", "images_per_s", "copy_bytes_per_s"].map(|key| number(&row[key]));
    assert!(seconds > 0.0 && cpu > 0.0 && copy > 0.0, "{row}");
    same(rate, (epochs * samples) as f64 / seconds);
    same(number(&row["images_per_cpu_second"]), (epochs * samples) as f64 / cpu);
    let moved = number(&row["bytes_read"]) + number(&row["bytes_written"]);
    same(number(&row["of_copy"]), moved / 2.0 / seconds / copy);
    same(number(&row["copy_bound_images_per_s"]) * number(&row["of_copy"]), rate);
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    assert_eq!(row["copy_threads"], threads.clamp(1, cores));
    assert!(row["others_cores"].is_null() || number(&row["others_cores"]) >= 0.0, "{row}");
    let wait = |key: &str| number(&row["wait"][key]);
    assert!(0.0 <= wait("p50_us") && wait("p50_us") <= wait("p99_us"), "{row}");
    assert!(wait("p99_us") <= wait("max_us") && wait("max_us") <= 1e6 * seconds, "{row}");
}

#[test]
fn the_document_says_what_was_measured_and_its_numbers_agree() {
    let all = json("--threads 2,0,1 --crop 28 --corrupt random-labels --slots 5 --batch 100");
    assert_eq!(all["schema"], "rfx.bench/1");
    assert_eq!((&all["source"], &all["generated"]), (&"generated".into(), &true.into()));
    assert_eq!((all["samples"].as_u64(), all["seed"].as_u64()), (Some(SAMPLES), Some(1)));
    assert_eq!(all["batch_bytes"], 100 * 3 * 28 * 28 * 4);
    assert_eq!(all["image"], serde_json::json!([3, 28, 28]));
    assert_eq!((&all["spec"]["normalise"], &all["spec"]["crop"]), (&"whiten".into(), &"center:28".into()));
    assert!(all["labels"].as_str().unwrap().contains("uniform"), "{}", all["labels"]);
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    assert_eq!(all["cores"], cores);
    if fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains("model name")) {
        assert!(!all["processor"].as_str().unwrap().is_empty());
    }

    let rows = all["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    for (row, threads) in rows.iter().zip(0..) {
        check_row(row, threads, 1, SAMPLES, 100);
        assert_eq!(row["slots"], 5);
        assert_eq!(row["bytes_read"], SAMPLES * 3 * 28 * 28);
        assert_eq!(row["bytes_written"], SAMPLES * 3 * 28 * 28 * 4);
        assert!(row.get("headspace").is_none());
    }
    let best = rows.iter().max_by(|a, b| number(&a["images_per_s"]).total_cmp(&number(&b["images_per_s"])));
    assert_eq!(all["images_per_s"], best.unwrap()["images_per_s"]);
    assert_eq!(all["threads"], best.unwrap()["threads"]);

    let first = &all["first_batch"];
    let parts = ["open_ms", "resolve_ms", "start_ms", "batch_ms"].map(|key| number(&first[key]));
    assert!(parts.iter().all(|&ms| ms > 0.0), "{first}");
    same(parts.iter().sum(), number(&first["total_ms"]));
    assert_eq!(first["threads"], 2);
    let cache = &all["page_cache"];
    let file = generated("bench").join("train-00000-of-00001.safetensors");
    assert_eq!(cache["bytes"], fs::metadata(file).unwrap().len());
    for when in ["before", "after"] {
        assert!(cache[when].as_u64() <= cache["bytes"].as_u64(), "{cache}");
    }
    assert!(all.get("gpus").is_none());
}

#[test]
fn stages_add_up_and_kept_images_are_read_in_place_of_records() {
    let all = json("--threads 1 --crop 28 --corrupt gaussian --stages");
    let stages = &all["stages"];
    assert_eq!(stages["samples"], SAMPLES); // one epoch
    let spent = |stage: &str| number(&stages[&format!("{stage}_s")]);
    assert!(["decide", "corrupt", "write"].iter().all(|stage| spent(stage) > 0.0), "{stages}");
    assert!(spent("corrupt") > spent("read"), "{stages}"); // no record is read
    assert!(all.get("cached_view_bytes").is_none());

    let all = json("--threads 0,2 --crop 28 --corrupt gaussian --cache-view --simd portable");
    assert_eq!((&all["simd"], &all["cached_view_bytes"]), (&"portable".into(), &(SAMPLES * 2352).into()));
    for row in all["rows"].as_array().unwrap() {
        assert_eq!(row["bytes_read"], SAMPLES * 2352);
    }
    assert!(all.get("stages").is_none());
    let table = bench("--threads 1 --cache-view --stages").ended(0).out;
    for text in ["all images in memory", "One thread", "decide", "write"] {
        assert!(table.contains(text), "{table}");
    }
    for (args, reason) in [
        ("--cache-view --flip", "differs from epoch to epoch"),
        ("--cache-view --corrupt gaussian:resample=0.5", "differs from epoch to epoch"),
        ("--simd neon", "expected portable"),
    ] {
        bench(args).refused(2, &[reason]);
    }
}

#[test]
fn every_option_reaches_the_batches_and_their_bytes() {
    let zstd = packed("bench-zstd", "generated --codec zstd", None);
    let cases: [(&str, u64, u64); 9] = [
        ("--dtype u8", IMAGE, IMAGE),
        ("--dtype bf16 --layout nhwc --normalise channel", IMAGE, 2 * IMAGE),
        ("--crop random:20 --flip --rotate 15 --order sequential", 3 * 20 * 20, 4 * 3 * 20 * 20),
        ("--corrupt gaussian", 0, 4 * IMAGE), // noise takes the place of an image that is not read
        ("--corrupt inputs=gaussian:at=stored --crop 28", 0, 4 * 3 * 28 * 28),
        ("--corrupt random-pixels --crop 28", 3 * 28 * 28, 4 * 3 * 28 * 28),
        ("--corrupt inputs=random-pixels:at=stored --crop 28", IMAGE, 4 * 3 * 28 * 28),
        ("--verify never --seed 7", IMAGE, 4 * IMAGE),
        ("zstd --crop 28", IMAGE, 4 * 3 * 28 * 28), // a compressed record is read whole
    ];
    for (options, read, written) in cases {
        let all = match options.strip_prefix("zstd ") {
            None => json(&format!("--threads 1 {options}")),
            Some(options) => {
                let args = format!("{} --json --seconds 1e-6 --threads 1 {options}", zstd.display());
                run(BENCH, &args, &[]).ended(0).json()
            }
        };
        let row = &all["rows"][0];
        check_row(row, 1, 1, SAMPLES, 128);
        assert_eq!(
            (&row["bytes_read"], &row["bytes_written"]),
            (&(SAMPLES * read).into(), &(SAMPLES * written).into())
        );
    }
    // Half of the images are noise, and the others read: 5,000 of 10,000 within six standard deviations (50).
    let half = json("--threads 1 --corrupt gaussian:amount=0.5");
    let read = half["rows"][0]["bytes_read"].as_u64().unwrap();
    assert!(read.is_multiple_of(IMAGE) && (read / IMAGE).abs_diff(SAMPLES / 2) < 300, "{read}");

    let test = json("--threads 1 --split test --subset 300");
    assert_eq!((&test["samples"], &test["spec"]["split"]), (&300.into(), &"test".into()));
    check_row(&test["rows"][0], 1, 1, 300, 128);
    // A batch that is larger than the split holds the split.
    assert_eq!(json("--threads 1 --subset 10 --dtype u8")["batch_bytes"], 10 * IMAGE);
}

#[test]
fn rows_last_as_many_epochs_or_as_long_as_was_asked_for() {
    let timed = |args: &str| {
        let args = format!("{} --json --threads 1 --subset 500 {args}", generated("bench").display());
        run(BENCH, &args, &[]).ended(0).json()["rows"][0].clone()
    };
    check_row(&timed("--epochs 7"), 1, 7, 500, 128);
    let row = timed("--seconds 0.05");
    assert!(number(&row["seconds"]) >= 0.05, "{row}");
    check_row(&row, 1, row["epochs"].as_u64().unwrap(), 500, 128);
}

#[test]
fn without_being_told_it_measures_doubling_numbers_of_threads_up_to_all_cores() {
    let all = json("--subset 500");
    let threads: Vec<_> =
        all["rows"].as_array().unwrap().iter().map(|row| row["threads"].as_u64().unwrap()).collect();
    assert_eq!((threads[0], threads.last()), (1, all["cores"].as_u64().as_ref()));
    assert!(threads.windows(2).all(|pair| pair[0] < pair[1] && pair[1] <= 2 * pair[0]), "{threads:?}");
}

#[test]
fn headspace_names_the_bottleneck() {
    // Pixels that are permuted one by one take a hundred times as long to make as to hand out.
    let all = json("--threads 0,1 --headspace --corrupt random-pixels");
    for row in all["rows"].as_array().unwrap() {
        let headspace = &row["headspace"];
        same(number(&headspace["ratio"]) * number(&row["images_per_s"]), number(&headspace["images_per_s"]));
        let expected = if number(&headspace["ratio"]) < 2.0 { "handing-out" } else { "making-batches" };
        assert_eq!(headspace["bottleneck"], expected);
    }
    let text = bench("--threads 0,1 --headspace --corrupt random-pixels").ended(0).out;
    assert_eq!(text.matches("the bottleneck is ").count(), 2, "{text}");
    assert!(text.contains("0 threads: the") && text.contains("1 thread: the"), "{text}");
}

#[test]
fn gpus_of_a_rate_are_counted_for_all_cores_and_for_their_share() {
    let args = "--gpu-rate 1000,resnet50-h100=3400 --gpu-rate small=0.5";
    let all = json(args);
    let gpus = all["gpus"].as_array().unwrap();
    let names: Vec<_> = gpus.iter().map(|gpu| gpu["name"].as_str()).collect();
    assert_eq!(names, [None, Some("resnet50-h100"), Some("small")]);
    let cores = number(&all["cores"]);
    for (gpu, rate) in gpus.iter().zip([1000.0, 3400.0, 0.5]) {
        assert_eq!(gpu["images_per_s"], rate);
        for (key, share) in [("all_cores", 1.0), ("share_of_cores", 0.4)] {
            let supply = &gpu[key];
            same(number(&supply["cores"]), share * cores);
            same(number(&supply["gpus"]) * rate, number(&supply["images_per_s"]));
            assert_eq!(number(&supply["whole_gpus"]), number(&supply["gpus"]).floor());
        }
        // The last row has as many threads as there are cores; if fewer do better, so many are taken.
        same(number(&gpu["all_cores"]["images_per_s"]), number(&all["images_per_s"]));
    }
    let text = bench(args).ended(0).out;
    assert!(text.contains("GPUs of resnet50-h100, 3,400 images/s: ") && text.contains("40 %"), "{text}");
}

#[test]
fn the_table_stands_on_stdout_and_nothing_on_stderr() {
    let ran = bench("--threads 0,1 --crop random:28 --flip").ended(0);
    for part in [
        "data set     generated (generated data), train: 10,000 samples\n",
        "batches      128 x 3x28x28 f32 nchw, crop random:28, flip, whiten, shuffled, 1.1 MiB\n",
        "corruption   true-labels\n",
        "\nfirst batch  ",
        "\npage cache   ",
        "threads      images/s    CPU-second     copy",
    ] {
        assert!(ran.out.contains(part), "no {part:?} in {}", ran.out);
    }
    let rows: Vec<Vec<&str>> = ran
        .out
        .lines()
        .skip_while(|line| !line.starts_with("threads"))
        .skip(1)
        .take_while(|line| !line.is_empty()) // and perhaps that other programs run
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows.iter().map(|row| (row[0], row.len())).collect::<Vec<_>>(), [("0", 8), ("1", 8)]);
    assert!(ran.out.is_ascii() && ran.err.is_empty(), "{ran:?}");
}

#[test]
fn figures_are_pictures_of_the_kind_their_name_says() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let draw = |name: &str, args: &str| {
        bench(&format!("--subset 500 {args} --figure {}", at(name).display())).ended(0);
        fs::read(at(name)).unwrap()
    };
    draw("a.png", "--threads 1,2");
    let picture = image::open(at("a.png")).unwrap().into_rgb8();
    assert_eq!(picture.dimensions(), (1920, 1290));
    // The curve's colour is there: more than its dots, less than a filled plot.
    let blue = picture.pixels().filter(|p| p.0 == [0x00, 0x72, 0xb2]).count();
    assert!((500..picture.pixels().len() / 20).contains(&blue), "{blue}");
    for (name, args) in
        [("b.svg", "--threads 0,1,2"), ("c.svg", "--threads 0"), ("d.svg", "--threads 3 --corrupt gaussian")]
    {
        let svg = String::from_utf8(draw(name, args)).unwrap();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
        for part in [">images/s<", ">loader threads<", ">measured<", "ideal scaling"] {
            assert!(svg.contains(part), "{name}: no {part}");
        }
        let rows = args.split(' ').nth(1).unwrap().split(',').count();
        assert_eq!(
            svg.matches("<circle").count(),
            rows + 1,
            "{name}: a dot for each row, and one in the legend"
        );
        assert!(!svg.contains("NaN") && !svg.contains("inf\"") && !svg.contains("inf,"), "{svg}");
    }
}

#[test]
fn nonsense_is_refused_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let (taken, data) = (folder.path().join("taken.png"), generated("bench").display().to_string());
    fs::write(&taken, "precious").unwrap();
    let figure = |path: &Path| format!("--figure {}", path.display());
    let cases: Vec<(String, &str)> = vec![
        ("--seconds 0".into(), "expected seconds above 0"),
        ("--seconds=-1".into(), "--seconds"),
        ("--seconds nan".into(), "expected seconds above 0"),
        ("--seconds 1 --epochs 1".into(), "cannot be used with"),
        ("--epochs 0".into(), "--epochs"),
        ("--threads 2000".into(), "1024"),
        ("--threads 1,,2".into(), "--threads"),
        ("--threads two".into(), "--threads"),
        ("--slots 1".into(), "2..=4096"),
        ("--batch 0".into(), "batch size 0"),
        ("--gpu-rate fast".into(), "NAME=R, as in resnet50-h100=3400"),
        ("--gpu-rate h100=0".into(), "images a second above 0"),
        ("--gpu-rate inf".into(), "images a second above 0"),
        ("--crop 33".into(), "expected a side of 1 to 32"),
        ("--corrupt random-lables".into(), "did you mean `random-labels`?"),
        ("--dtype u8 --normalise whiten".into(), "use f32"),
        ("--split validation".into(), "expected one of train, test"),
        (figure(&taken), "exists already"),
        (figure(&folder.path().join("no/such/folder.png")), "cannot create"),
        (figure(&folder.path().join("a.jpeg")), "end in .png or .svg"),
        ("--sped 3".into(), "--sp"),
    ];
    for (args, part) in cases {
        run(BENCH, &format!("{data} {args}"), &[]).refused(2, &[part]);
    }
    run(BENCH, "", &[]).refused(2, &["<DIR>"]);
    run(BENCH, "no-such-folder", &[]).refused(2, &["no-such-folder"]);
    assert_eq!(fs::read_to_string(&taken).unwrap(), "precious");
    assert_eq!(program::names(folder.path()), ["taken.png"]);
}

#[test]
fn a_damaged_record_ends_it_as_it_ends_every_program() {
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("damaged");
    copy(generated("bench"), &damaged);
    flip(&damaged.join("train-00000-of-00001.safetensors"), 1);
    run(BENCH, "--seconds 1e-6 --threads 1", &[&damaged]).refused(1, &["train-00000-of-00001", "9999"]);
}

#[test]
fn an_interrupt_ends_it_at_once_and_leaves_no_figure() {
    let folder = tempfile::tempdir().unwrap();
    for signal in ["INT", "TERM"] {
        let mut command = Command::new(BENCH);
        command.arg(generated("bench")).args(["--seconds", "3600", "--threads", "1", "--figure"]);
        command.arg(folder.path().join("a.svg"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        assert!(wait_until_mapped(&mut child, "train-00000-of-00001.safetensors"));
        send(signal, &child);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
        assert!(program::names(folder.path()).is_empty());
    }
}

#[test]
fn a_terminal_sees_what_is_being_measured() {
    if Command::new("script").arg("--version").output().is_err() {
        return support::skip("script", "a_terminal_sees_what_is_being_measured", "no script (util-linux)");
    }
    let data: PathBuf = generated("bench").into();
    let line = format!("'{BENCH}' '{}' --seconds 1e-6 --threads 1", data.display());
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm");
    let shown = finish(command).ended(0).out;
    assert!(shown.contains("1 thread: measuring") && shown.contains("images/s"), "{shown:?}");
}
