//! What is tried on the devices, and the process that tries it.

mod a1_large;
pub mod account;
mod arithmetic;
mod bad_ends;
mod bench;
pub(crate) mod context;
mod cpu_state;
pub mod crew;
mod cycles;
mod descriptors;
pub mod device;
mod devices;
mod early;
mod firmware;
mod functions;
mod handover;
mod heap_bounds;
mod install_after_free;
pub mod isolation;
mod kernel_code;
pub mod kmap;
mod migrate;
mod out_of_memory;
pub mod page_refs;
pub mod pressure;
mod rebirth;
pub mod registers;
mod ring3;
pub mod segments;
mod splhi_unmap;
pub mod user_life;
mod user_pages;
mod window;
pub mod write_combining;

use core::sync::atomic::{AtomicU32, Ordering};

use alloc::vec::Vec;
use heapless::String;
use mmu386_wire::{Line, exit};

use crate::cmdline::Options;
use crate::mmu::Fixes;
use crate::oracle::Devices;
use crate::proc::kproc;
use crate::{audit, clock, mmu, report};
use context::{Context, Outcome};

/// One test.
struct Test {
    name: &'static str,
    /// Repairs without which it cannot end: the hazard is that it hangs.
    needs: &'static [Fixes],
    run: fn(&Context) -> Outcome,
}

impl Test {
    const fn new(name: &'static str, run: fn(&Context) -> Outcome) -> Test {
        Test { name, needs: &[], run }
    }
}

const TESTS: &[Test] = &[
    Test::new("boot-cpu-state", cpu_state::run),
    Test::new("firmware-lines", firmware::lines),
    Test::new("firmware-clocks", firmware::clocks),
    Test::new("firmware-bars", firmware::base_addresses),
    Test::new("migrate", migrate::run),
    Test::new("page-pressure", pressure::run),
    Test::new("registers", registers::run),
    Test::new("window", window::run),
    Test::new("d1-kernel-code", kernel_code::run),
    Test::new("kmap", kmap::run),
    Test::new("user-pages", user_pages::run),
    Test { name: "c3-checkmmu", needs: &[Fixes::C3], run: user_pages::checked },
    Test::new("descriptors", descriptors::run),
    Test { name: "segments", needs: &[Fixes::C1], run: segments::run },
    Test::new("c1-install-after-free", install_after_free::run),
    Test::new("write-combining", write_combining::small),
    Test::new("a10-late-attributes", write_combining::large),
    Test::new("a1-large-page", a1_large::run),
    Test::new("a2-idle-flush", cycles::idle),
    Test::new("cycles-4k", cycles::run),
    Test::new("handover", handover::run),
    Test::new("devices", devices::run),
    Test::new("a7-early-boot", early::run),
    Test::new("a9-arithmetic", arithmetic::run),
    Test { name: "b1-splhi-unmap", needs: &[Fixes::B1], run: splhi_unmap::alone },
    Test { name: "b1-splhi-storm", needs: &[Fixes::B1], run: splhi_unmap::together },
    Test { name: "b2-lock-holder", needs: &[Fixes::B1, Fixes::B2], run: splhi_unmap::holding },
    Test::new("ring3-calls", ring3::calls),
    Test::new("ring3-preemption", ring3::preemption),
    Test::new("ring3-text", ring3::text),
    Test::new("ring3-segments", ring3::segments),
    Test::new("ring3-unawaited", heap_bounds::unawaited),
    Test::new("ring3-refusals", heap_bounds::refusals),
    Test::new("rebirth", rebirth::run),
    Test::new("isolation", isolation::run),
    Test::new("out-of-memory", out_of_memory::run),
    Test { name: "user-life", needs: &[Fixes::C1], run: user_life::run },
    Test::new("d2-page-refs", page_refs::run),
    Test::new(FUNCTIONS, functions::run),
];

/// The last test, which asks about all others: never run alone.
const FUNCTIONS: &str = "functions";

/// Longest that a test may take, in seconds.
const DEADLINE: u32 = 60;
/// Millisecond at which the running test is late; 0 while none runs.
static LATE: AtomicU32 = AtomicU32::new(0);
/// The running test's number.
static RUNNING: AtomicU32 = AtomicU32::new(0);

/// From every tick: a test that does not end is a panic that names it.
pub fn watchdog() {
    let late = LATE.load(Ordering::Relaxed);
    if late != 0 && (clock::milliseconds().wrapping_sub(late) as i32) > 0 {
        LATE.store(0, Ordering::Relaxed);
        let running = RUNNING.load(Ordering::Relaxed) as usize;
        let name = TESTS.get(running).map_or("bench", |test| test.name);
        panic!("{name} does not end: no verdict after {DEADLINE} s");
    }
}

fn watch(index: usize) {
    RUNNING.store(index as u32, Ordering::Relaxed);
    let late = clock::milliseconds().wrapping_add(DEADLINE * 1000);
    LATE.store(late.max(1), Ordering::Relaxed);
}

pub use bad_ends::before_paging;
pub use early::before_processes as early;

/// Makes the process that runs the tests. `sights` is what `early` saw.
pub fn start(options: Options, devices: Devices, sights: early::Sights) {
    kproc(&"tests", None, move || run(options, devices, sights));
}

fn chosen(pattern: &str) -> Vec<usize> {
    let fits = |test: &Test| {
        let asked = test.name.starts_with(pattern) && test.name != FUNCTIONS;
        asked || (pattern == "all" && test.needs.iter().all(|fix| mmu::has(*fix)))
    };
    let all = TESTS.iter().enumerate();
    all.filter(|(_, test)| fits(test)).map(|(index, _)| index).collect()
}

/// The one test of a soak.
const SOAK: &str = "soak";

/// Soaks, and leaves. The harness watches over how long it takes.
fn soak(options: &Options, devices: Devices, sights: early::Sights) -> ! {
    report::send(&Line::Plan { tests: 1 });
    let (seed, rounds, ms) = (options.seed, options.rounds, options.ms);
    crate::println!("seed={seed} rounds={rounds} ms={ms} chaos={}", options.chaos);
    let context = Context::new(options, devices, sights);
    let start = clock::tsc();
    let outcome = crate::soak::run(&context.without_rounds(), options);
    functions::tell();
    let pass = tell(SOAK, &outcome, clock::since(start) / 1000);
    leave(u32::from(pass), u32::from(!pass))
}

/// Plants a defect for each oracle of a soak, one after the other, and leaves. Each test fails, or its oracle
/// is blind.
const PLANTED: &str = "planted";

fn planted(options: &Options, devices: Devices, sights: early::Sights) -> ! {
    let plants = crate::soak::PLANTED;
    report::send(&Line::Plan { tests: plants.len() as u32 });
    let context = Context::new(options, devices, sights).without_rounds();
    mmu::upallocpdb();
    let (mut passed, mut failed) = (0, 0);
    for (name, plant) in plants {
        watch(TESTS.len());
        let start = clock::tsc();
        plant(&context);
        let outcome = context.outcome(format_args!("a planted defect"));
        if tell(name, &outcome, clock::since(start) / 1000) { passed += 1 } else { failed += 1 }
    }
    functions::tell();
    leave(passed, failed)
}

/// Reports how a test ended; whether it passed.
fn tell(name: &'static str, outcome: &Outcome, milliseconds: u64) -> bool {
    let pass = outcome.failures == 0;
    let mut detail = String::<320>::new();
    // What does not fit is cut.
    let _ = core::fmt::write(&mut detail, format_args!("{outcome}; {milliseconds} ms"));
    report::send(&Line::Test { name: name.into(), pass, detail: detail.as_str().into() });
    pass
}

fn leave(passed: u32, failed: u32) -> ! {
    report::send(&Line::Done { passed, failed });
    report::leave(if failed == 0 { exit::PASS } else { exit::FAIL })
}

fn run(options: Options, devices: Devices, sights: early::Sights) {
    bad_ends::perhaps(&options.tests);
    if options.tests.as_str() == SOAK {
        soak(&options, devices, sights);
    }
    if options.tests.as_str() == PLANTED {
        planted(&options, devices, sights);
    }
    let tests = chosen(&options.tests);
    let known = !tests.is_empty() || matches!(options.tests.as_str(), "none" | "bench");
    assert!(known, "command line: no test is called {}", options.tests);
    report::send(&Line::Plan { tests: tests.len() as u32 });
    crate::println!("seed={} rounds={}", options.seed, options.rounds);
    let context = Context::new(&options, devices, sights);
    let (mut passed, mut failed) = (0, 0);
    for index in tests {
        let test = &TESTS[index];
        watch(index);
        let start = clock::tsc();
        let mut outcome = (test.run)(&context);
        context.audit();
        outcome.and_then(context.take_findings());
        if tell(test.name, &outcome, clock::since(start) / 1000) {
            passed += 1
        } else {
            failed += 1
        }
    }
    if options.bench || options.tests.as_str() == "bench" {
        watch(TESTS.len());
        bench::run(&context);
    }
    LATE.store(0, Ordering::Relaxed);
    functions::tell();
    crate::println!("{} audits", audit::count());
    if clock::backwards() != 0 {
        crate::println!("a TSC was ahead of another's {} times", clock::backwards());
    }
    leave(passed, failed)
}
