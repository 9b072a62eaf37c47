//! Panics as findings rather than as noise.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use crate::owned::for_a_while;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Does the work; if it panics, returns the panic's text, and prints nothing.
///
/// # Errors
/// The text of a panic.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
    let quiet = QUIET.replace(true);
    let back = for_a_while(None);
    let result = catch_unwind(AssertUnwindSafe(work));
    drop(back);
    QUIET.set(quiet);
    result.map_err(|panic| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast_ref::<&str>().map_or("a panic".into(), |text| (*text).into()),
    })
}
