//! What programs print, where a reader may leave at any time.
//!
//! `println!` panics when `head` has seen enough, when `less` is left, or when the disk is full. A run may
//! not end there: it has children to stop and a report to write. So everything that the programs print goes
//! through here, and the program goes on as if it had been read. What standard output lost, other than
//! for want of a reader, [`lost`] tells at the end: a program that was to deliver something has not.
#![forbid(unsafe_code)]

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write, stderr, stdout};
use std::sync::{Mutex, PoisonError};

/// Where words go to.
struct Sink {
    /// Why it takes no more.
    failed: Mutex<Option<io::Error>>,
}

impl Sink {
    const fn new() -> Self {
        Self { failed: Mutex::new(None) }
    }

    /// Writes all of it at once, as long as nothing was lost before.
    fn put(&self, mut to: impl Write, words: Arguments<'_>) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.is_none() {
            let text = words.to_string();
            *failed = to.write_all(text.as_bytes()).and_then(|()| to.flush()).err();
        }
    }

    fn lost(&self) -> Option<String> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = failed.as_ref().filter(|error| error.kind() != ErrorKind::BrokenPipe);
        failed.map(ToString::to_string)
    }
}

static OUT: Sink = Sink::new();
static ERR: Sink = Sink::new();

/// Writes to standard output, as it is.
pub fn to_out(words: Arguments<'_>) {
    OUT.put(stdout().lock(), words);
}

/// Writes to standard error, as it is.
pub fn to_err(words: Arguments<'_>) {
    ERR.put(stderr().lock(), words);
}

/// Why standard output did not take everything; nothing if it did, or if its reader did not want the rest.
pub fn lost() -> Option<String> {
    OUT.lost()
}

/// Prints a line on standard output.
#[macro_export]
macro_rules! out {
    () => { $crate::to_out(format_args!("\n")) };
    ($format:literal $($rest:tt)*) => {
        $crate::to_out(format_args!("{}\n", format_args!($format $($rest)*)))
    };
}

/// Prints text that has its own ends of lines on standard output.
#[macro_export]
macro_rules! text {
    ($($what:tt)*) => { $crate::to_out(format_args!($($what)*)) };
}

/// Prints a line on standard error.
#[macro_export]
macro_rules! err {
    ($format:literal $($rest:tt)*) => {
        $crate::to_err(format_args!("{}\n", format_args!($format $($rest)*)))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes some bytes, and fails then.
    struct Narrow(usize, ErrorKind);

    impl Write for &mut Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(self.1.into());
            }
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_enough_loses_nothing_and_a_full_disk_does() {
        for (kind, lost) in [(ErrorKind::BrokenPipe, false), (ErrorKind::StorageFull, true)] {
            let (sink, mut narrow) = (Sink::new(), Narrow(3, kind));
            sink.put(&mut narrow, format_args!("ab"));
            assert_eq!(sink.lost(), None);
            sink.put(&mut narrow, format_args!("cd"));
            assert_eq!(sink.lost().is_some(), lost, "{kind}");
            // Nothing comes after a hole.
            narrow.0 = 9;
            sink.put(&mut narrow, format_args!("ef"));
            assert_eq!(narrow.0, 9);
        }
    }
}
