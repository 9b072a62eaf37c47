//! A group: the processes that come from one start, what they share, and what became of them.

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use kernel_abi::Error;

use super::seg::{Kind, Seg};
use crate::lock::Ilock;
use crate::proc::{NOBODY, State, proctab};
use crate::sched;

/// Why a process is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It ended by itself.
    Exits(u32),
    /// It reached for memory that is not its own.
    BadAccess {
        /// Where.
        va: u32,
        /// To write there.
        write: bool,
    },
    /// It did what ring 3 must not.
    Exception(&'static str),
    /// Its program could not be started.
    NotStarted(Error),
    /// Somebody ended it.
    Killed,
    /// It was the largest when there was no memory for anybody.
    NoMemory,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Exits(status) => write!(f, "exit status {status:#x}"),
            Cause::BadAccess { va, write } => {
                write!(f, "bad {} at {va:#010x}", if *write { "write" } else { "read" })
            }
            Cause::Exception(name) => f.write_str(name),
            Cause::NotStarted(error) => write!(f, "not started: {error:?}"),
            Cause::NoMemory => f.write_str("out of memory"),
            Cause::Killed => f.write_str("killed"),
        }
    }
}

/// A process that is gone.
#[derive(Clone, Copy, Debug)]
pub struct Death {
    /// Its number.
    pub pid: u32,
    /// Its last program.
    pub program: &'static str,
    /// Why.
    pub cause: Cause,
    /// Somebody may ask for its status.
    pub child: bool,
}

/// Memory that was not as it had to be, as a process tells.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// The CPU that it ran on.
    pub cpu: usize,
    /// Where.
    pub va: u32,
    /// What had to be there.
    pub expected: u32,
    /// What was.
    pub seen: u32,
}

/// Deaths and reports that are kept; the rest is counted.
const KEPT: usize = 64;

/// What a group remembers.
#[derive(Default)]
struct Log {
    deaths: Vec<Death>,
    reports: Vec<Report>,
}

/// Processes that come from one start.
pub struct Group {
    /// Its number.
    pub id: u32,
    limit: u32,
    /// Nobody of it is to live on, born or not yet.
    ended: AtomicBool,
    /// Processes that live.
    live: AtomicU32,
    /// Processes that there were.
    lives: AtomicU32,
    /// Reports.
    reports: AtomicU32,
    shared: Ilock<Vec<(u32, Weak<Seg>)>>,
    log: Ilock<Log>,
}

static IDS: AtomicU32 = AtomicU32::new(1);

impl Group {
    /// A group of at most `limit` processes at a time.
    pub fn new(limit: u32) -> Arc<Group> {
        Arc::new(Group {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            limit,
            ended: AtomicBool::new(false),
            live: AtomicU32::new(0),
            lives: AtomicU32::new(0),
            reports: AtomicU32::new(0),
            shared: Ilock::new(Vec::new()),
            log: Ilock::new(Log::default()),
        })
    }

    /// One more process lives.
    ///
    /// # Errors
    /// `NoProcess` if there may not be one.
    pub fn enter(&self) -> Result<(), Error> {
        let more = |live| (live < self.limit).then_some(live + 1);
        match self.live.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more) {
            Ok(_) => {
                self.lives.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(_) => Err(Error::NoProcess),
        }
    }

    /// Whether there may be one more process, for who would rather know before.
    ///
    /// # Errors
    /// `NoProcess` if there may not.
    pub fn room(&self) -> Result<(), Error> {
        if self.live() < self.limit { Ok(()) } else { Err(Error::NoProcess) }
    }

    /// A process that was admitted was never made.
    pub fn withdraw(&self) {
        self.lives.fetch_sub(1, Ordering::Relaxed);
        self.leave();
    }

    /// A process is gone, but for what the scheduler buries.
    pub fn died(&self, death: Death) {
        {
            let deaths = &mut self.log.lock().deaths;
            let ended = matches!(death.cause, Cause::Exits(status) if death.child || status == 0);
            if !ended && deaths.len() < KEPT {
                deaths.push(death);
            }
        }
        self.leave();
    }

    fn leave(&self) {
        self.live.fetch_sub(1, Ordering::SeqCst);
        sched::wakeup(self.channel());
    }

    /// A process tells of memory that is not as it had to be.
    pub fn report(&self, report: Report) {
        self.reports.fetch_add(1, Ordering::Relaxed);
        let reports = &mut self.log.lock().reports;
        if reports.len() < KEPT {
            reports.push(report);
        }
    }

    /// The shared segment with a name, made if nobody has it.
    ///
    /// # Errors
    /// `BadArgument` if it has another length.
    pub fn shared(&self, name: u32, count: usize) -> Result<Arc<Seg>, Error> {
        let fresh = Arc::new(Seg::new(Kind::Shared, count, None));
        let found = {
            let mut shared = self.shared.lock();
            shared.retain(|(_, seg)| seg.strong_count() > 0);
            let known = shared.iter().find(|(known, _)| *known == name);
            known.and_then(|(_, seg)| seg.upgrade()).unwrap_or_else(|| {
                shared.push((name, Arc::downgrade(&fresh)));
                fresh
            })
        };
        if found.count() == count { Ok(found) } else { Err(Error::BadArgument) }
    }

    fn channel(&self) -> usize {
        &raw const *self as usize
    }

    /// Waits until all are gone and have given back what they had.
    pub fn wait(&self) {
        sched::sleep(self.channel(), || self.live.load(Ordering::SeqCst) == 0);
        let left = |p: &crate::proc::Proc| {
            let buried = p.state() == State::Dead && p.mach.load(Ordering::SeqCst) == NOBODY;
            p.ring3.group() == self.id && !buried
        };
        while proctab().iter().any(left) {
            sched::relax();
        }
    }

    /// Ends all that live, and those that are still to start; `wait` tells when they are gone.
    pub fn kill(&self) {
        self.ended.store(true, Ordering::SeqCst);
        proctab().iter().for_each(|p| super::life::kill(p, self.id));
    }

    /// Whether `kill` was called.
    pub fn ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Processes that live.
    pub fn live(&self) -> u32 {
        self.live.load(Ordering::SeqCst)
    }

    /// Processes that there were.
    pub fn lives(&self) -> u32 {
        self.lives.load(Ordering::Relaxed)
    }

    /// Those that did not end by themselves, or not with status 0 when nobody asks for it.
    pub fn deaths(&self) -> Vec<Death> {
        self.log.lock().deaths.clone()
    }

    /// What they reported, and how often.
    pub fn reports(&self) -> (Vec<Report>, u32) {
        (self.log.lock().reports.clone(), self.reports.load(Ordering::Relaxed))
    }
}
