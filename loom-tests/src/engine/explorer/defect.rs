//! Defects of the explorer, to be planted one at a time: a comparison with something else has to see
//! each of them, or cannot tell whether what the explorer leaves out is left out rightly.

use std::cell::Cell;

/// A defect of one of the explorer's reductions, or of what they rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// A store does not have to be ordered with loads by others.
    ReadersDoNotCount,
    /// A thread is taken to be past an access before it is.
    PhasesEndTooSoon,
    /// What handlers access concerns no other thread.
    HandlersConcernNobody,
    /// What contradicts the first round is believed not to.
    NothingIsLearnt,
    /// What others have stored is taken to be in memory.
    NothingIsOnItsWay,
    /// A step commutes with one that changes what it goes by.
    LooksCommuteWithChanges,
    /// Steps commute whatever phases they bring threads to.
    PhasesCommute,
    /// Looks at store buffers are not told.
    BuffersCommute,
    /// A tick that found nothing is never followed by one that does.
    QuietForEver,
    /// A tick that has read several words that others write is remembered.
    QuietBySeveralWords,
    /// A tick that looks at owned values is remembered.
    QuietByOwnedValues,
    /// No interrupt comes to a thread that rests.
    RestsAreDeaf,
    /// What a wait has seen is forgotten with what was looked at just before it.
    WaitsForgetTheWayThere,
    /// Every rest at one place for the same words is one more turn of the first.
    WaitsAreOne,
    /// A handler is the same wherever it has interrupted.
    HandlersAreOne,
    /// A preemption that has come leaves no trace.
    PreemptionsLeaveNoTrace,
    /// A call's result is forgotten with the rest.
    CallsForgetTheirResult,
    /// What came before a call is forgotten as it returns.
    CallsForgetTheirCaller,
    /// Three equal turns are one without an end.
    LoopsAreBelieved,
    /// Stores reach memory at once.
    NothingIsBuffered,
    /// Where states differ in their store buffers alone, they are one.
    BuffersAreOne,
    /// Looks at owned values are not observed.
    OwnedLooksAreForgotten,
    /// Changes of owned values are not observed.
    OwnedChangesAreForgotten,
    /// A store that nobody looks at releases owned values before anybody can come in between.
    PrivateStoresRelease,
    /// What owned values a thread has touched since its latest store is no part of the state.
    TouchesAreForgotten,
    /// A script ends without a step.
    ScriptsEndAtOnce,
    /// No more than one interrupt comes at a point that is no access.
    OneInterruptAPoint,
    /// No interrupt comes between an access and a buffered store.
    StoresAreNoPoints,
    /// States from which no end can be reached are not looked for.
    LivelocksPass,
    /// What a thread leaves to other workers is never taken up.
    DonationsAreLost,
}

impl Defect {
    /// All of them.
    pub const ALL: [Self; 30] = [
        Self::ReadersDoNotCount,
        Self::PhasesEndTooSoon,
        Self::HandlersConcernNobody,
        Self::NothingIsLearnt,
        Self::NothingIsOnItsWay,
        Self::LooksCommuteWithChanges,
        Self::PhasesCommute,
        Self::BuffersCommute,
        Self::QuietForEver,
        Self::QuietBySeveralWords,
        Self::QuietByOwnedValues,
        Self::RestsAreDeaf,
        Self::WaitsForgetTheWayThere,
        Self::WaitsAreOne,
        Self::HandlersAreOne,
        Self::PreemptionsLeaveNoTrace,
        Self::CallsForgetTheirResult,
        Self::CallsForgetTheirCaller,
        Self::LoopsAreBelieved,
        Self::NothingIsBuffered,
        Self::BuffersAreOne,
        Self::OwnedLooksAreForgotten,
        Self::OwnedChangesAreForgotten,
        Self::PrivateStoresRelease,
        Self::TouchesAreForgotten,
        Self::ScriptsEndAtOnce,
        Self::OneInterruptAPoint,
        Self::StoresAreNoPoints,
        Self::LivelocksPass,
        Self::DonationsAreLost,
    ];
}

thread_local! {
    /// The one that this worker has.
    static PLANTED: Cell<Option<Defect>> = const { Cell::new(None) };
}

/// This worker has the defect from here on.
pub(super) fn plant(defect: Option<Defect>) {
    PLANTED.set(defect);
}

/// Whether this worker has it.
pub(crate) fn has(defect: Defect) -> bool {
    PLANTED.get() == Some(defect)
}
