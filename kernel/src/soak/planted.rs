//! A defect for each oracle of the soak, planted on purpose: an oracle that does not find it is blind, and a
//! soak in which it found nothing says nothing.
//!
//! Each plant calls the oracle as the soak does, on a machine that has exactly one thing wrong.

use alloc::vec;

use kernel_abi::Attack;
use kernel_abi::fuzz::CORPUS;
use mmu386_wire::soak::{ORACLES, WINDOW, window};

use super::image::Image;
use super::{HEAP_SLACK, bare, fuzz, heap_accounted};
use crate::layout::{BY2LARGE, BY2PG};
use crate::mapping::check_combining;
use crate::oracle::{Register, TAGS, large_pages, stamp, tag};
use crate::tests::account::{accounted, all_well, spare, start, told};
use crate::tests::context::Context;
use crate::tests::device::Mapping;
use crate::tests::page_refs::Counting;
use crate::tests::{isolation, kmap, registers, segments};
use crate::user::Group;
use crate::{book, devices, heap, mmu, pages, probe};

/// A plant.
type Plant = fn(&Context);

/// All of them, by name.
pub const PLANTED: [(&str, Plant); ORACLES.len() + 1] = {
    const PLANTS: [Plant; ORACLES.len()] = [
        |context| spoilt(context, window::TAG),
        |context| spoilt(context, window::TAIL),
        everywhere,
        overlap,
        stale,
        register,
        |context| at_a_place(context, false),
        |context| at_a_place(context, true),
        driver,
        combining,
        kmap::misled,
        segments::misled,
        |context| program(context, told),
        |context| program(context, all_well),
        |context| isolation::misjudged(context, Attack::Cli),
        random_program,
        |context| {
            let image = Image::now();
            Image::changed(|| image.compare(context));
        },
        page_count,
        page_account,
        heap_account,
        audit,
    ];
    let (mut all, mut n) = ([(WINDOW, seen_by_the_host as Plant); ORACLES.len() + 1], 0);
    while n < PLANTS.len() {
        all[n] = (ORACLES[n], PLANTS[n]);
        n += 1;
    }
    all
};

/// Some page of the window, or of the framebuffer.
fn page(context: &Context) -> usize {
    let devices = &context.devices;
    let range = devices.ivshmem.as_ref().or(devices.framebuffer.as_ref());
    range.expect("a device with memory").start
}

fn unmapped(va: usize, size: usize) {
    if let Err(error) = mmu::vunmap(va, size) {
        panic!("{error}");
    }
}

/// A mapping whose page has lost one of its tags.
fn spoilt(context: &Context, offset: usize) {
    let mapping = Mapping::new(context, page(context), BY2PG);
    // SAFETY: the page is this test's alone; what was there comes back.
    unsafe { probe::write(mapping.va + offset, 0) };
    mapping.check_here(context);
    // SAFETY: as above.
    unsafe { probe::write(mapping.va + offset, tag(mapping.pa)) };
    unmapped(mapping.va, BY2PG);
}

/// A mapping that shows another page than it says, to all CPUs.
fn everywhere(context: &Context) {
    let real = Mapping::new(context, page(context), BY2PG);
    let lying = Mapping { va: real.va, pa: real.pa + BY2PG, size: BY2PG };
    lying.check_all_everywhere(context);
    unmapped(real.va, BY2PG);
}

/// An address that the book says is in use, given out.
fn overlap(context: &Context) {
    let (pa, size) = (page(context), BY2PG);
    let first = Mapping::new(context, pa, size);
    unmapped(first.va, size);
    let told = book::with(|ledger| {
        ledger.mapping((pa + size) as u32, size as u32);
        ledger.mapped(first.va as u32, (pa + size) as u32, size as u32)
    });
    assert!(told.is_none(), "nothing is mapped there");
    let second = Mapping::new(context, pa, size);
    // In the book there are two, and both go.
    mmu::disown(first.va, size);
    if let Err(error) = mmu::vunmap(second.va, size) {
        panic!("{error}");
    }
}

/// A page that another mapping still shows when one is gone.
fn stale(context: &Context) {
    let [gone, left] = [0, 1].map(|_| Mapping::new(context, page(context), BY2PG));
    let (from, to) = (gone.va, left.va);
    gone.unmap_seen_from(context, |va| [probe::here(va - from + to)]);
    unmapped(to, BY2PG);
}

fn register(context: &Context) {
    if let Some(register) = context.devices.registers.first() {
        registers::cycle(context, &Register { value: !register.value, ..*register });
    }
}

/// A place that lies about how it stands.
fn at_a_place(context: &Context, gone: bool) {
    let mapping = Mapping::new(context, page(context), BY2PG);
    bare::misled(context, mapping.va, mapping.pa, gone);
    unmapped(mapping.va, BY2PG);
}

/// Drivers that look through a page of the window: each has to find something wrong.
fn driver(context: &Context) {
    let (blind, of) = devices::led_astray(context);
    if blind == 0 && of > 0 {
        crate::tests::account::found(context, "isolation", 0, of, blind, "led astray on purpose");
    }
}

/// A large page that was never made write combining.
fn combining(context: &Context) {
    let Some(pa) = context.devices.framebuffer.as_ref().and_then(|all| large_pages(all).next())
    else {
        return;
    };
    let mapping = Mapping::new(context, pa, BY2LARGE);
    check_combining(context, mapping.va, &probe::here(mapping.va));
    unmapped(mapping.va, BY2LARGE);
}

/// A program that finds its memory changed, says so, and ends badly; half of what it is judged by.
fn program(context: &Context, judge: fn(&Context, &Group)) {
    let group = Group::new(1);
    start("planted", &[], &group);
    group.wait();
    judge(context, &group);
}

/// A random program whose maker changes its own memory.
fn random_program(context: &Context) {
    let group = Group::new(2);
    // Of the corpus, whose programs run in a child.
    let number = CORPUS.len() as u32 - 1;
    start("fuzz", &[1, number, 1], &group);
    group.wait();
    fuzz::judge(context, number, &group);
}

/// A page that neither the allocator nor a test has, and the MMU code does not count.
fn page_count(context: &Context) {
    let Some(frame) = pages::hold() else { return };
    book::freed(frame);
    let mut counting = Counting::of_all_pages();
    counting.compare(context);
    book::held(frame);
    pages::release(frame);
}

/// A page that does not come back.
fn page_account(context: &Context) {
    let before = spare();
    let frame = pages::hold();
    accounted(context, before);
    frame.into_iter().for_each(pages::release);
}

/// Bytes that do not come back.
fn heap_account(context: &Context) {
    let before = heap::used();
    let kept = vec![0u8; HEAP_SLACK + 1];
    heap_accounted(context, before);
    drop(kept);
}

/// A page that nobody has; then an entry that maps what nobody asked for. An audit that is blind to one of them
/// is blind.
fn audit(context: &Context) {
    let begin = context.found();
    if let Some(frame) = pages::hold() {
        book::freed(frame);
        context.audit();
        book::held(frame);
        pages::release(frame);
    }
    let pages = context.found();
    let mapping = Mapping::new(context, page(context), BY2PG);
    mmu::disown(mapping.va, BY2PG);
    context.audit();
    if pages == begin || context.found() == pages {
        context.take_findings();
    }
}

/// What the host alone can see: a foreign stamp, and a tag lost at either end, in a page each.
fn seen_by_the_host(context: &Context) {
    let Some(window) = context.devices.ivshmem.as_ref() else { return };
    let pa = window.start + 16 * BY2PG;
    let mapping = Mapping::new(context, pa, 3 * BY2PG);
    stamp(mapping.va, pa + BY2PG);
    for (n, offset) in TAGS.iter().enumerate() {
        // SAFETY: the pages are this test's alone, and the last that this boot does.
        unsafe { probe::write(mapping.va + (n + 1) * BY2PG + offset, 0) };
    }
}
