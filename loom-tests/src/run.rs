//! Exploring one model until there is a verdict.
//!
//! A process explores one model on one variant in one mode, because a broken property ends it on
//! the spot: unwinding through the engine's threads would lose the counterexample.

use std::io::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use mmu386::function::Function;

use crate::counterexample::Counterexample;
use crate::engine::explorer::{self, Found, Limits};
use crate::engine::loom::{learnt, steps};
use crate::engine::{self, Mode};
use crate::machine::{self, Fault};
use crate::models::{self, Expected, Model};
use crate::oracle::{Broken, Property};
use crate::verdict::{Row, Verdict, as_expected, claims, name};

/// What to run and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the variant, and of the machine's defect, if it has one.
    pub variant: String,
    /// What loads and stores are.
    pub mode: Mode,
    /// Most preemptions, if not the model's own bound.
    pub bound: Option<Option<usize>>,
    /// When to give up.
    pub max_seconds: Option<u64>,
    /// JSON on standard output instead of text.
    pub json: bool,
    /// Threads that explore, where the engine can use several.
    pub workers: usize,
    /// Most memory for states, in bytes.
    pub memory: u64,
    /// Whether the explorer may leave out orders of steps that commute.
    pub reduce: bool,
    /// Whether the explorer makes steps that it could leave out because they commute, and compares.
    pub check: bool,
}

struct Run {
    model: Model,
    options: Options,
    expected: Expected,
    started: Instant,
    executions: AtomicU64,
    /// Bound in force; usize::MAX for none.
    bound: AtomicUsize,
}

/// A bit per function of mmu.c that was entered.
static ENTERED: AtomicU64 = AtomicU64::new(0);

/// The core entered a function, after set-up.
pub(crate) fn entered(function: Function) {
    ENTERED.fetch_or(1 << function as u32, Relaxed);
}

/// The functions of mmu.c that one execution of a model on `fixed` enters, after set-up: the first
/// one that the engine makes.
pub fn functions(model: &Model) -> Vec<Function> {
    engine::set_mode(Mode::Rmw);
    ENTERED.store(0, Relaxed);
    let body = (model.body)("fixed").expect("every model runs on fixed");
    let mut builder = builder(Some(0));
    // One execution: the engine looks at this before the next.
    builder.checkpoint_interval = 1;
    builder.max_permutations = Some(2);
    builder.check(body);
    let entered = ENTERED.load(Relaxed);
    Function::ALL.iter().copied().filter(|f| entered & 1 << *f as u32 != 0).collect()
}

static RUN: OnceLock<Run> = OnceLock::new();
static LAST_WORD: Mutex<()> = Mutex::new(());

fn run() -> &'static Run {
    RUN.get().expect("explore comes first")
}

/// The defect of the machine that this process explores.
pub fn fault() -> Option<Fault> {
    RUN.get().and_then(|run| models::parse(&run.options.variant).1)
}

/// Set for a process that must take every word for written.
const NO_CONSTANTS: &str = "MMU386_NO_CONSTANTS";

/// Fewer executions, or states, than this mean that a model of several CPUs explored nothing: one is all that there is
/// where nothing conflicts. Under the explorer the ends of two scripts alone make four. Under loom, where loads commute, one vunmap beside an idle CPU comes to six. As written, loads
/// order nothing, and a model that two CPUs go through by turns can have as few as three.
fn fewest(mode: Mode) -> u64 {
    if mode == Mode::AsWritten { 2 } else { 4 }
}

/// Most preemptions that are explored if nobody asks for more or fewer; `None` for all.
pub fn everyday_bound(model: &Model, variant: &str, mode: Mode) -> Option<usize> {
    let bound = model.bound(mode);
    match models::expected(model, variant) {
        // What is to be found is found soon; the bound is for what holds.
        Expected::Broken(_) if mode.explorer() => None,
        Expected::Broken(wanted) if claims(mode, wanted.mode) => bound,
        // mmu.c is not what is shipped: a look for what nobody expects there is a short one.
        _ if matches!(variant, "seed" | "upstream") && !mode.explorer() => {
            Some(bound.map_or(1, |most| most.saturating_sub(1).min(1)))
        }
        _ => bound,
    }
}

/// Explores a model and ends the process with its verdict: exit status 0 if it is as expected, 1 if
/// not.
pub fn explore(model: Model, options: Options) -> ! {
    engine::set_mode(options.mode);
    let (code, _) = models::parse(&options.variant);
    let body = (model.body)(code).expect("the caller has checked the variant");
    let expected = models::expected(&model, &options.variant);
    let bound = options.bound.unwrap_or(everyday_bound(&model, &options.variant, options.mode));
    let started = Instant::now();
    let run = RUN.get_or_init(|| Run {
        model,
        options,
        expected,
        started,
        executions: AtomicU64::new(0),
        bound: AtomicUsize::new(usize::MAX),
    });
    std::panic::set_hook(Box::new(panicked));
    std::thread::spawn(watch);
    // Fewest preemptions first: they learn which words are ever written, and make the shortest
    // counterexample.
    let deepest = if matches!(expected, Expected::Broken(_)) { 4 } else { 1 };
    // The explorer learns by itself.
    let first = if run.options.mode.explorer() && deepest == 1 { 1 } else { 0 };
    for fewer in first..bound.unwrap_or(deepest).min(deepest) {
        check(run, Some(fewer), body);
    }
    if run.options.mode.explorer() {
        check(run, bound, body);
        let (states, executions) = run.so_far();
        too_few(run, states.unwrap_or(executions));
        finish(Verdict::Holds, None, None, None);
    }
    loop {
        if std::env::var_os(NO_CONSTANTS).is_none() {
            learnt::apply();
        } else {
            learnt::believe_nothing();
        }
        check(run, bound, body);
        if learnt::sound() {
            break;
        }
    }
    if let Some(fault) = steps::fault() {
        finish(Verdict::Inconclusive, None, None, Some(fault));
    }
    too_few(run, run.executions.load(Relaxed));
    finish(Verdict::Holds, None, None, None)
}

/// Ends the run without a verdict if several CPUs have come to so few executions, or states, that they have explored
/// nothing.
fn too_few(run: &Run, explored: u64) {
    if run.model.cpus > 1 && explored < fewest(run.options.mode) {
        let what = if run.options.mode.explorer() { "states" } else { "executions" };
        let note = format!("{explored} {what} are too few to have explored anything");
        finish(Verdict::Inconclusive, None, None, Some(note));
    }
}

fn check(run: &'static Run, bound: Option<usize>, body: fn()) {
    run.bound.store(bound.unwrap_or(usize::MAX), Relaxed);
    run.executions.store(0, Relaxed);
    if run.options.mode.explorer() {
        return search(run, bound, body);
    }
    learnt::begin();
    steps::explore(bound.is_some() || run.options.mode != Mode::Rmw, run.options.reduce);
    builder(bound).check(move || {
        run.executions.fetch_add(1, Relaxed);
        body();
    });
}

/// Explores all states within the bound.
fn search(run: &'static Run, preemptions: Option<usize>, body: fn()) {
    let Options { mode, workers, memory, reduce, check, .. } = run.options;
    let limits =
        Limits { workers, memory, preemptions, reduce, check, backward: false, defect: None };
    let (found, size) = explorer::search(mode == Mode::Tso, limits, body);
    match found {
        Found::Everything => {}
        Found::Livelock(states) => {
            let summary = format!("from {states} of {} states no end can be reached", size.states);
            broken(Property::L1, &summary);
        }
        Found::OutOfMemory => {
            let note = format!("{} states, and the memory for them is used up", size.states);
            finish(Verdict::Cut, None, None, Some(note));
        }
    }
}

fn builder(bound: Option<usize>) -> loom::model::Builder {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = bound;
    builder.max_branches = 20_000;
    builder.max_permutations = None;
    builder.max_duration = None;
    builder.expect_explicit_explore = true;
    builder
}

/// Reports progress, and gives up when time is over.
fn watch() {
    let run = run();
    let mut next = Duration::from_secs(5);
    loop {
        std::thread::sleep(Duration::from_millis(50));
        let elapsed = run.started.elapsed();
        if run.options.max_seconds.is_some_and(|most| elapsed >= Duration::from_secs(most)) {
            finish(Verdict::Cut, None, None, Some("time is over".into()));
        }
        if elapsed >= next {
            next += Duration::from_secs(5);
            let (states, executions) = run.so_far();
            let states = states.map_or_else(String::new, |states| format!("{states} states, "));
            say::err!("{}: {states}{executions} executions, {} s", run.id(), elapsed.as_secs());
        }
    }
}

/// Ends the run because somebody wants it to end.
pub fn interrupted() -> ! {
    if RUN.get().is_none() {
        std::process::exit(130);
    }
    finish(Verdict::Cut, None, None, Some("interrupted".into()))
}

/// Ends the run because a property is broken.
pub(crate) fn broken(property: Property, summary: &str) -> ! {
    if RUN.get().is_none() {
        std::panic::panic_any(Broken { property, summary: summary.into() });
    }
    // loom itself may have noticed, and is not to be asked anything from here on.
    steps::end();
    let shown = machine::counterexample(property.id(), summary);
    finish(Verdict::Broken, Some(property), Some(shown), None)
}

/// Ends the run because the threads that wait do so for ever.
pub(crate) fn stuck(somebody_can: bool) -> ! {
    let waits = machine::waits().join(", ");
    let who = if somebody_can { "whatever CPUs do, no end is reached" } else { "no CPU can go on" };
    let how = if waits.is_empty() { "they poll".into() } else { format!("they wait: {waits}") };
    broken(Property::L1, &format!("{who}; {how}"));
}

/// Tells a property that broke from a failure of the engine or the model.
fn panicked(info: &std::panic::PanicHookInfo<'_>) {
    let text = info.payload_as_str().unwrap_or("a panic without words").to_string();
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    if machine::waits_for_panic(&text) {
        return explorer::unwinds(true);
    }
    if text.starts_with("deadlock") {
        stuck(false);
    }
    if text.contains("Causality violation") || info.payload().is::<explorer::Race>() {
        broken(Property::P2, "two CPUs touch what only one may own, and nothing orders them");
    }
    // Paths are from the top of the tree: this one is mmu386's.
    if text.starts_with("cpu") || place.starts_with("src/") {
        broken(Property::E2, &text);
    }
    finish(Verdict::Inconclusive, None, None, Some(format!("{text} ({place})")))
}

impl Run {
    /// States, where the engine has them, and executions of the exploration that goes on, or of the
    /// last one.
    fn so_far(&self) -> (Option<u64>, u64) {
        if !self.options.mode.explorer() {
            return (None, self.executions.load(Relaxed));
        }
        let (states, executions) = explorer::progress();
        (Some(states), executions)
    }

    fn id(&self) -> String {
        let Options { variant, mode, .. } = &self.options;
        format!("{}/{variant}/{}", self.model.name, name(*mode))
    }
}

/// Runs this program again in place of this process, taking every word for written.
fn start_over() -> ! {
    use std::os::unix::process::CommandExt;
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    let error = std::process::Command::new(program).args(arguments).env(NO_CONSTANTS, "1").exec();
    say::err!("models: cannot start over: {error}");
    std::process::exit(1)
}

fn finish(
    verdict: Verdict,
    property: Option<Property>,
    counterexample: Option<Counterexample>,
    note: Option<String>,
) -> ! {
    // Kept until the process ends: a thread that comes second has nothing to add.
    let _last_word = LAST_WORD.lock();
    let run = run();
    if !learnt::sound() && verdict != Verdict::Cut {
        start_over();
    }
    let bound = run.bound.load(Relaxed);
    let (states, executions) = run.so_far();
    let summary = counterexample.as_ref().map_or("", |c| &c.summary);
    let (good, expected) = as_expected(run.expected, run.options.mode, verdict, property, summary);
    let row = Row {
        id: run.id(),
        property: property.unwrap_or(run.model.property).id().into(),
        hazard: run.model.hazard.into(),
        variant: run.options.variant.clone(),
        engine: run.options.mode.engine(),
        engine_version: if run.options.mode.explorer() { "shuttle 0.9.10" } else { "0.7.3" },
        mode: run.options.mode,
        model: run.model.name.into(),
        cpus: run.model.cpus,
        preemption_bound: (bound != usize::MAX).then_some(bound),
        exhaustive: bound == usize::MAX
            && verdict == Verdict::Holds
            && run.options.mode != Mode::AsWritten,
        executions,
        orders: (run.options.mode == Mode::Rmw && verdict == Verdict::Holds && bound == usize::MAX)
            .then(steps::orders),
        states,
        seconds: run.started.elapsed().as_secs_f64(),
        verdict,
        expected,
        note,
        counterexample,
    };
    let text = if run.options.json {
        serde_json::to_string(&row).expect("a row is plain data")
    } else {
        crate::counterexample::text(&row)
    };
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    std::process::exit(if good && written.is_ok() { 0 } else { 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is not shipped and not expected to break is looked at briefly.
    #[test]
    fn only_what_is_shipped_or_expected_to_break_is_explored_up_to_the_models_bound() {
        for model in models::all() {
            for mode in model.modes().filter(|mode| !mode.explorer()) {
                let bound = |variant| everyday_bound(&model, variant, mode);
                assert_eq!(bound("fixed"), model.bound(mode), "{}", model.name);
                let breaks = model.upstream.is_some_and(|wanted| claims(mode, wanted.mode));
                if breaks {
                    assert_eq!(bound("upstream"), model.bound(mode), "{}", model.name);
                } else {
                    let most = model.bound(mode).unwrap_or(1).min(1);
                    assert!(bound("upstream").is_some_and(|b| b <= most), "{}", model.name);
                }
            }
        }
    }
}
