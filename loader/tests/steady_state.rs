//! What a loader over raw records does not do once it runs: allocate, or call the system for a sample.
#![allow(unsafe_code)] // counts allocations, and traces a child

#[path = "support/mod.rs"]
mod support;
#[path = "support/synthetic.rs"]
mod synthetic;

use std::{
    alloc::{GlobalAlloc, Layout as Shape, System},
    collections::BTreeMap,
    os::unix::process::CommandExt,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use rfx_loader::{Crop, Dtype, Layout, Loader, LoaderSpec, Normalise, Recipe, pack::PackOrder};
use synthetic::{Synthetic, packed};

/// Counts what any thread of the process allocates.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: the system's allocator does it; counting touches no memory of its own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Shape) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Shape) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// One test at a time: both count for the whole process.
static ALONE: Mutex<()> = Mutex::new(());

const BATCH: usize = 32;
const STEPS: usize = 8;

fn recipe(dir: &tempfile::TempDir, spec: LoaderSpec) -> Recipe {
    let path = dir.path().join("d");
    if !path.exists() {
        let source = Synthetic::new(BATCH * STEPS, 10, [3, 20, 20], Layout::Nchw);
        packed(&source, &path, 100_000, PackOrder::Shuffled { seed: 1 });
    }
    let dataset = rfx_loader::Dataset::open(&path, rfx_loader::dataset::Verify::Once).unwrap();
    Recipe::new(&dataset, &spec.batch(BATCH), 1).unwrap()
}

fn specs() -> Vec<LoaderSpec> {
    let whitened = |corruption: &str| {
        let spec = LoaderSpec::new("train").crop(Crop::Center(17)).normalise(Normalise::Whiten);
        spec.dtype(Dtype::F32).corruption(corruption.parse().unwrap())
    };
    vec![
        LoaderSpec::new("train"),
        whitened("partially-corrupted:0.5"),
        whitened("labels=uniform:p=0.5,resample=0.5 inputs=random-pixels:resample=0.5"),
        whitened("random-pixels:positions").layout(Layout::Nhwc),
        whitened("gaussian").dtype(Dtype::F16),
        whitened("shuffled-pixels").dtype(Dtype::Bf16).normalise(Normalise::Channel),
        whitened("inputs=shot:severity=2,amount=0.5").crop(Crop::Random(18)).flip(true).rotate(10),
        whitened("true-labels").crop("random-resized:16".parse().unwrap()).flip(true),
    ]
}

/// Four epochs in a row, over their ends, in all threads: not one. A thread that is slow to start allocates a little then,
/// once, so a few such stretches are granted before one must be clean; what is allocated per batch would be in all of them.
#[test]
fn nothing_is_allocated_once_all_threads_run() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let dir = tempfile::tempdir().unwrap();
    for (spec, threads) in specs().into_iter().flat_map(|spec| [0, 1, 3].map(|t| (spec.clone(), t))) {
        let recipe = recipe(&dir, spec.clone());
        for recipe in [Some(recipe.clone()), recipe.with_cached_views().ok()].into_iter().flatten() {
            let mut loader = Loader::builder(recipe).threads(threads).slots(3).start().unwrap();
            let mut stretch = || {
                let before = ALLOCATIONS.load(Ordering::Relaxed);
                let seen: usize = loader.by_ref().take(4 * STEPS).map(|batch| batch.unwrap().len()).sum();
                assert_eq!(seen, 4 * STEPS * BATCH);
                ALLOCATIONS.load(Ordering::Relaxed) - before
            };
            let counts: Vec<u64> = (0..10).map(|_| stretch()).collect();
            assert!(counts.contains(&0), "{spec:?}, {threads} threads: {counts:?}");
        }
    }
}

/// What the traced child makes known with a system call that nothing else makes.
const BEGIN: i32 = -1001;
const END: i32 = -1002;

/// The child: warms up, then reads `EPOCHS` epochs between two marks.
fn read_between_marks(threads: usize) {
    let dir = tempfile::tempdir().unwrap();
    let [_, spec, ..] = &specs()[..] else { unreachable!() };
    // Without end, so that no thread is on its way home.
    let mut loader = Loader::builder(recipe(&dir, spec.clone())).threads(threads).slots(4).start().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300)); // until all threads have begun
    loader.by_ref().take(2 * STEPS).for_each(|batch| drop(batch.unwrap()));
    // SAFETY: a process of this number does not exist, so nothing happens.
    let mark = |number: i32| unsafe { libc::kill(number, 0) };
    mark(BEGIN);
    loader.by_ref().take(EPOCHS as usize * STEPS).for_each(|batch| drop(batch.unwrap()));
    mark(END);
}

const EPOCHS: u32 = 40;
const CHILD: &str = "RFX_TEST_STEADY_THREADS";

/// Without threads none at all. With them, what a thread does that waits for another: at most a few per batch, however
/// many samples it has.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn no_system_call_is_made_for_a_sample() {
    const NAME: &str = "no_system_call_is_made_for_a_sample";
    if let Ok(threads) = std::env::var(CHILD) {
        return read_between_marks(threads.parse().unwrap());
    }
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    for threads in [0, 1, 2] {
        let calls = match traced(NAME, threads) {
            Ok(calls) => calls,
            Err(reason) => return support::skip("ptrace", NAME, &reason),
        };
        let batches = u64::from(EPOCHS) * STEPS as u64;
        let waits: u64 = [libc::SYS_futex, libc::SYS_sched_yield].iter().filter_map(|n| calls.get(n)).sum();
        let all: u64 = calls.values().sum();
        assert_eq!(all, waits, "{threads} threads: {calls:?}");
        match threads {
            0 => assert_eq!(all, 0, "{calls:?}"),
            // Each of the threads may yield ten times and then park, for a batch of another.
            _ => assert!(all < batches * 16 * (threads as u64 + 1), "{threads} threads: {calls:?}"),
        }
        eprintln!(
            "{threads} threads: {:.3} system calls a sample",
            all as f64 / (batches as usize * BATCH) as f64
        );
    }
}

/// Runs the test `name` of this program as a child with `threads` threads, and counts its system calls between the marks,
/// of all its threads, by number. Where tracing is not allowed, says so.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn traced(name: &str, threads: usize) -> Result<BTreeMap<i64, u64>, String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--test-threads=1"]).env(CHILD, threads.to_string());
    command.stdout(std::process::Stdio::null());
    // SAFETY: between fork and exec only this one call is made, which touches no memory.
    unsafe {
        command.pre_exec(|| match libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
    let child = command.spawn().map_err(|e| format!("a child cannot be traced: {e}"))?;
    let child = child.id() as libc::pid_t;
    let ask = |request, pid: libc::pid_t, data: usize| {
        // SAFETY: requests that touch the child alone, with a number as data.
        unsafe { libc::ptrace(request, pid, 0, data) }
    };
    let wait = |pid: libc::pid_t| {
        let mut status = 0;
        // SAFETY: writes one integer, ours.
        let stopped = unsafe { libc::waitpid(pid, &mut status, libc::__WALL) };
        (stopped, status)
    };
    let (_, status) = wait(child);
    assert!(libc::WIFSTOPPED(status), "{status:x}"); // at its exec
    let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_EXITKILL;
    if ask(libc::PTRACE_SETOPTIONS, child, options as usize) != 0 {
        return Err(format!("a child cannot be traced: {}", std::io::Error::last_os_error()));
    }
    ask(libc::PTRACE_SYSCALL, child, 0);
    let (mut counting, mut marks) = (false, 0);
    let mut inside: BTreeMap<libc::pid_t, bool> = BTreeMap::new();
    let mut calls = BTreeMap::new();
    loop {
        let (pid, status) = wait(-1);
        assert!(pid > 0, "{}", std::io::Error::last_os_error());
        if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
            if pid == child {
                assert!(
                    libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0,
                    "the child failed: {status:x}"
                );
                assert_eq!(marks, 2, "the child was not seen at both marks");
                return Ok(calls);
            }
            continue;
        }
        let signal = libc::WSTOPSIG(status);
        let mut pass_on = 0;
        if signal == libc::SIGTRAP | 0x80 {
            // Entering and leaving a call take turns in each thread.
            let inside = inside.entry(pid).or_default();
            *inside = !*inside;
            if *inside {
                // SAFETY: a structure of integers, for which zeros are a value.
                let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
                // SAFETY: writes the stopped thread's registers into a structure of ours.
                let got = unsafe { libc::ptrace(libc::PTRACE_GETREGS, pid, 0, &raw mut registers) };
                assert_eq!(got, 0, "{}", std::io::Error::last_os_error());
                let (number, first) = (registers.orig_rax as i64, registers.rdi as i32);
                match (number, first) {
                    (libc::SYS_kill, BEGIN) => (counting, marks) = (true, marks + 1),
                    (libc::SYS_kill, END) => (counting, marks) = (false, marks + 1),
                    _ if counting => *calls.entry(number).or_default() += 1,
                    _ => {}
                }
            }
        } else if signal != libc::SIGTRAP && signal != libc::SIGSTOP {
            pass_on = signal; // its own affair; SIGTRAP and SIGSTOP are ours, of new threads
        }
        ask(libc::PTRACE_SYSCALL, pid, pass_on as usize);
    }
}
