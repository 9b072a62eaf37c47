//! Digests of 128 bits: of what is in memory, of what a thread has observed, of a whole state.

use std::any::Any;
use std::hash::Hash;

use mmu386::arch::WordName;
use mmu386::gdt::{Ldt, Segdesc};
use mmu386::layout::Frame;
use siphasher::sip128::{Hasher128, SipHasher13};

/// The digest of anything that can be hashed.
pub(super) fn digest(of: impl Hash) -> u128 {
    let mut hasher = SipHasher13::new();
    of.hash(&mut hasher);
    hasher.finish128().as_u128()
}

/// Keys of owned cells start with this.
pub(super) const OWNED: u64 = 0xff << 56;

/// Tells a word from all others, and from all owned cells.
pub(super) fn key_of(name: WordName) -> u64 {
    let (kind, what) = match name {
        WordName::FlushMmu(n) => (1, n as u64),
        WordName::Flushed(n) => (2, n as u64),
        WordName::Online(n) => (3, n as u64),
        WordName::NewTlb(n) => (4, n as u64),
        WordName::State(n) => (5, n as u64),
        WordName::Running(n) => (6, n as u64),
        WordName::Flushes(n) => (7, n as u64),
        WordName::VmapLock => (8, 0),
        WordName::SegmentLock(base) => (9, base.into()),
        WordName::FlushGen => (10, 0),
        WordName::SlotGen => (11, 0),
        WordName::Entry(frame, index) => (12, u64::from(frame.pa()) << 12 | index as u64),
        // Names are few; two with the same digest would show as one word with two values.
        WordName::Other(what, n) => (13, (digest((what, n)) as u64) >> 8),
    };
    kind << 56 | what
}

/// What a word or cell adds to the digest of memory. Added up, and taken away again when the value
/// changes.
pub(super) fn share(key: u64, value: u64) -> u128 {
    let half = |salt: u64| scramble(scramble(key ^ salt) ^ value.wrapping_mul(salt));
    u128::from(half(0x9e37_79b9_7f4a_7c15)) << 64 | u128::from(half(0xd1b5_4a32_d192_ed03))
}

/// One to one, and every bit of the result depends on every bit (the finish of SplitMix64).
fn scramble(x: u64) -> u64 {
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// Values that owned cells hold, by what tells them apart.
pub(in crate::engine) trait Digestible {
    /// Differs between any two values of the type.
    fn digest(&self) -> u64;
}

impl<T: Copy + 'static> Digestible for T {
    fn digest(&self) -> u64 {
        let any: &dyn Any = self;
        fn pair(high: u32, low: u32) -> u64 {
            u64::from(high) << 32 | u64::from(low)
        }
        if let Some(value) = any.downcast_ref::<Option<Frame>>() {
            value.map_or(0, |frame| pair(1, frame.pa()))
        } else if let Some(value) = any.downcast_ref::<u32>() {
            u64::from(*value)
        } else if let Some(value) = any.downcast_ref::<i32>() {
            u64::from(value.cast_unsigned())
        } else if let Some(value) = any.downcast_ref::<usize>() {
            *value as u64
        } else if let Some(value) = any.downcast_ref::<bool>() {
            u64::from(*value)
        } else if let Some(value) = any.downcast_ref::<Segdesc>() {
            pair(value.d1, value.d0)
        } else if let Some(value) = any.downcast_ref::<Option<Ldt>>() {
            value.map_or(0, |ldt| pair(ldt.base, ldt.n + 1))
        } else {
            panic!("the explorer cannot tell values of {} apart", std::any::type_name::<T>());
        }
    }
}
