//! One boot, from the command line to the report.

use std::fs;
use std::hash::Hasher;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use siphasher::sip128::{Hasher128, SipHasher13};

use super::qemu::{self, Accel, Qemu};
use super::qmp::Qmp;
use super::{Outcome, Problem, Report, Symbols, Transcript, autopsy};
use crate::paths::Paths;
use crate::process::{Ended, Lines, QUEUE, Running, interrupted, read_lines};

/// Longest line of the guest's that is taken whole, in bytes.
const LONGEST: u64 = 64 << 10;

/// The kernel's seed where none is given.
const KERNEL_SEED: u32 = 1;

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
            icount: None,
            iso: None,
            gdb: None,
            extra: Vec::new(),
        }
    }

    /// The kernel's command line.
    pub fn append(&self) -> String {
        let mut words = vec![format!("tests={}", self.tests)];
        words.extend(self.rounds.map(|rounds| format!("rounds={rounds}")));
        words.extend(self.seed.map(|seed| format!("seed={seed}")));
        words.extend(self.bench.then(|| "bench=1".to_owned()));
        words.join(" ")
    }

    /// The command that runs the same again; with `icount` to the last event.
    pub fn again(&self) -> String {
        let seed = self.seed.unwrap_or(KERNEL_SEED);
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

/// Boots a kernel and waits until it is done, its deadline passes, or somebody interrupts. Every
/// serial line is shown to `look` as it comes.
pub fn boot(paths: &Paths, boot: &Boot, elf: &Path, mut look: impl FnMut(&str)) -> Result<Report> {
    // In the system's folder for temporary files: the path of a socket must be short.
    let room = tempfile::Builder::new()
        .prefix("smp-")
        .tempdir()
        .context("cannot make a folder for the socket")?;
    let socket = room.path().join("qmp");
    let command = Qemu::find()?.command(paths, boot, elf, &socket);
    let command_line = qemu::line(&command);

    let begun = Instant::now();
    let mut running = Running::start(command)?;
    let (out, err) = running.take_output();
    let (sender, lines) = mpsc::sync_channel(QUEUE);
    let readers = Lines::from([
        out.map(|pipe| read_lines(pipe, LONGEST, sender.clone(), Heard::Serial)),
        err.map(|pipe| read_lines(pipe, LONGEST, sender, Heard::Complaint)),
    ]);
    let (mut said, mut complaints) = (Transcript::default(), Vec::new());
    let mut digest = SipHasher13::new();
    let mut drain = || {
        for heard in lines.try_iter().take(QUEUE) {
            match heard {
                Heard::Serial(line) => {
                    look(&line);
                    digest.write(line.as_bytes());
                    digest.write(b"\n");
                    said.feed(&line);
                }
                Heard::Complaint(line) => complaints.push(line),
            }
        }
    };
    let symbols = Symbols::read(elf);
    let mut control = Control::new(socket);
    let mut ended = running.wait(begun + boot.deadline, || {
        drain();
        control.is_shut_down()
    })?;
    if interrupted() {
        // A terminal may have interrupted QEMU as well, which then leaves as after a reset.
        ended = Ended::Interrupted;
    }
    let autopsy = matches!(ended, Ended::Deadline | Ended::Asked).then(|| {
        let told = control
            .connected()
            .and_then(|qmp| autopsy::examine(qmp, &symbols, room.path().to_owned()));
        told.map_err(|error| format!("{error:#}"))
    });
    running.stop();
    readers.join(&mut drain)?;

    let mut outcome =
        Outcome::judge(&said, ended, boot.deadline.as_secs(), &boot.variant, boot.smp);
    if matches!(ended, Ended::Exited(_)) {
        outcome.was_it_really_a_reset(&complaints);
    }
    let mut report = Report {
        boot: boot.clone(),
        command: command_line,
        time: begun.elapsed(),
        outcome,
        digest: format!("{:032x}", digest.finish128().as_u128()),
        said,
        complaints,
        autopsy,
    };
    // A full disk takes the file, not what is known: the report goes to the terminal still.
    if let Err(error) = keep_log(paths, &report, &symbols) {
        report.outcome.problems.push(Problem::NotWritten(format!("{error:#}")));
    }
    Ok(report)
}

/// The control socket, which QEMU makes in its own time.
enum Control {
    Awaited(PathBuf),
    Open(Qmp),
    Refused(String),
}

impl Control {
    fn new(socket: PathBuf) -> Self {
        Self::Awaited(socket)
    }

    fn connect(&mut self) {
        if let Self::Awaited(socket) = self
            && socket.exists()
        {
            *self = match Qmp::connect(socket) {
                Ok(qmp) => Self::Open(qmp),
                Err(error) => Self::Refused(format!("{error:#}")),
            };
        }
    }

    fn is_shut_down(&mut self) -> bool {
        self.connect();
        match self {
            Self::Open(qmp) => qmp.is_shut_down(),
            Self::Awaited(_) | Self::Refused(_) => false,
        }
    }

    fn connected(&mut self) -> Result<&mut Qmp> {
        self.connect();
        match self {
            Self::Open(qmp) => Ok(qmp),
            Self::Awaited(_) => bail!("QEMU made no control socket"),
            Self::Refused(why) => bail!("{why}"),
        }
    }
}

/// A line, and the pipe that it came through.
enum Heard {
    Serial(String),
    Complaint(String),
}

/// Leaves the whole report where a person can find it later.
fn keep_log(paths: &Paths, report: &Report, symbols: &Symbols) -> Result<()> {
    let logs = paths.logs();
    fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
    let file = logs.join(format!("boot-{}-{}.log", report.boot.variant, report.boot.smp));
    fs::write(&file, report.full_text(symbols))
        .with_context(|| format!("cannot write {}", file.display()))
}
