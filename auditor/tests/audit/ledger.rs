//! The ledger of mappings against one that remembers each page by itself.

use auditor::{Ledger, Unmapping};

const PAGE: u32 = 0x1000;
const PAGES: usize = 24;

/// A mapping of one page.
#[derive(Clone, Copy, PartialEq)]
struct One {
    frame: u32,
    /// The vunmap that is taking it away.
    call: Option<usize>,
}

/// What each page was mapped to and is not gone, oldest first.
#[derive(Default)]
struct Naive([Vec<One>; PAGES]);

/// A generator of numbers that is the same everywhere (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % n
    }
}

fn compare(ledger: &Ledger, naive: &Naive, frames: u32, seed: u64, step: usize) {
    for (page, mapped) in naive.0.iter().enumerate() {
        let va = page as u32 * PAGE;
        for frame in 0..frames {
            let wanted = mapped.last().is_some_and(|one| one.frame == frame);
            assert_eq!(
                ledger.allows(va, frame * PAGE),
                wanted,
                "seed {seed}, step {step}: page {page}, frame {frame}"
            );
        }
    }
}

fn run(seed: u64) {
    let mut random = Random(seed);
    let mut ledger = Ledger::new();
    let mut naive = Naive::default();
    let mut calls: Vec<(usize, Unmapping)> = Vec::new();
    let mut frames = 0;
    for step in 0..120 {
        let first = random.below(PAGES);
        let pages = first..(first + 1 + random.below(5)).min(PAGES);
        let (va, size) = (first as u32 * PAGE, pages.len() as u32 * PAGE);
        match random.below(4) {
            // Over what is free or being unmapped, as vmap does.
            0 | 1 if naive.0[pages.clone()].iter().flatten().all(|one| one.call.is_some()) => {
                let overlap = ledger.mapped(va, frames * PAGE, size);
                let torn = naive.0[pages.clone()].iter().any(|page| !page.is_empty());
                assert_eq!(overlap.is_some(), torn, "seed {seed}, step {step}");
                for (n, page) in naive.0[pages].iter_mut().enumerate() {
                    page.push(One { frame: frames + n as u32, call: None });
                }
                frames += size / PAGE;
            }
            2 => {
                calls.push((step, ledger.unmapping(va, size)));
                for one in naive.0[pages].iter_mut().flatten().filter(|one| one.call.is_none()) {
                    one.call = Some(step);
                }
            }
            3 if !calls.is_empty() => {
                let (number, call) = calls.swap_remove(random.below(calls.len()));
                let mine = |one: &One| one.call == Some(number);
                // One that was overtaken cannot be refused any more.
                let overtaken = naive.0.iter().any(|page| page.iter().rev().skip(1).any(mine));
                if !overtaken && random.below(3) == 0 {
                    ledger.kept(call);
                    naive.0.iter_mut().flatten().filter(|one| mine(one)).for_each(|one| {
                        one.call = None;
                    });
                } else {
                    ledger.gone(call);
                    naive.0.iter_mut().for_each(|page| page.retain(|one| !mine(one)));
                }
            }
            _ => {}
        }
        compare(&ledger, &naive, frames, seed, step);
    }
}

#[test]
fn ranges_and_single_pages_agree() {
    let seed = std::env::var("AUDITOR_SEED").ok().and_then(|seed| seed.parse().ok());
    match seed {
        Some(seed) => run(seed),
        None => (1..=300).for_each(|seed| run(seed * 0x9E37_79B9)),
    }
}
