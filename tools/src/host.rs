//! What Linux tells of this machine, through /proc and /sys; nothing where it does not.

use std::time::Duration;

use rustix::{
    param::clock_ticks_per_second,
    time::{ClockId, clock_gettime},
};

/// The file's text without the space at its end, or nothing where it cannot be read.
pub(crate) fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// The value of the first line `name : value`.
fn value_of(text: &str, name: &str) -> Option<String> {
    let of = |line: &str| {
        line.split_once(':').filter(|(key, _)| key.trim() == name).map(|(_, v)| v.trim().to_owned())
    };
    text.lines().find_map(of)
}

/// The processor's name.
pub(crate) fn processor() -> Option<String> {
    read("/proc/cpuinfo").and_then(|text| value_of(&text, "model name"))
}

/// Cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A number of /proc/meminfo in bytes.
pub(crate) fn meminfo(name: &str) -> Option<u64> {
    let text = read("/proc/meminfo")?;
    value_of(&text, name)?.split(' ').next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Bytes that programs may still take, page cache that can be dropped included.
pub(crate) fn available_memory() -> Option<u64> {
    meminfo("MemAvailable")
}

/// Bytes of the first core's last cache, which it may share with others.
pub(crate) fn last_cache() -> Option<u64> {
    let size = |level| read(&format!("/sys/devices/system/cpu/cpu0/cache/index{level}/size"));
    [3, 2].into_iter().find_map(size)?.strip_suffix('K')?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Time that all threads of this process have spent on cores so far, in user and system mode: what getrusage says, to
/// the nanosecond.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanoseconds.unwrap_or(0)) // the kernel gives no negative times
}

/// Time that all programs, this one too, have spent on the cores of the machine since it was started, and what its host
/// took from it; to a hundredth of a second. In a container these are the cores of the whole machine.
pub(crate) fn busy_time() -> Option<Duration> {
    let text = read("/proc/stat")?;
    let fields = text.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
    let ticks: Vec<u64> = fields.map_while(|field| field.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal
    let busy: u64 = [0, 1, 2, 5, 6, 7].into_iter().filter_map(|i| ticks.get(i)).sum();
    Some(Duration::from_secs_f64(busy as f64 / clock_ticks_per_second() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_whole_name() {
        let text = "MemTotal:       24 kB\nMemAvailable:   12 kB\nCached: 3 kB\nSwapCached: 9 kB\n";
        assert_eq!(value_of(text, "Cached").as_deref(), Some("3 kB"));
        assert_eq!(value_of(text, "MemTotal").as_deref(), Some("24 kB"));
        assert_eq!(value_of(text, "Mem"), None);
    }

    #[test]
    fn work_takes_time_on_cores() {
        let before = cpu_time();
        let sum = (0..1_000_000u64).fold(0, |sum, i| std::hint::black_box(sum ^ i));
        assert!(cpu_time() > before, "{sum}");
    }

    #[test]
    fn the_machine_was_at_least_as_busy_as_this_process() {
        if let Some(busy) = busy_time() {
            assert!(busy + Duration::from_millis(100) > cpu_time(), "{busy:?}"); // ticks are coarse
        }
    }
}
