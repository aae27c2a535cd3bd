//! Ctrl-C and SIGTERM: exit code 130, at once where there is nothing to clean up, else as soon as the work in hand looks
//! at the flag. A second signal ends the process at once in any case.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use crate::exit::CliError;

/// Sees to it that a signal ends the process at once with exit code 130, until [`flag`] is called.
///
/// # Errors
/// [`CliError::Usage`] where the system does not let us listen.
pub fn listen() -> Result<(), CliError> {
    shared().map(|_| ())
}

/// Makes a file that somebody truncates under its mapping an error, not a silent death.
///
/// # Errors
/// As [`listen`].
pub fn guard_mappings() -> Result<(), CliError> {
    rfx_loader::shard::install_sigbus_guard().map_err(|e| CliError::Usage {
        what: format!("cannot install a signal handler: {e}"),
        help: "run it outside the sandbox that forbids signal handlers".into(),
    })
}

/// A flag that a signal sets. From here on it does nothing else, the first time.
///
/// # Errors
/// As [`listen`].
pub fn flag() -> Result<Arc<AtomicBool>, CliError> {
    static COOPERATIVE: OnceLock<()> = OnceLock::new();
    let flag = shared()?;
    // Relaxed, as everywhere here: no other memory goes with the flag. Once only: a set flag stays set.
    COOPERATIVE.get_or_init(|| flag.store(false, Ordering::Relaxed));
    Ok(flag)
}

/// The flag, which at first is set: a signal that finds it so ends the process.
fn shared() -> Result<Arc<AtomicBool>, CliError> {
    static FLAG: OnceLock<Result<Arc<AtomicBool>, String>> = OnceLock::new();
    let register = || {
        let flag = Arc::new(AtomicBool::new(true));
        let code = rfx_loader::ErrorKind::Interrupted.exit_code();
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            // In this order: the shutdown must look at the flag before the same signal sets it.
            signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(&flag))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag)))
                .map_err(|e| format!("cannot listen to signal {signal}: {e}"))?;
        }
        Ok(flag)
    };
    FLAG.get_or_init(register).clone().map_err(|what| CliError::Usage {
        what,
        help: "run it outside the sandbox that forbids signal handlers".into(),
    })
}
