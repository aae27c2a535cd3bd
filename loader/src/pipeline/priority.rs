//! Lets a thread give way to others.

/// Steps of niceness: with 19 the thread gets a core when nothing else wants one, and 1.5 % of it otherwise.
#[cfg(target_os = "linux")]
const NICE: libc::c_int = 19;

/// The calling thread gives way to every other that wants its core. Only a hint: where the system refuses, or has no
/// priorities of threads, nothing changes.
pub(super) fn give_way() {
    #[cfg(target_os = "linux")]
    // SAFETY: takes numbers, returns one; on Linux 0 is the calling thread alone.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, NICE);
    }
}
