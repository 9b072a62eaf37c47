//! CPUs that the host takes away: all of them stopped for a moment, or squeezed onto one core, or one of
//! them with less of a share than the others.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, setpriority_process};
use serde::Serialize;

use crate::guest::Qmp;
use crate::process::cores;

/// What was done, and what could not be.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Done {
    /// Times that all CPUs were stopped.
    pub stops: u32,
    /// Times that all were put onto one core.
    pub pins: u32,
    /// CPUs that got a smaller share.
    pub nices: u32,
    /// Things that QEMU or the system refused.
    pub refused: u32,
}

/// Disturbs a running guest, from a seed.
#[derive(Debug)]
pub struct Stalls {
    rng: fastrand::Rng,
    next: Instant,
    pinned: bool,
    /// What was done so far.
    pub done: Done,
}

/// From one disturbance to the next, and how long a stop lasts, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 200..1500;
const STOP_MS: std::ops::Range<u64> = 5..150;

impl Stalls {
    /// Disturbances that follow from a seed; when they come, the host says.
    pub fn new(seed: u32) -> Self {
        let rng = fastrand::Rng::with_seed(seed.into());
        let next = Instant::now() + Duration::from_secs(1);
        Self { rng, next, pinned: false, done: Done::default() }
    }

    /// Does something, if it is time.
    pub fn turn(&mut self, qmp: &mut Qmp) {
        if Instant::now() < self.next {
            return;
        }
        let what = self.rng.u32(0..6);
        let result = match what {
            0..=2 => self.stop(qmp),
            3 | 4 => self.pin(qmp),
            _ => self.nice(qmp),
        };
        if result.is_err() {
            self.done.refused += 1;
        }
        self.next = Instant::now() + Duration::from_millis(self.rng.u64(PAUSE_MS));
    }

    fn stop(&mut self, qmp: &mut Qmp) -> anyhow::Result<()> {
        qmp.halt()?;
        thread::sleep(Duration::from_millis(self.rng.u64(STOP_MS)));
        qmp.resume()?;
        self.done.stops += 1;
        Ok(())
    }

    /// All onto one core, or back onto all that this process may use.
    fn pin(&mut self, qmp: &mut Qmp) -> anyhow::Result<()> {
        let mut cores = cores::mine()?;
        if !self.pinned {
            cores = self.rng.choice(cores).into_iter().collect();
        }
        for thread in qmp.threads()? {
            cores::confine(Some(thread), &cores)?;
        }
        self.pinned = !self.pinned;
        self.done.pins += u32::from(self.pinned);
        Ok(())
    }

    /// One CPU's thread gives way to the others'. It cannot be undone without a privilege.
    fn nice(&mut self, qmp: &mut Qmp) -> anyhow::Result<()> {
        let threads = qmp.threads()?;
        let thread = self.rng.choice(threads).and_then(Pid::from_raw);
        setpriority_process(thread, self.rng.i32(1..15))?;
        self.done.nices += 1;
        Ok(())
    }
}
