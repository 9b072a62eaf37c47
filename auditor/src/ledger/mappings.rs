//! Which CPU may reach which memory through which address of VMAP.
//!
//! A mapping is live from the return of vmap to the call of vunmap, then being unmapped until vunmap
//! returns, then gone. Parts of a mapping may be unmapped alone.

use core::fmt;

use super::runs::{Run, State, pages_of};
use super::{Ledger, address, number};

/// What a new mapping overlaps, which should be nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    /// First address that both have.
    pub va: u32,
    /// Physical address of the older mapping's page there.
    pub pa: u32,
    /// The older mapping is being unmapped, rather than live.
    ///
    /// vunmap gives addresses back before it returns, and may: as soon as no CPU can reach the old
    /// memory. Where that moment can be seen, any overlap breaks V2. Where it cannot, because others
    /// run between it and the return, an audit of V1 right after decides: from here on nobody may
    /// reach the old memory through the new mapping's addresses.
    pub torn: bool,
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { va, pa, .. } = self;
        if self.torn {
            write!(f, "{va:#x} is still being unmapped from {pa:#x}: its vunmap has not returned")
        } else {
            write!(f, "{va:#x} is mapped to {pa:#x} already")
        }
    }
}

/// A call of vunmap that has not returned; goes to [`Ledger::gone`] or [`Ledger::kept`].
#[must_use = "tell the ledger how vunmap ended: gone or kept"]
#[derive(Debug)]
pub struct Unmapping {
    pages: Option<(u32, u32)>,
    call: u32,
}

impl Ledger {
    /// vmap is about to be called. Until it returns, what it asks for may be reached wherever the
    /// master maps it.
    ///
    /// Needed only where others audit meanwhile; [`mapped`](Self::mapped) or
    /// [`refused`](Self::refused) ends it.
    pub fn mapping(&mut self, pa: u32, size: u32) {
        self.mappings.asked.extend(pages_of(pa, size));
    }

    /// vmap returned an error.
    pub fn refused(&mut self, pa: u32, size: u32) {
        let asked = &mut self.mappings.asked;
        let one = pages_of(pa, size);
        if let Some(at) = asked.iter().position(|&range| Some(range) == one) {
            asked.swap_remove(at);
        }
    }

    /// vmap returned `va`. Returns what it overlaps: something live if there is such, else something
    /// that is being unmapped.
    #[must_use = "what vmap returned overlaps something: V2"]
    pub fn mapped(&mut self, va: u32, pa: u32, size: u32) -> Option<Overlap> {
        self.refused(pa, size);
        let (first, last) = pages_of(va, size)?;
        let mappings = &mut self.mappings;
        mappings.edges.extend([first, last]);
        for key in mappings.keys(first, last) {
            let run = mappings.newest.remove(&key).expect("it was found");
            mappings.older.push(run);
        }
        let run = Run { first, last, frame: number(pa), state: State::Live };
        mappings.newest.insert(first, run);
        let overlaps = mappings.older.iter().filter_map(|run| {
            let both = run.part(first, last)?;
            let torn = run.state != State::Live;
            Some(Overlap { va: address(both.first), pa: address(both.frame), torn })
        });
        overlaps.min_by_key(|overlap| overlap.torn)
    }

    /// vunmap is about to be called for `size` bytes at `va`, all or part of a mapping; or patwc is,
    /// which changes the entries as well and keeps them.
    pub fn unmapping(&mut self, va: u32, size: u32) -> Unmapping {
        let mappings = &mut self.mappings;
        let call = mappings.calls;
        mappings.calls = call.wrapping_add(1);
        let pages = pages_of(va, size);
        if let Some((first, last)) = pages {
            mappings.edges.extend([first, last]);
            mappings.change(first, last, State::Live, Some(State::Unmapping(call)));
        }
        Unmapping { pages, call }
    }

    /// vunmap refused, or patwc returned: what it was called for is live as before.
    pub fn kept(&mut self, unmapping: Unmapping) {
        self.end(unmapping, Some(State::Live));
    }

    /// vunmap returned: nobody may reach the old memory.
    pub fn gone(&mut self, unmapping: Unmapping) {
        self.end(unmapping, None);
    }

    fn end(&mut self, unmapping: Unmapping, to: Option<State>) {
        if let Some((first, last)) = unmapping.pages {
            self.mappings.change(first, last, State::Unmapping(unmapping.call), to);
        }
    }

    /// Whether some CPU may use the translation of the page of `va` to the page of `pa`.
    pub fn allows(&self, va: u32, pa: u32) -> bool {
        let page = number(va);
        self.mappings.of(page).is_some_and(|run| run.frame_of(page) == number(pa))
    }

    /// First and last page of each mapping, and of each part, ever given out: enough to tell whether
    /// any CPU still reaches it, as entries are made and cleared from the first to the last.
    pub fn edges(&self) -> impl Iterator<Item = u32> {
        self.mappings.edges.iter().copied().map(address)
    }

    /// The first page, of `bytes` at `va` mapped to `pa`, whose translation no CPU may use.
    pub(crate) fn first_refused(&self, va: u32, pa: u32, bytes: u32) -> Option<u32> {
        let mappings = &self.mappings;
        let (first, last) = pages_of(va, bytes)?;
        let mut page = first;
        while page <= last {
            let wanted = (number(pa) + (page - first)) & number(u32::MAX);
            // Newer ones come in whole; what an older one covers may end where a newer one begins.
            let (run, next) = match mappings.newest_of(page) {
                Some(run) => (Some(run), run.last + 1),
                None => (mappings.of(page), page + 1),
            };
            if run.is_none_or(|run| run.frame_of(page) != wanted) {
                return Some(address(page));
            }
            page = next;
        }
        None
    }

    /// The pages around the page of `va` that are mapped in one piece: first page, last page, and the
    /// physical address of the first.
    pub(crate) fn piece(&self, va: u32) -> Option<(u32, u32, u32)> {
        let run = self.mappings.newest_of(number(va))?;
        Some((address(run.first), address(run.last), address(run.frame)))
    }

    /// Whether the page of `va` is being unmapped, or its attributes are being changed.
    pub(crate) fn is_unmapping(&self, va: u32) -> bool {
        self.mappings.of(number(va)).is_some_and(|run| run.state != State::Live)
    }

    /// Whether a vmap of the page of `pa` has been called and has not returned.
    pub fn is_asked(&self, pa: u32) -> bool {
        let frame = number(pa);
        self.mappings.asked.iter().any(|&(first, last)| first <= frame && frame <= last)
    }

    /// The live mappings of which a newer one has taken pages: pages and frames.
    pub(crate) fn taken(&self) -> impl Iterator<Item = (u32, u32)> {
        let older = self.mappings.older.iter().filter(|run| run.state == State::Live);
        older.map(|run| (address(run.first), address(run.frame)))
    }

    /// Live mappings by address: first page, its physical address, and pages.
    pub(crate) fn live(&self) -> impl Iterator<Item = (u32, u32, u32)> {
        let runs = self.mappings.newest.values().filter(|run| run.state == State::Live);
        runs.map(|run| (address(run.first), address(run.frame), run.last - run.first + 1))
    }

    /// What the page of `va` is now, for people.
    pub(crate) fn describe(&self, va: u32) -> Now {
        let page = number(va);
        self.mappings.of(page).map_or(Now::Unmapped, |run| {
            let pa = address(run.frame_of(page));
            if run.state == State::Live { Now::Live(pa) } else { Now::Unmapping(pa) }
        })
    }
}

/// What a page of VMAP is, for people.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Now {
    Unmapped,
    Live(u32),
    Unmapping(u32),
}

impl fmt::Display for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unmapped => f.write_str("that address is not mapped"),
            Self::Live(pa) => write!(f, "that address is mapped to {pa:#x}"),
            Self::Unmapping(pa) => write!(f, "that address is being unmapped from {pa:#x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TORN: bool = true;

    fn overlap(ledger: &mut Ledger, va: u32, pa: u32, size: u32) -> Option<bool> {
        ledger.mapped(va, pa, size).map(|overlap| overlap.torn)
    }

    #[test]
    fn a_gone_mapping_allows_nothing() {
        let mut ledger = Ledger::new();
        assert_eq!(ledger.mapped(0x1_0000, 0x10_0000, 0x2000), None);
        assert!(ledger.allows(0x1_1000, 0x10_1000));
        assert!(!ledger.allows(0x1_1000, 0x10_0000));
        let call = ledger.unmapping(0x1_0000, 0x2000);
        assert!(ledger.allows(0x1_0000, 0x10_0000));
        ledger.gone(call);
        assert!(!ledger.allows(0x1_0000, 0x10_0000));
        assert!(!ledger.allows(0x1_1000, 0x10_1000));
    }

    #[test]
    fn an_overlap_is_told_whether_live_or_half_gone() {
        let mut ledger = Ledger::new();
        assert_eq!(overlap(&mut ledger, 0x1_0000, 0x10_0000, 0x2000), None);
        assert_eq!(overlap(&mut ledger, 0x1_1000, 0x20_0000, 0x1000), Some(!TORN));
        let mut ledger = Ledger::new();
        assert_eq!(overlap(&mut ledger, 0x1_0000, 0x10_0000, 0x1000), None);
        let call = ledger.unmapping(0x1_0000, 0x1000);
        assert_eq!(overlap(&mut ledger, 0x1_0000, 0x20_0000, 0x1000), Some(TORN));
        ledger.gone(call);
        assert_eq!(overlap(&mut ledger, 0x1_1000, 0x30_0000, 0x1000), None);
    }

    #[test]
    fn of_two_overlaps_the_worse_is_told() {
        let mut ledger = Ledger::new();
        assert_eq!(overlap(&mut ledger, 0x1_0000, 0x10_0000, 0x1000), None);
        assert_eq!(overlap(&mut ledger, 0x1_1000, 0x20_0000, 0x1000), None);
        let _call = ledger.unmapping(0x1_0000, 0x1000);
        let told = ledger.mapped(0x1_0000, 0x30_0000, 0x2000).expect("both overlap");
        assert_eq!(told, Overlap { va: 0x1_1000, pa: 0x20_0000, torn: false });
    }

    /// The call that has the addresses now decides what they lead to, and each vunmap ends its own mapping.
    #[test]
    fn an_address_given_out_early_leads_to_the_new_memory_alone() {
        let mut ledger = Ledger::new();
        assert_eq!(ledger.mapped(0x1_0000, 0x10_0000, 0x2000), None);
        let first = ledger.unmapping(0x1_0000, 0x2000);
        assert!(ledger.mapped(0x1_0000, 0x20_0000, 0x1000).is_some());
        assert!(ledger.allows(0x1_0000, 0x20_0000) && !ledger.allows(0x1_0000, 0x10_0000));
        assert!(ledger.allows(0x1_1000, 0x10_1000), "not given out yet");
        let second = ledger.unmapping(0x1_0000, 0x1000);
        ledger.gone(first);
        assert!(ledger.allows(0x1_0000, 0x20_0000) && !ledger.allows(0x1_1000, 0x10_1000));
        ledger.gone(second);
        assert!(!ledger.allows(0x1_0000, 0x20_0000));
    }

    #[test]
    fn a_refused_call_changes_nothing() {
        let mut ledger = Ledger::new();
        assert_eq!(ledger.mapped(0x1_0000, 0x10_0000, 0x3000), None);
        let call = ledger.unmapping(0x1_1000, 0x1000);
        assert!(ledger.is_unmapping(0x1_1000) && !ledger.is_unmapping(0x1_2000));
        ledger.kept(call);
        assert!(!ledger.is_unmapping(0x1_1000));
        assert_eq!(ledger.first_refused(0x1_0000, 0x10_0000, 0x3000), None);
        for (va, size) in [(0x1_0000, 0), (0, u32::MAX), (u32::MAX, u32::MAX), (0x9_0000, 0x1000)] {
            let call = ledger.unmapping(va, size);
            ledger.kept(call);
            assert_eq!(ledger.live().map(|(.., pages)| pages).sum::<u32>(), 3, "{va:#x} {size:#x}");
        }
    }

    #[test]
    fn part_of_a_mapping_can_go_alone() {
        let mut ledger = Ledger::new();
        assert_eq!(ledger.mapped(0x1_0010, 0x10_0010, 0x2FF0), None);
        let call = ledger.unmapping(0x1_1FFF, 1);
        ledger.gone(call);
        assert!(ledger.live().eq([(0x1_0000, 0x10_0000, 1), (0x1_2000, 0x10_2000, 1)]));
        assert_eq!(ledger.first_refused(0x1_0000, 0x10_0000, 0x3000), Some(0x1_1000));
        assert_eq!(ledger.first_refused(0x1_2000, 0x10_2000, 0x1001), Some(0x1_3000));
        assert!(ledger.edges().eq([0x1_0000, 0x1_1000, 0x1_2000]));
    }

    /// An older mapping goes on behind a newer one that starts where it starts.
    #[test]
    fn an_older_mapping_shows_where_no_newer_one_is() {
        let mut ledger = Ledger::new();
        assert_eq!(ledger.mapped(0x1_0000, 0x10_0000, 0x4000), None);
        let _call = ledger.unmapping(0x1_0000, 0x4000);
        assert!(ledger.mapped(0x1_0000, 0x20_0000, 0x1000).is_some());
        assert!(ledger.mapped(0x1_2000, 0x30_0000, 0x1000).is_some());
        assert_eq!(ledger.first_refused(0x1_1000, 0x10_1000, 0x1000), None);
        assert_eq!(ledger.first_refused(0x1_1000, 0x10_1000, 0x3000), Some(0x1_2000));
        assert_eq!(ledger.first_refused(0x1_3000, 0x10_3000, 0x1000), None);
    }

    #[test]
    fn what_vmap_was_asked_for_is_known_until_it_returns() {
        let mut ledger = Ledger::new();
        ledger.mapping(0x10_0000, 0x2000);
        ledger.mapping(0x10_0000, 0x2000);
        ledger.refused(0x10_0000, 0x2000);
        assert!(ledger.is_asked(0x10_1000) && !ledger.is_asked(0x10_2000));
        assert_eq!(ledger.mapped(0x1_0000, 0x10_0000, 0x2000), None);
        assert!(!ledger.is_asked(0x10_1000));
    }

    #[test]
    fn the_end_of_the_address_space_is_no_trap() {
        let mut ledger = Ledger::new();
        assert_eq!(ledger.mapped(0xFFFF_F000, 0x1000, 0x2000), None);
        assert!(ledger.allows(0xFFFF_FFFF, 0x1000));
        let call = ledger.unmapping(0xFFFF_F000, 0x1000);
        ledger.gone(call);
        assert_eq!(ledger.live().count(), 0);
    }
}
