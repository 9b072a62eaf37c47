//! What a mutant is.

use std::fmt;
use std::ops::Range;

/// A kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// A fence is not made.
    Fence,
    /// A LOCKed exchange or add becomes a plain load and a plain store.
    Unlocked,
    /// Something that makes this CPU, or a page directory, forget is not done.
    Flush,
    /// A lock is never taken.
    LockSkipped,
    /// A lock is released as soon as it is taken.
    LockDropped,
    /// The interrupt level stays as it is.
    Level,
    /// A loop that waits is left at once.
    Wait,
    /// A counter stays as it is.
    Counter,
    /// A plain store is not made.
    Store,
    /// Another call, whose result nobody uses, is not made.
    Call,
    /// A statement changes places with the one before or behind it.
    Exchange,
    /// A condition is turned round.
    Negated,
    /// A comparison takes its boundary to the other side.
    Boundary,
}

impl Operator {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Fence,
        Self::Unlocked,
        Self::Flush,
        Self::LockSkipped,
        Self::LockDropped,
        Self::Level,
        Self::Wait,
        Self::Counter,
        Self::Store,
        Self::Call,
        Self::Exchange,
        Self::Negated,
        Self::Boundary,
    ];

    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fence => "fence removed",
            Self::Unlocked => "LOCK weakened",
            Self::Flush => "flush removed",
            Self::LockSkipped => "lock not taken",
            Self::LockDropped => "lock dropped at once",
            Self::Level => "level kept",
            Self::Wait => "wait loop left",
            Self::Counter => "counter kept",
            Self::Store => "store removed",
            Self::Call => "call removed",
            Self::Exchange => "exchanged",
            Self::Negated => "negated",
            Self::Boundary => "boundary",
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where an edit puts its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In place of an expression.
    Expression,
    /// In place of a lock's guard, which becomes an `Option` of one.
    Guard,
    /// In place of a statement.
    Statement,
    /// In front of a statement.
    Before,
    /// Behind a statement.
    Behind,
    /// In place of a row of `let` statements, as assignments.
    Lets,
    /// In place of the `const` of a function: only what runs can ask which mutant it is.
    Const,
}

/// One change of the text. Edits of all mutants are nested or apart, never across each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    /// The bytes of the expression or statement.
    pub at: Range<usize>,
    pub place: Place,
    pub text: String,
}

/// A change of mmu386.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    /// Its number, from 1 on, in the order of the source.
    pub id: usize,
    /// The source file, from the top of the tree.
    pub file: String,
    /// The line on which the change begins.
    pub line: usize,
    /// The function, with its type if it has one.
    pub function: String,
    /// What is done.
    pub operator: Operator,
    /// What the source says, on one line.
    pub before: String,
    /// What the mutant says, on one line.
    pub after: String,
    /// Whether Fixed has this code at all; if not, nothing that is run on Fixed can tell.
    pub in_fixed: bool,
    pub(crate) edits: Vec<Edit>,
}

impl Mutant {
    /// Where it is.
    pub fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }

    /// Everything about it on one line.
    pub fn line(&self) -> String {
        let Self { id, function, operator, before, after, .. } = self;
        format!("{id} {} {function}: {operator}: {before} -> {after}", self.place())
    }
}
