//! One boot, from the command line to the report.

use std::fs;
use std::hash::Hasher;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mmu386_wire::Options;
use rustix::io::{FdFlags, fcntl_setfd};
use siphasher::sip128::{Hasher128, SipHasher13};

use super::kept::Kept;
use super::qemu::{self, Accel, Qemu};
use super::qmp::{Control, Qmp};
use super::steady::Steady;
use super::{Outcome, Problem, Report, Runs, Symbols, Transcript, autopsy};
use crate::files::{self, Room};
use crate::paths::Paths;
use crate::process::{Ended, Lines, QUEUE, Running, interrupted, read_lines};

/// Longest line of the guest's that is taken whole, in bytes.
const LONGEST: u64 = 64 << 10;

/// Bytes of the memory that host and guest share.
const WINDOW: usize = 16 << 20;

/// How long a guest whose instructions are counted is silent before QEMU is asked.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is to be booted, and how.
#[derive(Debug, Clone)]
pub struct Boot {
    /// Variant of mmu386 that the kernel was built with.
    pub variant: String,
    /// How many CPUs.
    pub smp: u32,
    /// What executes the guest.
    pub accel: Accel,
    /// How long it may run.
    pub deadline: Duration,
    /// Which tests; the kernel knows the names.
    pub tests: String,
    /// How many rounds of each test, if not the kernel's own choice.
    pub rounds: Option<u32>,
    /// Seed of the kernel's random choices, if not its own.
    pub seed: Option<u32>,
    /// Whether to measure vunmap.
    pub bench: bool,
    /// How many milliseconds a soak lasts, if not its own choice.
    pub ms: Option<u32>,
    /// Whether a soak is disturbed.
    pub chaos: bool,
    /// Whether random programs run in ring 3 during a soak: the number of the first.
    pub fuzz: Option<u32>,
    /// How long the guest may say nothing.
    pub silence: Option<Duration>,
    /// The file that is the memory which host and guest share; it is made.
    pub window: Option<PathBuf>,
    /// QEMU counts instructions, 2 to this power of nanoseconds each, and lets its CPUs take turns by
    /// that clock: the run follows from this and the seed.
    pub icount: Option<u32>,
    /// Boot from this CD image, not the kernel's file; its command line is its own.
    pub iso: Option<PathBuf>,
    /// Wait for a debugger at this socket, which is to be made.
    pub gdb: Option<PathBuf>,
    /// Further arguments for QEMU.
    pub extra: Vec<String>,
}

impl Boot {
    /// A boot with everything at its default.
    pub fn new(variant: &str, smp: u32) -> Self {
        Self {
            variant: variant.to_owned(),
            smp,
            accel: Accel::Auto,
            deadline: Duration::from_secs(120),
            tests: "all".to_owned(),
            rounds: None,
            seed: None,
            bench: false,
            ms: None,
            chaos: false,
            fuzz: None,
            silence: None,
            window: None,
            icount: None,
            iso: None,
            gdb: None,
            extra: Vec::new(),
        }
    }

    /// What the guest has to say that it runs.
    pub fn runs(&self) -> Runs {
        let usual = Options::default();
        let options = Options {
            tests: self.tests.clone(),
            rounds: self.rounds.unwrap_or(usual.rounds),
            seed: self.seed.unwrap_or(usual.seed),
            bench: self.bench,
            ms: self.ms.unwrap_or(usual.ms),
            chaos: self.chaos,
            fuzz: self.fuzz.is_some(),
            from: self.fuzz.unwrap_or(usual.from),
            ..usual
        };
        Runs { variant: self.variant.clone(), cpus: self.smp, options }
    }

    /// The kernel's command line.
    pub fn append(&self) -> String {
        self.runs().options.command_line()
    }

    /// The command that runs the same again; with `icount` to the last event.
    pub fn again(&self) -> String {
        let seed = self.runs().options.seed;
        let mut words = vec![format!(
            "cargo smp boot --smp {} --variant {} --tests {} --seed {seed}",
            self.smp, self.variant, self.tests
        )];
        words.extend(self.rounds.map(|rounds| format!("--rounds {rounds}")));
        words.extend(self.bench.then(|| "--bench".to_owned()));
        words.extend(self.icount.map(|shift| format!("--icount {shift}")));
        words.extend((self.accel == Accel::Kvm).then(|| "--accel kvm".to_owned()));
        words.extend(self.iso.is_some().then(|| "--iso".to_owned()));
        words.push(format!("--deadline {}", self.deadline.as_secs()));
        if !self.extra.is_empty() {
            words.push(format!("-- {}", qemu::words(self.extra.iter().map(AsRef::as_ref))));
        }
        words.join(" ")
    }
}

/// Looks after a run while it lasts.
pub trait Attendant {
    /// A line came over the serial port.
    fn heard(&mut self, line: &str);

    /// Comes again and again, with what was said so far and QEMU's control socket, where there is one.
    /// `false` ends the run: there is nothing more to learn.
    fn turn(&mut self, _said: &Transcript, _control: Option<&mut Qmp>) -> bool {
        true
    }
}

/// Shows every serial line to a function.
struct Listener<F>(F);

impl<F: FnMut(&str)> Attendant for Listener<F> {
    fn heard(&mut self, line: &str) {
        (self.0)(line);
    }
}

/// As `attended`; every serial line is shown to `look` as it comes.
pub fn boot(paths: &Paths, boot: &Boot, elf: &Path, look: impl FnMut(&str)) -> Result<Report> {
    attended(paths, boot, elf, &mut Listener(look))
}

/// Boots a kernel and waits until it is done, its deadline passes, it is silent for too long, somebody
/// interrupts, or the attendant has enough.
pub fn attended(
    paths: &Paths,
    boot: &Boot,
    elf: &Path,
    attendant: &mut impl Attendant,
) -> Result<Report> {
    let room = Room::new()?;
    if let Some(window) = &boot.window {
        // What another guest wrote would be taken for this one's. All of it is there from the start: QEMU
        // would die of a page for which there is no room, and it would look like the guest's fault.
        fs::write(window, vec![0; WINDOW]).with_context(|| {
            let megabytes = WINDOW >> 20;
            format!(
                "no room for {megabytes} MB in {}: TMPDIR can name another place",
                window.display()
            )
        })?;
    }
    let (mut control, theirs) = Control::new()?;
    fcntl_setfd(&theirs, FdFlags::empty()).context("cannot let QEMU inherit a control socket")?;
    let qemu = Qemu::find()?;
    // To be typed: whoever does has no socket to pass on.
    let command_line = qemu::line(&qemu.command(paths, boot, elf, None));
    let mut command = qemu.command(paths, boot, elf, Some(theirs.as_raw_fd()));
    let mut steady = boot.icount.map(|_| Steady::with(&mut command));

    // An earlier boot's log must not be taken for this one's, however this one ends.
    let runs = boot.runs();
    let draft = format!(
        "{runs}: did not come to its end: it still runs in process {}, or that was killed\n  command: \
         {command_line}\n",
        std::process::id()
    );
    let begun_log = keep_log(paths, boot, &draft);
    let begun = Instant::now();
    let mut running = Running::start(command)?;
    drop(theirs);
    steady.iter_mut().for_each(Steady::started);
    let (out, err) = running.take_output();
    let (sender, lines) = mpsc::sync_channel(QUEUE);
    let readers = Lines::from([
        out.map(|pipe| read_lines(pipe, LONGEST, sender.clone(), Heard::Serial)),
        err.map(|pipe| read_lines(pipe, LONGEST, sender, Heard::Complaint)),
    ]);
    let mut ears = Ears::new(lines);
    let symbols = Symbols::read(elf);
    let (mut silent, mut enough) = (false, false);
    let mut ended = running.wait(begun + boot.deadline, || {
        ears.drain(attendant);
        // QEMU's main loop, woken by a question, would have its say in an order that counts instructions.
        let ask = boot.icount.is_none() || ears.last.elapsed() > PATIENCE;
        let shut_down = ask && control.is_shut_down();
        silent = boot.silence.is_some_and(|most| ears.last.elapsed() > most);
        let qmp = if ask { control.connected().ok() } else { None };
        enough = !shut_down && !attendant.turn(&ears.said, qmp);
        shut_down || silent || enough
    })?;
    if silent && matches!(ended, Ended::Asked) {
        ended = Ended::Deadline;
    }
    if interrupted() {
        // A terminal may have interrupted QEMU as well, which then leaves as after a reset.
        ended = Ended::Interrupted;
    }
    let lost = matches!(ended, Ended::Deadline | Ended::Asked) && !enough;
    let autopsy = lost.then(|| {
        let told = control
            .connected()
            .and_then(|qmp| autopsy::examine(qmp, &symbols, room.path().to_owned()));
        told.map_err(|error| format!("{error:#}"))
    });
    running.stop();
    readers.join(|| ears.drain(attendant))?;

    let Ears { said, complaints, digest, .. } = ears;
    let limit = match boot.silence {
        Some(most) if silent => format!("silent for {} s", most.as_secs()),
        _ => format!("not done after {} s", boot.deadline.as_secs()),
    };
    let mut outcome = Outcome::judge(&said, ended, &limit, &runs);
    if enough {
        outcome.problems.iter_mut().filter(|it| **it == Problem::Reset).for_each(|it| {
            *it = Problem::Stopped;
        });
    }
    if matches!(ended, Ended::Exited(_)) {
        outcome.was_it_really_a_reset(&complaints);
    }
    let mut report = Report {
        boot: boot.clone(),
        command: command_line,
        comes_back: steady.map(Steady::proof),
        time: begun.elapsed(),
        outcome,
        digest: format!("{:032x}", digest.finish128().as_u128()),
        said,
        complaints,
        autopsy,
    };
    // A full disk takes the file, not what is known: the report goes to the terminal still.
    let kept = begun_log.and_then(|()| keep_log(paths, boot, &report.full_text(&symbols)));
    if let Err(error) = kept {
        report.outcome.problems.push(Problem::NotWritten(format!("{error:#}")));
    }
    Ok(report)
}

/// What came out of QEMU so far.
struct Ears {
    lines: mpsc::Receiver<Heard>,
    said: Transcript,
    complaints: Kept,
    digest: SipHasher13,
    /// When the guest said something last.
    last: Instant,
}

impl Ears {
    fn new(lines: mpsc::Receiver<Heard>) -> Self {
        Self {
            lines,
            said: Transcript::default(),
            complaints: Kept::default(),
            digest: SipHasher13::new(),
            last: Instant::now(),
        }
    }

    fn drain(&mut self, attendant: &mut impl Attendant) {
        for heard in self.lines.try_iter().take(QUEUE) {
            match heard {
                Heard::Serial(line) => {
                    self.last = Instant::now();
                    attendant.heard(&line);
                    self.digest.write(line.as_bytes());
                    self.digest.write(b"\n");
                    self.said.feed(&line);
                }
                Heard::Complaint(line) => self.complaints.keep(line),
            }
        }
    }
}

/// A line, and the pipe that it came through.
enum Heard {
    Serial(String),
    Complaint(String),
}

/// Leaves the whole report where a person can find it later; before there is one, what is run.
fn keep_log(paths: &Paths, boot: &Boot, text: &str) -> Result<()> {
    let logs = paths.logs();
    fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
    let file = logs.join(format!("boot-{}-{}.log", boot.variant, boot.smp));
    files::write(&file, text)
}
