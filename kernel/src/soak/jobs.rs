//! What the kernel's processes do in a soak, round after round.

use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};

use alloc::sync::Arc;
use kernel_abi::Attack;
use mmu386::error::SegmentError;

use super::bare::{self, Place};
use super::board::Board;
use super::{Pace, can, fuzz};
use crate::cmdline::Options;
use crate::layout::{BY2LARGE, BY2PG};
use crate::mmu::{self, Fixes};
use crate::oracle::{self, Devices, TAGS, large_pages, stamp};
use crate::rng::Rng;
use crate::spl::{splhi, splx};
use crate::tests::account::{all_well, start, told};
use crate::tests::context::Context;
use crate::tests::crew::{self, Crew};
use crate::tests::device::{Mapping, pages_for};
use crate::tests::{isolation, kmap, pressure, registers, segments, user_life, write_combining};
use crate::user::{self, Group};
use crate::{clock, devices, probe, sched};

/// Mappings of device memory that were used and unmapped, and those of them with 4 MB.
pub static MAPS: AtomicU32 = AtomicU32::new(0);
/// See `MAPS`.
pub static LARGE: AtomicU32 = AtomicU32::new(0);

/// Lives of drivers, and looks by their interrupt handlers.
pub static DRIVERS: AtomicU32 = AtomicU32::new(0);
/// See `DRIVERS`.
pub static HANDLED: AtomicU32 = AtomicU32::new(0);

/// Most pages of a small mapping.
const MOST: usize = 4;
/// Boards for small mappings; one more is for a large one.
const SMALL_BOARDS: usize = 3;
/// Most owners of places, each beside a watcher.
const MOST_PLACES: usize = 3;
/// Rounds of each process of ring 3, and most processes at a time.
const LIFE_ROUNDS: u32 = 40;
const MOST_LIVES: u32 = 16;

/// Rounds of other programs, and most processes of theirs at a time.
const PROGRAM_ROUNDS: u32 = 10;
const MOST_PROGRAMS: u32 = 12;

/// What the processes share.
pub struct Ground {
    /// When they end.
    pub pace: Pace,
    /// Random programs run, which follow from the seed.
    fuzz: bool,
    seed: u32,
    /// Large mappings are of the first quarter of each device, those of drivers of the second, small ones of
    /// the third, those that are touched without a LOCKed instruction of the last.
    small: Context,
    large: Context,
    drivers: Devices,
    boards: [Board; SMALL_BOARDS + 1],
    /// Of those who touch mappings with no LOCKed instruction near, and what they map.
    places: [Place; MOST_PLACES],
    bare: Context,
    segment: segments::Shared,
}

/// What some of the processes do.
pub struct Job {
    name: &'static &'static str,
    /// How many do it, on so many CPUs.
    people: fn(usize) -> usize,
    /// Whether process `n` stays on CPU `n`, as far as there are CPUs.
    wired: bool,
    /// Repairs without which it cannot be done.
    needs: &'static [Fixes],
    round: fn(&Ground, &mut Worker),
}

/// All of them.
pub const JOBS: &[Job] = &[
    Job { name: &"mapper", people: |ncpu| ncpu.min(16) + 2, wired: true, needs: &[], round: small },
    Job { name: &"large", people: |_| 1, wired: false, needs: &[], round: large },
    Job { name: &"registers", people: |_| 1, wired: false, needs: &[], round: device_registers },
    Job {
        name: &segments::NAME,
        people: |ncpu| (ncpu + 1).min(5),
        wired: false,
        needs: &[Fixes::C1],
        round: segment,
    },
    Job { name: &"kmap", people: |ncpu| ncpu.min(3), wired: false, needs: &[], round: kmaps },
    Job { name: &"births", people: |ncpu| ncpu.min(2), wired: false, needs: &[], round: birth },
    Job { name: &"hog", people: |_| 1, wired: false, needs: &[], round: hog },
    Job { name: &"lives", people: |_| 2, wired: false, needs: &[], round: lives },
    Job { name: &"programs", people: |_| 1, wired: false, needs: &[], round: programs },
    Job { name: &"hostile", people: |_| 1, wired: false, needs: &[], round: hostile },
    Job { name: &"drivers", people: |ncpu| ncpu.min(2), wired: false, needs: &[], round: driver },
    Job {
        name: &"bare",
        people: |ncpu| 2 * ncpu.div_ceil(2).min(3),
        wired: true,
        needs: &[],
        round: bare_accesses,
    },
    Job { name: &FUZZ, people: |ncpu| ncpu + 2, wired: false, needs: &[], round: random_program },
];

/// The job that is done only where it is asked for, and then by most.
const FUZZ: &str = "fuzz";
/// How long the others rest after each round then, in microseconds.
const REST_US: u64 = 50_000;

/// One process.
pub struct Worker {
    who: usize,
    of: usize,
    rng: Rng,
}

impl Job {
    /// How many processes do it on so many CPUs; none if the variant cannot. Beside random programs there
    /// is one of each other kind.
    pub fn people(&self, ncpu: usize, fuzz: bool) -> usize {
        let people = if can(self.needs) { (self.people)(ncpu) } else { 0 };
        match (*self.name == FUZZ, fuzz) {
            (true, true) => people.min(fuzz::MOST_WORKERS),
            (true, false) => 0,
            // An owner and a watcher.
            (false, true) if *self.name == "bare" => 2,
            (false, true) => people.min(1),
            (false, false) => people,
        }
    }

    /// Starts its processes.
    pub fn start(&'static self, ground: &Arc<Ground>) -> Option<Crew> {
        let ncpu = ground.small.ncpu;
        let of = self.people(ncpu, ground.fuzz);
        if of == 0 {
            return None;
        }
        let ground = ground.clone();
        let wired = |who: usize| (self.wired && who < ncpu).then_some(who);
        Some(crew::start(self.name, of, wired, move |who| {
            let mut worker = Worker { who, of, rng: ground.small.rng(who) };
            mmu::upallocpdb();
            ground.pace.repeat(|| {
                (self.round)(&ground, &mut worker);
                if ground.fuzz && *self.name != FUZZ {
                    rest();
                }
            });
        }))
    }
}

/// Leaves the CPUs to random programs.
fn rest() {
    let begun = clock::tsc();
    while clock::since(begun) < REST_US {
        sched::relax();
    }
}

impl Ground {
    /// The devices, in halves, and nothing on the boards.
    pub fn new(context: &Context, pace: Pace, options: &Options) -> Ground {
        let part = |from: usize, to: usize| {
            let part = |range: &Range<usize>| {
                let quarter = (range.end - range.start) / 4;
                range.start + from * quarter..range.start + to * quarter
            };
            let Devices { mut registers, framebuffer, ivshmem } = context.devices.clone();
            // Its driver selects what its window shows.
            registers.retain(|register| register.name != oracle::IOAPIC);
            let framebuffer = framebuffer.as_ref().map(part);
            let ivshmem = ivshmem.as_ref().map(part);
            Devices { registers, framebuffer, ivshmem }
        };
        Ground {
            pace,
            fuzz: options.fuzz,
            seed: options.seed,
            small: context.with(part(2, 3)),
            bare: context.with(part(3, 4)),
            places: Default::default(),
            large: context.with(part(0, 1)),
            drivers: part(1, 2),
            boards: Default::default(),
            segment: segments::new(),
        }
    }

    /// Gives back what is left of the segment, when nobody has it any more.
    pub fn empty_segment(&self) {
        if let Err(error @ SegmentError::Outside { .. }) = segments::empty(&self.segment) {
            panic!("{error}");
        }
    }

    /// Looks at what others show.
    fn visit(&self, rng: &mut Rng) {
        let board = &self.boards[rng.below(self.boards.len())];
        board.visit(|mapping| {
            mapping.check_here(&self.small);
            let page = rng.below(mapping.size / BY2PG) * BY2PG;
            stamp(mapping.va + page, mapping.pa + page);
        });
    }
}

/// A small mapping: used here, sometimes on all CPUs, sometimes by others, and gone.
fn small(ground: &Ground, worker: &mut Worker) {
    let (context, rng) = (&ground.small, &mut worker.rng);
    let Some(pages) = pages_for(context, worker.who, worker.of) else { return };
    let count = 1 + rng.below(MOST);
    let (first, size) = (rng.below(pages.count - MOST), count * BY2PG);
    if mmu::has(Fixes::B1) && rng.below(16) == 0 {
        // As a driver that must not be interrupted.
        let level = splhi();
        let done = mmu::vmap(pages.page(first), size).map(|va| mmu::vunmap(va, size));
        splx(level);
        if !matches!(done, Ok(Ok(()))) {
            panic!("with interrupts off: {done:?}");
        }
    }
    let mapping = Mapping::new(context, pages.page(first), size);
    mapping.check_here(context);
    let page = rng.below(count) * BY2PG;
    stamp(mapping.va + page, mapping.pa + page);
    // A control is to show what is stale, and waits for ticks anyway: it looks everywhere each time.
    let control = !mmu::has(Fixes::A3);
    match rng.below(8) {
        choice if control || choice < 2 => mapping.check_all_everywhere(context),
        choice if choice < 4 => {
            mapping.check_everywhere(context, page + TAGS[rng.below(TAGS.len())]);
        }
        4 => {
            let turns = rng.below(4);
            ground.boards[rng.below(SMALL_BOARDS)].show(&mapping, || {
                for _ in 0..turns {
                    sched::give_way();
                }
            });
        }
        5 => ground.visit(rng),
        _ => {}
    }
    if control || rng.below(3) == 0 {
        mapping.unmap(context);
    } else {
        mapping.unmap_seen_from(context, |va| [probe::here(va)]);
    }
    MAPS.fetch_add(1, Ordering::Relaxed);
}

/// 4 MB of a device, for all to see, with another memory type at times.
fn large(ground: &Ground, worker: &mut Worker) {
    let (context, rng) = (&ground.large, &mut worker.rng);
    let devices = &context.devices;
    let device = if rng.below(2) == 0 { &devices.framebuffer } else { &devices.ivshmem };
    let Some(device) = device else { return };
    let pages = large_pages(device).count();
    let Some(pa) = (pages > 0).then(|| large_pages(device).nth(rng.below(pages))).flatten() else {
        return;
    };
    let mapping = Mapping::new(context, pa, BY2LARGE);
    mapping.check_everywhere(context, 0);
    let (turns, combine) = (rng.below(4), rng.below(4) == 0);
    ground.boards[SMALL_BOARDS].show(&mapping, || {
        if combine && mmu::patwc(mapping.va, BY2LARGE) {
            for sight in probe::everywhere(mapping.va) {
                write_combining::judge(context, mapping.va, &sight);
            }
        }
        for _ in 0..turns {
            sched::relax();
        }
    });
    mapping.unmap(context);
    MAPS.fetch_add(1, Ordering::Relaxed);
    LARGE.fetch_add(1, Ordering::Relaxed);
    // Others have a turn with other large mappings, and with none.
    for _ in 0..rng.below(3) {
        sched::relax();
    }
}

/// Registers whose values are known, on every CPU.
fn device_registers(ground: &Ground, worker: &mut Worker) {
    let registers = &ground.small.devices.registers;
    if !registers.is_empty() {
        registers::cycle(&ground.small, &registers[worker.rng.below(registers.len())]);
    }
    sched::relax();
}

/// Pages of a segment that others fault in and free.
fn segment(ground: &Ground, worker: &mut Worker) {
    for _ in 0..16 {
        segments::step(&ground.small, &ground.segment, &mut worker.rng);
    }
    sched::give_way();
}

/// Pages cleared, filled and copied through kmap.
fn kmaps(ground: &Ground, worker: &mut Worker) {
    kmap::some(&ground.small, worker.who, 20);
    sched::give_way();
}

/// A process of the kernel that is born, maps pages, and dies.
fn birth(ground: &Ground, worker: &mut Worker) {
    let Some(pages) = pages_for(&ground.small, 0, 1) else { return };
    let (context, who) = (ground.small.clone(), worker.who + worker.rng.below(8));
    crew::crew(&"born", 1, |_| None, move |_| pressure::work(&context, pages, who));
}

/// All free pages, for a moment.
fn hog(_: &Ground, worker: &mut Worker) {
    user_life::hoard();
    for _ in 0..worker.rng.below(12) {
        sched::relax();
    }
}

/// Processes in ring 3, and what comes of them.
fn lives(ground: &Ground, worker: &mut Worker) {
    let context = &ground.small;
    let group = Group::new((context.ncpu as u32 + 2).min(MOST_LIVES / 2));
    for _ in 0..(context.ncpu as u32).min(MOST_LIVES / 4) {
        let words = [worker.rng.below(1 << 24) as u32, LIFE_ROUNDS, 0];
        // Those that came before may have filled the group; then they live instead.
        if let Err(error) = user::spawn("life", &words, &group) {
            assert!(error == kernel_abi::Error::NoProcess, "life: {error:?}");
        }
    }
    group.wait();
    told(context, &group);
    all_well(context, &group);
}

/// Programs that ask for all system calls, keep their registers, and have descriptors of their own.
fn programs(ground: &Ground, worker: &mut Worker) {
    let context = &ground.small;
    let group = Group::new(MOST_PROGRAMS);
    let seed = worker.rng.below(1 << 24) as u32;
    start("segments", &[seed, PROGRAM_ROUNDS, 0], &group);
    start("registers", &[seed & 0xFF, PROGRAM_ROUNDS], &group);
    start("calls", &[7, 9], &group);
    group.wait();
    told(context, &group);
    all_well(context, &group);
}

/// A hostile program, which is to fail alone.
fn hostile(ground: &Ground, worker: &mut Worker) {
    isolation::alone(&ground.small, Attack::ALL[worker.rng.below(Attack::ALL.len())]);
    for _ in 0..worker.rng.below(4) {
        sched::relax();
    }
}

/// A driver's life.
fn driver(ground: &Ground, worker: &mut Worker) {
    if let Some(life) = devices::life(&ground.small, &ground.drivers, &mut worker.rng) {
        DRIVERS.fetch_add(1, Ordering::Relaxed);
        HANDLED.fetch_add(life.handled, Ordering::Relaxed);
    }
}

/// A random program in ring 3.
fn random_program(ground: &Ground, worker: &mut Worker) {
    fuzz::round(&ground.small, ground.seed, worker.who);
}

/// Mappings of every second process, at which the others look.
fn bare_accesses(ground: &Ground, worker: &mut Worker) {
    let owners = worker.of / 2;
    let rng = &mut worker.rng;
    if worker.who % 2 == 1 {
        bare::watch(&ground.bare, &ground.places[rng.below(owners)], rng);
        if rng.below(16) == 0 {
            sched::give_way();
        }
        return;
    }
    let owner = worker.who / 2;
    let Some(pages) = pages_for(&ground.bare, owner, owners) else { return };
    bare::own(&ground.bare, &ground.places[owner], pages, rng);
}
