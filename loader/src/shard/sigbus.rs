//! A guard against shards that shrink, or whose disk fails, while they are mapped.
//!
//! Reading a mapped page that is gone raises SIGBUS, which ends the process without a word. Once installed, the
//! handler puts a page of zeros where a *registered* range (a mapped shard) faulted and marks the range, so that
//! the next look at it is a typed error; a fault anywhere else goes to the handler that was there before. It is
//! never installed unless asked for: it belongs to the process, and a host program may have its own.
//!
//! The handler runs where no lock may be taken and nothing allocated, so the register is a linked list of nodes
//! that are never freed, only reused.

use std::{
    io, ptr,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering},
    },
};

struct Node {
    /// 0 while the node is free; 1 while it is being filled.
    start: AtomicUsize,
    end: AtomicUsize,
    torn: AtomicBool,
    /// Written once, before the node is published.
    next: *const Node,
}

static HEAD: AtomicPtr<Node> = AtomicPtr::new(ptr::null_mut());
static PREVIOUS: OnceLock<Previous> = OnceLock::new();

struct Previous(libc::sigaction);

/// One mapped range in the register; it leaves the register when dropped.
pub(crate) struct Registration(&'static Node);

// SAFETY: a Node's fields are atomics, except `next`, which is never written after the node is published.
unsafe impl Sync for Node {}
// SAFETY: as above; nothing in a Node belongs to a thread.
unsafe impl Send for Node {}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registration").field("torn", &self.is_torn()).finish()
    }
}

impl Registration {
    /// Registers `len` bytes from address `start`.
    pub fn new(start: usize, len: usize) -> Self {
        let mut at = HEAD.load(Ordering::Acquire).cast_const();
        // SAFETY: nodes are leaked, so every pointer reached from HEAD stays valid and shared for ever.
        while let Some(node) = unsafe { at.as_ref() } {
            // Acquire/Release on `start`: the handler that sees a start sees the end that belongs to it.
            if node.start.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                node.torn.store(false, Ordering::Relaxed);
                node.end.store(start + len, Ordering::Relaxed);
                node.start.store(start, Ordering::Release);
                return Registration(node);
            }
            at = node.next;
        }
        let mut head = HEAD.load(Ordering::Acquire);
        let node = Box::leak(Box::new(Node {
            start: AtomicUsize::new(start),
            end: AtomicUsize::new(start + len),
            torn: AtomicBool::new(false),
            next: head,
        }));
        loop {
            node.next = head;
            match HEAD.compare_exchange(head, node, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Registration(node),
                Err(now) => head = now,
            }
        }
    }

    /// Whether a read in this range faulted.
    #[inline]
    pub fn is_torn(&self) -> bool {
        // Acquire: pairs with the handler's store; on the faulting thread program order is enough.
        self.0.torn.load(Ordering::Acquire)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.0.end.store(0, Ordering::Relaxed);
        self.0.start.store(0, Ordering::Release);
    }
}

/// Installs the process-wide SIGBUS guard for mapped shards; further calls give the first one's result.
///
/// With it, a shard that shrinks while it is mapped gives [`FormatError::ShrankWhileMapped`] from
/// [`Split::record`](crate::dataset::Split::record) and [`Split::intact`](crate::dataset::Split::intact) instead of
/// the death of the process. A record that was being read at that moment reads as zeros: check `intact` before its
/// bytes are used for good. Faults outside mapped shards go to the handler installed before.
///
/// # Errors
/// What the system says where the handler cannot be installed.
///
/// [`FormatError::ShrankWhileMapped`]: super::FormatError::ShrankWhileMapped
pub fn install_sigbus_guard() -> io::Result<()> {
    // The result is kept, so that no later call takes the first one's failure for success.
    static INSTALLED: OnceLock<io::Result<()>> = OnceLock::new();
    INSTALLED.get_or_init(install).as_ref().map_err(|e| io::Error::new(e.kind(), e.to_string())).copied()
}

fn install() -> io::Result<()> {
    // SAFETY: sigaction structs are plain data for which all zeros is a valid value; the handler given has the
    // signature SA_SIGINFO asks for, and the old action is stored before the handler can need it.
    unsafe {
        let mut old: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(libc::SIGBUS, ptr::null(), &mut old) != 0 {
            return Err(io::Error::last_os_error());
        }
        let _ = PREVIOUS.set(Previous(old));
        let mut new: libc::sigaction = std::mem::zeroed();
        let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_sigbus;
        new.sa_sigaction = handler as usize;
        new.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigemptyset(&mut new.sa_mask);
        if libc::sigaction(libc::SIGBUS, &new, ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

extern "C" fn on_sigbus(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid siginfo for SA_SIGINFO handlers, and SIGBUS fills si_addr.
    let address = unsafe { (*info).si_addr() } as usize;
    let errno = errno();
    // SAFETY: the thread's own errno, which the interrupted code may be about to read.
    let saved = unsafe { *errno };
    let patched = patch(address);
    // SAFETY: as above.
    unsafe { *errno = saved };
    if !patched {
        chain(signal, info, context);
    }
}

/// The calling thread's errno.
fn errno() -> *mut libc::c_int {
    #[cfg(target_os = "linux")]
    // SAFETY: no preconditions; the pointer is valid for the life of the thread.
    return unsafe { libc::__errno_location() };
    #[cfg(not(target_os = "linux"))]
    // SAFETY: no preconditions; the pointer is valid for the life of the thread.
    return unsafe { libc::__error() };
}

/// Puts a page of zeros at `address` if it lies in a registered range. Loads and one system call only.
fn patch(address: usize) -> bool {
    let mut at = HEAD.load(Ordering::Acquire).cast_const();
    // SAFETY: nodes are never freed.
    while let Some(node) = unsafe { at.as_ref() } {
        let start = node.start.load(Ordering::Acquire);
        if start > 1 && (start..node.end.load(Ordering::Relaxed)).contains(&address) {
            // Marked before the page is there: from then on other threads read its zeros without a fault, and must find
            // the mark. Release: pairs with is_torn.
            node.torn.store(true, Ordering::Release);
            // SAFETY: sysconf takes no pointers; the page lies in a mapping that this register's owner keeps alive
            // (the fault was a read of it), so MAP_FIXED replaces nothing but a part of that file mapping.
            let fresh = unsafe {
                let page = libc::sysconf(libc::_SC_PAGESIZE) as usize;
                libc::mmap(
                    (address & !(page - 1)) as *mut libc::c_void,
                    page,
                    libc::PROT_READ,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
                    -1,
                    0,
                )
            };
            return fresh != libc::MAP_FAILED;
        }
        at = node.next;
    }
    false
}

/// Hands a fault that is not ours to whoever handled SIGBUS before.
fn chain(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some(Previous(old)) = PREVIOUS.get() else { return };
    let handler = old.sa_sigaction;
    // SAFETY: the old action came from sigaction, so a handler in it is a function of the signature its flags say.
    // Where there was none, restoring the default and returning makes the fault happen again and end the process
    // as it would have without us.
    unsafe {
        if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
            let mut default: libc::sigaction = std::mem::zeroed();
            default.sa_sigaction = libc::SIG_DFL;
            libc::sigaction(signal, &default, ptr::null_mut());
        } else if old.sa_flags & libc::SA_SIGINFO != 0 {
            type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
            std::mem::transmute::<usize, Handler>(handler)(signal, info, context);
        } else {
            std::mem::transmute::<usize, extern "C" fn(libc::c_int)>(handler)(signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes() -> usize {
        let first = HEAD.load(Ordering::Acquire).cast_const();
        // SAFETY: nodes are never freed.
        std::iter::successors(unsafe { first.as_ref() }, |node| unsafe { node.next.as_ref() }).count()
    }

    #[test]
    fn nodes_are_reused_and_ranges_leave_the_register() {
        // Tests beside this one may take the node that was just freed, so the register may grow, but not by one each.
        for _ in 0..10_000 {
            assert!(!Registration::new(0x10_0000, 0x1000).is_torn());
        }
        assert!(nodes() < 1000, "free nodes must be used before new ones are made");
        assert!(!patch(0x10_0000), "a dropped range must not be patched");
    }

    #[test]
    fn a_range_is_marked_before_its_page_is_replaced() {
        // Where no page can be: the mark is then all that is done.
        let nowhere = Registration::new(usize::MAX - 0xffff, 0x1000);
        assert!(!patch(usize::MAX - 0xffff) && nowhere.is_torn());
    }
}
