//! What the host sees of the memory that it shares with the guest. Every mapping of it was made by the
//! code under test; what lies in it is known without asking that code.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use mmu386_wire::soak::window::{PAGE, STAMP, TAG, stamp, tag};
use serde::Serialize;

/// Wrong pages that are told one by one.
const TOLD: usize = 32;

/// A page that shows what nobody who had it mapped can have written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Foreign {
    /// Offset in the shared memory, in bytes.
    pub offset: usize,
    /// What must be there; the stamp may be missing.
    pub expected: u32,
    /// What is there.
    pub seen: u32,
    /// What this means.
    pub what: &'static str,
}

/// The shared memory, as the host sees it.
#[derive(Debug)]
pub struct Window {
    path: PathBuf,
    file: Option<File>,
    /// Where the guest has it, which its first tag tells.
    base: Option<usize>,
    /// Looks at all of it.
    pub scans: u32,
    /// Pages that had been written to at the last look.
    pub stamped: u32,
    /// Pages that were wrong, those that are told.
    pub foreign: Vec<Foreign>,
    /// How many were wrong.
    pub count: u32,
    wrong: Vec<bool>,
}

impl Window {
    /// The memory in a file that QEMU makes.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            file: None,
            base: None,
            scans: 0,
            stamped: 0,
            foreign: Vec::new(),
            count: 0,
            wrong: Vec::new(),
        }
    }

    /// Looks at every page. The guest has tagged them by now.
    pub fn scan(&mut self) {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        let Some(file) = &self.file else { return };
        let Ok(length) = file.metadata().map(|data| data.len() as usize) else { return };
        let mut words = [0; 8];
        let mut read = |offset: usize| {
            file.read_exact_at(&mut words, offset as u64).ok()?;
            let word = |at: usize| {
                let bytes = words[at..].first_chunk().copied().unwrap_or_default();
                u32::from_le_bytes(bytes)
            };
            Some((word(TAG), word(STAMP)))
        };
        let first = read(0).map_or(0, |(tag, _)| tag);
        let base = *self.base.get_or_insert((first & 0xF_FFFF) as usize * PAGE);
        self.wrong.resize(length / PAGE, false);
        let mut stamped = 0;
        let mut found = Vec::new();
        for (number, wrong) in self.wrong.iter_mut().enumerate() {
            let offset = number * PAGE;
            let Some((seen_tag, seen_stamp)) = read(offset) else { break };
            let pa = base + offset;
            stamped += u32::from(seen_stamp != 0);
            let bad = if seen_tag != tag(pa) {
                Foreign {
                    offset: offset + TAG,
                    expected: tag(pa),
                    seen: seen_tag,
                    what: "somebody wrote where nobody writes",
                }
            } else if seen_stamp != 0 && seen_stamp != stamp(pa) {
                Foreign {
                    offset: offset + STAMP,
                    expected: stamp(pa),
                    seen: seen_stamp,
                    what: "written through a translation that was meant for another page",
                }
            } else {
                continue;
            };
            if !std::mem::replace(wrong, true) {
                found.push(bad);
            }
        }
        self.scans += 1;
        self.stamped = stamped;
        self.count += found.len() as u32;
        let room = TOLD - self.foreign.len();
        self.foreign.extend(found.into_iter().take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: usize = 0xFD00_0000;
    const PAGES: usize = 8;

    #[test]
    fn a_foreign_stamp_and_a_lost_tag_are_found_once() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("window");
        let file = File::create(&path).unwrap();
        let write = |page: usize, at: usize, word: u32| {
            file.write_all_at(&word.to_le_bytes(), (page * PAGE + at) as u64).unwrap();
        };
        for page in 0..PAGES {
            write(page, TAG, tag(BASE + page * PAGE));
            write(page, STAMP, 0);
        }
        file.set_len((PAGES * PAGE) as u64).unwrap();
        let mut window = Window::new(&path);
        window.scan();
        write(3, STAMP, stamp(BASE + 3 * PAGE));
        window.scan();
        assert_eq!((window.scans, window.stamped, window.count), (2, 1, 0));

        write(4, STAMP, stamp(BASE + 3 * PAGE));
        write(5, TAG, 0);
        window.scan();
        window.scan();
        assert_eq!(window.count, 2);
        let offsets: Vec<_> = window.foreign.iter().map(|foreign| foreign.offset).collect();
        assert_eq!(offsets, [4 * PAGE + STAMP, 5 * PAGE + TAG]);
    }

    #[test]
    fn without_a_file_nothing_was_looked_at() {
        let mut window = Window::new(Path::new("no such file"));
        window.scan();
        assert_eq!(window.scans, 0);
    }
}
