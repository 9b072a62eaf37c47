//! Ctrl-C, SIGTERM and SIGHUP as one flag that every wait loop looks at.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
static SIGNAL: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// Catches the signals. The first one sets the flag, so that children are stopped and files are
/// written; a second one ends the process at once, and the reaper stops the children.
pub fn install() -> Result<()> {
    let flag = FLAG.get_or_init(Arc::default);
    let last = SIGNAL.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        let context = || format!("cannot catch signal {signal}");
        // In this order: the shutdown looks at the flag as the signal before this one left it.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(flag))
            .with_context(context)?;
        flag::register(signal, Arc::clone(flag)).with_context(context)?;
        let number = usize::try_from(signal).unwrap_or_default();
        flag::register_usize(signal, Arc::clone(last), number).with_context(context)?;
    }
    Ok(())
}

/// Whether somebody asked this run to stop.
pub fn interrupted() -> bool {
    FLAG.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}

/// The exit status of a run that did not succeed: 1, or 128 and the signal that interrupted it.
pub fn failure_status() -> u8 {
    let signal = SIGNAL.get().map_or(0, |last| last.load(Ordering::Relaxed));
    match u8::try_from(signal) {
        Ok(signal) if interrupted() => 128 + signal,
        _ => 1,
    }
}
