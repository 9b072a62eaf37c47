//! How much the suite sees: the explorer with one defect at a time. A small program shows each to the reference, and
//! random programs do.

use loom_tests::engine::explorer::{Defect, Limits};

use crate::machine::{explore, limits};
use crate::program::{Guard, Op::*, Program};
use crate::random::{number, numbered};
use crate::reference;

/// The seed of random programs.
const SEED: u64 = 1;
/// Most states of one.
const MOST: usize = 3_000;

/// How a defect shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// The explorer comes to something else than the reference.
    ByOutcomes,
    /// The explorer says of itself that it cannot say.
    ByItself,
}

/// Whether the explorer, with a defect, differs from the reference: forward, backward, or, by its own checks, with all
/// of them made.
fn seen(program: &Program, defect: Option<Defect>) -> Option<Seen> {
    let mut itself = None;
    for (check, backward) in [(false, false), (false, true), (true, false)] {
        match looks(program, Limits { defect, backward, ..limits(true, check) }) {
            Some(Seen::ByOutcomes) => return Some(Seen::ByOutcomes),
            seen => itself = itself.or(seen),
        }
    }
    itself
}

fn looks(program: &Program, limits: Limits) -> Option<Seen> {
    // What one worker leaves to another shows with two.
    let workers = if limits.defect == Some(Defect::DonationsAreLost) { 2 } else { 1 };
    let limits = Limits { workers, ..limits };
    let mut itself = None;
    for tso in [false, true] {
        let wanted = reference::explore(program, tso).expect("it has no more states than it may");
        if workers > 1 && (wanted.race || wanted.stuck) {
            // It ends one worker by a panic, and the other waits for that one.
            continue;
        }
        let found = explore(program, tso, limits);
        if found.failure.is_some() {
            itself = Some(Seen::ByItself);
        } else if wanted.differs(&found).is_some() {
            return Some(Seen::ByOutcomes);
        }
    }
    itself
}

/// A program shows a defect, and nothing without it.
fn shows(defect: Defect, how: Seen, program: Program) {
    assert_eq!(seen(&program, None), None, "without {defect:?}:\n{program}");
    assert_eq!(seen(&program, Some(defect)), Some(how), "{defect:?}:\n{program}");
}

macro_rules! shown {
    ($how:ident: $($name:ident: $defect:ident, $program:expr;)*) => {
        $(#[test]
        fn $name() {
            shows(Defect::$defect, Seen::$how, $program);
        })*
    };
}

fn two(cpu0: &[crate::program::Op], cpu1: &[crate::program::Op]) -> Program {
    Program::of(2, 1, vec![cpu0.to_vec(), cpu1.to_vec()])
}

shown! {
    ByOutcomes:
    readers_count: ReadersDoNotCount, two(&[Store(0, 1)], &[Load(0)]);
    phases_end_when_they_end: PhasesEndTooSoon, two(&[Store(0, 1), Store(1, 1)], &[Load(1), Load(0)]);
    what_handlers_do_is_learnt: HandlersConcernNobody,
        two(&[], &[Store(3, 1), Hi, Load(0), Load(0), Lo]).ticking(Guard::Flag, vec![Store(0, 1)]);
    conflicts_are_learnt: NothingIsLearnt, two(&[Store(0, 1)], &[Load(0), Load(0)]);
    what_is_on_its_way_counts: NothingIsOnItsWay,
        two(&[Store(1, 1), Fence, Load(0), Load(0)], &[Store(0, 1), Load(1), Advance]);
    looks_and_changes_do_not_commute: LooksCommuteWithChanges,
        two(&[Load(0), Load(1)], &[Store(0, 1), Store(1, 1)]);
    the_way_to_a_wait_is_remembered: WaitsForgetTheWayThere, two(&[Add(0, 1)], &[Await(0)]);
    a_handler_comes_back_to_its_place: HandlersAreOne,
        two(&[Load(0), Load(0)], &[Store(0, 1)])
            .ticking(Guard::Times(1), vec![Load(0), If(1, Box::new(Store(1, 1)))]);
    who_rests_takes_interrupts: RestsAreDeaf,
        two(&[Wait(0, 0)], &[]).ticking(Guard::Times(1), vec![Store(0, 1)]);
    a_call_tells_its_result: CallsForgetTheirResult,
        two(&[Call(vec![Load(0)], true)], &[Store(0, 1)]);
    a_call_comes_back_to_its_caller: CallsForgetTheirCaller,
        two(&[Load(0), Call(vec![Load(1)], false)], &[Store(0, 1), Store(1, 1)]);
    a_loop_may_end_by_counting: LoopsAreBelieved, two(&[Tries(0, 0, 8)], &[Store(0, 1)]);
    stores_are_buffered: NothingIsBuffered,
        two(&[Store(0, 1), Load(1)], &[Store(1, 1), Load(0)]);
    buffers_are_part_of_the_state: BuffersAreOne,
        two(&[Store(0, 2), Load(0)], &[Store(0, 1)]);
    looks_at_owned_values_are_observed: OwnedLooksAreForgotten,
        two(
            &[Call(vec![Load(0), If(1, Box::new(Put(0, 1)))], false), Get(0), Put(0, 0)],
            &[Store(0, 1)],
        );
    private_stores_release_no_sooner: PrivateStoresRelease,
        two(&[Put(0, 1), Store(0, 1)], &[Put(0, 1), Store(1, 1)]);
    touches_are_part_of_the_state: TouchesAreForgotten,
        two(
            &[Call(vec![Load(0), If(0, Box::new(Put(0, 0)))], false), Store(1, 1)],
            &[Store(0, 1), Load(1), Get(0)],
        );
    scripts_end_by_a_step: ScriptsEndAtOnce,
        two(&[], &[]).ticking(Guard::Times(1), vec![]);
    several_interrupts_come_at_a_point: OneInterruptAPoint,
        two(&[Swap(0, 1), Hi, Load(1), Lo], &[])
            .ticking(Guard::Times(2), vec![Load(0), If(1, Box::new(Add(1, 1)))]);
    interrupts_come_before_stores: StoresAreNoPoints, between_stores();
    who_never_ends_is_looked_for: LivelocksPass, two(&[Poll(0, 0)], &[]);
    a_tick_may_find_something_later: QuietForEver, found_later();
    a_tick_may_begin_before_a_change: QuietBySeveralWords, begun_before();
    a_tick_may_go_by_owned_values: QuietByOwnedValues, by_an_owned_value();
    what_came_once_comes_no_more: PreemptionsLeaveNoTrace, once();
    a_change_to_what_was_there_is_progress: OwnedChangesAreForgotten, written_again();
}

shown! {
    ByItself:
    phases_are_part_of_a_footprint: PhasesCommute, phases();
    buffers_are_part_of_a_footprint: BuffersCommute, buffers();
}

/// CPU 0 stores twice; CPU 1 asks it in between.
fn between_stores() -> Program {
    let mut program = two(&[Store(0, 1), Store(1, 1)], &[]).ticking(Guard::Asked, vec![]);
    let answered = Wait(program.answered(0), 0);
    program.threads[1].ops = vec![Wait(0, 0), Add(program.asked(), 1), answered, Load(1)];
    program
}

/// The tick of CPU 0 finds nothing before the flag is up.
fn found_later() -> Program {
    let mut program =
        Program::of(2, 0, vec![vec![]]).ticking(Guard::Flag, vec![Invlpg(0), Add(1, 1)]);
    program.threads[0].ops = vec![Uses(1), Store(program.answered(0), 1), Uses(0)];
    program
}

/// A tick has to see the flag before it goes down, and then word 0, which changes after that.
fn begun_before() -> Program {
    let ops = vec![Load(1), Machno, Store(1, 1), Load(1)];
    let mut program =
        Program::of(2, 0, vec![ops, vec![]]).ticking(Guard::Both(0), vec![Store(1, 2)]);
    let flag = program.answered(0);
    program.threads[1].ops = vec![Store(flag, 1), Store(flag, 0), Store(0, 1), Load(1)];
    program
}

/// A tick finds nothing while the owned value is 0.
fn by_an_owned_value() -> Program {
    let mut program =
        two(&[], &[Store(0, 1)]).ticking(Guard::Flag, vec![Get(0), QuitIf(0), Store(0, 5)]);
    let raise = Store(program.answered(0), 1);
    program.threads[0].ops = vec![raise, Machno, Load(0), Hi, Put(0, 1), Lo, Load(0)];
    program
}

/// A device interrupts before or after a store.
fn once() -> Program {
    let stores = vec![Load(0), Store(0, 1), Advance, Store(0, 1)];
    let mut program = Program::of(1, 0, vec![vec![Store(0, 2)], stores]);
    program.threads[0].device = Some(vec![Add(0, 1)]);
    program
}

/// A tick comes before or after an owned value is written the second time, and takes a step.
fn written_again() -> Program {
    let mut program = two(&[Hi, Put(0, 1), Lo, Hi, Put(0, 1), Lo, Hi, Get(0), Lo], &[])
        .ticking(Guard::Flag, vec![Load(0), Put(0, 0)]);
    program.threads[1].ops = vec![Store(program.answered(0), 1), Store(0, 1)];
    program
}

fn phases() -> Program {
    let mut program = Program::of(2, 0, vec![vec![], vec![If(1, Box::new(Add(0, 1)))]])
        .ticking(Guard::Both(0), vec![Load(0), Store(0, 1), Load(0)]);
    program.threads[0].ops = vec![Wait(program.answered(0), 1)];
    program.threads.iter_mut().for_each(|thread| thread.wanders = true);
    program
}

fn buffers() -> Program {
    let mut program =
        Program::of(2, 0, vec![vec![Store(0, 2), Advance], vec![Store(0, 2), Store(1, 1)]]);
    let device = vec![Load(0), QuitIf(0), If(0, Box::new(Add(0, 1))), Load(1), Load(0)];
    program.threads[0].device = Some(device);
    program
}

/// What one worker leaves to another.
#[test]
fn donations_are_taken_up() {
    // Which worker is done first is the host's affair, so not every program shows it every time.
    let lost = Some(Defect::DonationsAreLost);
    let mut programs = (0..40).map(|n| numbered(SEED, n, MOST));
    assert!(programs.any(|program| seen(&program, lost) == Some(Seen::ByOutcomes)));
}

/// A defect that no program can show. A thread that rests again, in another wait at the same place, is taken for one
/// that rests there for the first time. Just before it rests it is still told from that one; whatever comes of the
/// state in which it rests comes of that state, too, as it can rest later; and where nothing more happens, both rest
/// for the same words for ever.
const UNSEEN: [Defect; 1] = [Defect::WaitsAreOne];

/// Defects that the explorer's own checks alone show. A step that is known by too little is left out only if all that
/// it is taken to lead to was met.
const BY_ITSELF: [Defect; 2] = [Defect::PhasesCommute, Defect::BuffersCommute];

/// Defects that programs by name show, and that were not among what 500 random ones showed.
const RARE: [Defect; 6] = [
    Defect::OwnedChangesAreForgotten,
    Defect::HandlersConcernNobody,
    Defect::NothingIsOnItsWay,
    Defect::OwnedLooksAreForgotten,
    Defect::TouchesAreForgotten,
    Defect::StoresAreNoPoints,
];

/// For each defect the first program that shows it, among so many.
#[test]
#[ignore = "half an hour"]
fn random_programs_show_every_defect() {
    let most = number("MMU386_PROGRAMS", 1_000);
    let mut left: Vec<Defect> = Defect::ALL.to_vec();
    let mut itself: Vec<Defect> = Vec::new();
    for n in 0..most {
        let program = numbered(SEED, n, MOST);
        if seen(&program, None).is_some() {
            println!("program {n} shows a difference without any defect");
            continue;
        }
        left.retain(|&defect| match seen(&program, Some(defect)) {
            Some(Seen::ByOutcomes) => {
                println!("{defect:?}: {n}");
                false
            }
            Some(Seen::ByItself) if !itself.contains(&defect) => {
                println!("{defect:?}: {n}, by the explorer itself");
                itself.push(defect);
                !BY_ITSELF.contains(&defect)
            }
            _ => true,
        });
        if left.iter().all(|defect| UNSEEN.contains(defect) || RARE.contains(defect)) {
            break;
        }
    }
    println!("not shown: {left:?}");
    left.retain(|defect| !UNSEEN.contains(defect) && !RARE.contains(defect));
    assert!(left.is_empty(), "{most} programs of seed {SEED} do not show {left:?}");
}
