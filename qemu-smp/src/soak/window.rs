//! What the host sees of the memory that it shares with the guest. Every mapping of it was made by the
//! code under test; what lies in it is known without asking that code.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use mmu386_wire::soak::window::{PAGE, STAMP, TAG, TAIL, stamp, tag};
use serde::Serialize;

/// Wrong pages that are told one by one.
const TOLD: usize = 32;

/// A way in which the host looks at a page. Each needs a control of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// The tag in the first word.
    Tag,
    /// The tag in the last word.
    Tail,
    /// The stamp.
    Stamp,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tag, Self::Tail, Self::Stamp];

    /// Its name in a report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tag => "window-tag",
            Self::Tail => "window-tail",
            Self::Stamp => "window-stamp",
        }
    }

    const fn offset(self) -> usize {
        match self {
            Self::Tag => TAG,
            Self::Tail => TAIL,
            Self::Stamp => STAMP,
        }
    }

    /// What the page at a guest's address must show.
    const fn expected(self, pa: usize) -> u32 {
        match self {
            Self::Tag | Self::Tail => tag(pa),
            Self::Stamp => stamp(pa),
        }
    }

    const fn meaning(self) -> &'static str {
        match self {
            Self::Tag | Self::Tail => "somebody wrote where nobody writes",
            Self::Stamp => "written through a translation that was meant for another page",
        }
    }
}

/// A page that shows what nobody who had it mapped can have written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Foreign {
    /// By which look it was found.
    pub way: Way,
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
    /// A way in which it does not look: for the test that this is noticed.
    pub blind: Option<Way>,
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
            blind: None,
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
        let read = |offset: usize| {
            let mut word = [0; 4];
            file.read_exact_at(&mut word, offset as u64).ok()?;
            Some(u32::from_le_bytes(word))
        };
        let first = read(TAG).unwrap_or(0);
        let base = *self.base.get_or_insert((first & 0xF_FFFF) as usize * PAGE);
        self.wrong.resize(length / PAGE, false);
        let mut stamped = 0;
        let mut found = Vec::new();
        for (number, wrong) in self.wrong.iter_mut().enumerate() {
            let pa = base + number * PAGE;
            for way in Way::ALL {
                let offset = number * PAGE + way.offset();
                let Some(seen) = read(offset) else { break };
                // Nobody may have written the stamp yet.
                let blank = way == Way::Stamp && seen == 0;
                stamped += u32::from(way == Way::Stamp && !blank);
                let (expected, what) = (way.expected(pa), way.meaning());
                if seen == expected || blank || Some(way) == self.blind {
                    continue;
                }
                if !std::mem::replace(wrong, true) {
                    found.push(Foreign { way, offset, expected, seen, what });
                }
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
            write(page, TAIL, tag(BASE + page * PAGE));
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
        write(6, TAIL, 0);
        window.scan();
        window.scan();
        assert_eq!(window.count, 3);
        let offsets: Vec<_> = window.foreign.iter().map(|foreign| foreign.offset).collect();
        assert_eq!(offsets, [4 * PAGE + STAMP, 5 * PAGE + TAG, 6 * PAGE + TAIL]);
        let ways: Vec<_> = window.foreign.iter().map(|foreign| foreign.way).collect();
        assert_eq!(ways, [Way::Stamp, Way::Tag, Way::Tail]);
    }

    #[test]
    fn without_a_file_nothing_was_looked_at() {
        let mut window = Window::new(Path::new("no such file"));
        window.scan();
        assert_eq!(window.scans, 0);
    }
}
