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

/// Whether the explorer, with a defect, differs from the reference.
fn seen(program: &Program, defect: Option<Defect>) -> Option<Seen> {
    // What one worker leaves to another shows with two.
    let workers = if defect == Some(Defect::DonationsAreLost) { 2 } else { 1 };
    let limits = Limits { defect, workers, ..limits(true, false) };
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
fn shows(defect: Defect, program: Program) {
    assert_eq!(seen(&program, None), None, "without {defect:?}:\n{program}");
    assert_eq!(seen(&program, Some(defect)), Some(Seen::ByOutcomes), "{defect:?}:\n{program}");
}

macro_rules! shown {
    ($($name:ident: $defect:ident, $program:expr;)*) => {
        $(#[test]
        fn $name() {
            shows(Defect::$defect, $program);
        })*
    };
}

fn two(cpu0: &[crate::program::Op], cpu1: &[crate::program::Op]) -> Program {
    Program::of(2, 1, vec![cpu0.to_vec(), cpu1.to_vec()])
}

shown! {
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
}

/// CPU 0 stores twice; CPU 1 asks it in between.
fn between_stores() -> Program {
    let mut program = two(&[Store(0, 1), Store(1, 1)], &[]).ticking(Guard::Asked, vec![]);
    let answered = Wait(program.answered(0), 0);
    program.threads[1].ops = vec![Wait(0, 0), Add(program.asked(), 1), answered, Load(1)];
    program
}

/// What one worker leaves to another.
#[test]
fn donations_are_taken_up() {
    // Who is done first is the host's affair, so not every program shows it every time.
    let lost = Some(Defect::DonationsAreLost);
    let mut programs = (0..40).map(|n| numbered(SEED, n, MOST));
    assert!(programs.any(|program| seen(&program, lost) == Some(Seen::ByOutcomes)));
}

/// Defects that no program is known to show. What a tick that found nothing is remembered by is nothing that the
/// state tells; and the state that it is taken for was met before without that tick, and all ticks were offered there.
/// So it is with a process that was preempted and has come back to where it was. What a thread has done to an
/// owned value is told by the value and by what it owes, too, and that it has waited before by all that it has looked
/// at. Where a step is known by too little, it is left out only if all that it is taken to lead to was met; the
/// explorer's own samples notice.
const UNSEEN: [Defect; 8] = [
    Defect::PhasesCommute,
    Defect::BuffersCommute,
    Defect::WaitsAreOne,
    Defect::QuietForEver,
    Defect::QuietBySeveralWords,
    Defect::QuietByOwnedValues,
    Defect::PreemptionsLeaveNoTrace,
    Defect::OwnedChangesAreForgotten,
];

/// Defects that programs by name show, and that were not among what 500 random ones showed.
const RARE: [Defect; 5] = [
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
                true
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
