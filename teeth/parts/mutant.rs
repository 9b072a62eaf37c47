//! Which mutant this process is. Only the copy that holds the mutants has this module.

extern crate std;

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::env::{VarError, var, var_os};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::LazyLock;

/// The number of the mutant; 0 for the original.
static CHOSEN: LazyLock<usize> = LazyLock::new(|| match var("MMU386_MUTANT") {
    Ok(text) => match text.parse() {
        Ok(id) if (1..=COUNT).contains(&id) && !LEFT_OUT.contains(&id) => id,
        _ => panic!("MMU386_MUTANT={text}: no such mutant in this build"),
    },
    Err(VarError::NotPresent) => 0,
    Err(error) => panic!("MMU386_MUTANT: {error}"),
});

/// Where to note which mutants' places this process comes to.
static NOTES: LazyLock<Option<File>> = LazyLock::new(|| {
    let file = var_os("MMU386_REACHED")?;
    let file = OpenOptions::new().create(true).append(true).open(file);
    Some(file.expect("MMU386_REACHED names a file that can be written"))
});

static REACHED: [AtomicBool; COUNT + 1] = [const { AtomicBool::new(false) }; COUNT + 1];

/// Whether this process is that mutant.
pub(crate) fn on(id: usize) -> bool {
    if let Some(mut file) = NOTES.as_ref()
        && !REACHED[id].swap(true, Relaxed)
    {
        writeln!(file, "{id}").expect("MMU386_REACHED can be written to");
    }
    *CHOSEN == id
}
