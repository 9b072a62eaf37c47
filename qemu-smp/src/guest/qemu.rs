//! QEMU's program and command line.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use mmu386_wire::exit;

use super::Boot;
use crate::paths::Paths;
use crate::process::{capture, command};

/// Most CPUs that the kernel knows of: mmu386's MAXMACH.
pub const MAX_CPUS: u32 = 32;
/// Names another program to run in QEMU's place; the tests put impostors here.
pub const OVERRIDE: &str = "SMP_QEMU";

const PROGRAM: &str = "qemu-system-i386";

/// What executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Accel {
    /// The one that is known to work with this kernel: tcg.
    #[default]
    Auto,
    /// QEMU's translator, one host thread per CPU, a software TLB per CPU.
    Tcg,
    /// The host's own MMU, through /dev/kvm.
    Kvm,
}

impl Accel {
    /// The accelerator that is really used.
    pub fn resolve(self) -> Self {
        match self {
            Self::Auto | Self::Tcg => Self::Tcg,
            Self::Kvm => Self::Kvm,
        }
    }

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Tcg => "tcg",
            Self::Kvm => "kvm",
        }
    }
}

/// An installed QEMU.
#[derive(Debug, Clone)]
pub struct Qemu {
    program: PathBuf,
}

impl Qemu {
    /// Looks it up in PATH.
    pub fn find() -> Result<Self> {
        if let Some(program) = env::var_os(OVERRIDE) {
            return Ok(Self { program: program.into() });
        }
        match which::which(PROGRAM) {
            Ok(program) => Ok(Self { program }),
            Err(_) => bail!("{PROGRAM} is not in PATH: `cargo smp setup` installs it"),
        }
    }

    /// Its first line about itself.
    pub fn version(&self, paths: &Paths) -> Result<String> {
        let mut ask = command(paths, &self.program);
        ask.arg("--version");
        let said = capture(ask, Duration::from_secs(30), |_| ())?
            .checked("asking QEMU for its version")?;
        said.stdout.lines().next().map(str::to_owned).context("QEMU said nothing about its version")
    }

    /// The command that boots a kernel, with a control socket at `socket`.
    pub fn command(&self, paths: &Paths, boot: &Boot, elf: &Path, socket: &Path) -> Command {
        let mut qemu = command(paths, &self.program);
        // HPET, framebuffer and ivshmem are the device memory that the kernel maps.
        qemu.args(["-machine", "pc,hpet=on", "-m", "512", "-vga", "std", "-nic", "none"]);
        match &boot.window {
            Some(file) => {
                let mut shared =
                    OsString::from("memory-backend-file,id=shm,size=16M,share=on,mem-path=");
                shared.push(file);
                qemu.arg("-object").arg(shared)
            }
            None => qemu.args(["-object", "memory-backend-ram,id=shm,size=16M,share=on"]),
        };
        qemu.args(["-device", "ivshmem-plain,memdev=shm"]);
        qemu.args(["-device", &format!("isa-debug-exit,iobase={:#x},iosize=1", exit::PORT)]);
        qemu.args(["-display", "none", "-monitor", "none", "-serial", "stdio"]);
        // A guest that resets itself stays as it was, to be looked at.
        qemu.args(["-action", "reboot=shutdown,shutdown=pause"]);
        match boot.accel.resolve() {
            Accel::Kvm => qemu.args(["-accel", "kvm", "-cpu", "host"]),
            Accel::Auto | Accel::Tcg if boot.icount.is_some() => {
                qemu.args(["-accel", "tcg,thread=single"])
            }
            Accel::Auto | Accel::Tcg => qemu.args(["-accel", "tcg,thread=multi"]),
        };
        if let Some(shift) = boot.icount {
            // Time is what was executed, and stands still for nothing.
            qemu.args(["-icount", &format!("shift={shift},sleep=off"), "-rtc", "clock=vm"]);
        }
        if let Some(gdb) = &boot.gdb {
            qemu.arg("-gdb").arg(server(gdb)).arg("-S");
        }
        qemu.args(["-smp", &boot.smp.to_string()]);
        qemu.arg("-qmp").arg(server(socket));
        match &boot.iso {
            Some(iso) => qemu.arg("-cdrom").arg(iso).args(["-boot", "d"]),
            None => qemu.arg("-kernel").arg(elf).arg("-append").arg(boot.append()),
        };
        qemu.args(&boot.extra);
        qemu
    }
}

/// QEMU's name for a socket that it is to make, and not to wait at.
fn server(socket: &Path) -> OsString {
    let mut name = OsString::from("unix:");
    name.push(socket);
    name.push(",server=on,wait=off");
    name
}

/// A command as one would type it.
pub fn line(command: &Command) -> String {
    words([command.get_program()].into_iter().chain(command.get_args()))
}

/// Words as one would type them.
pub fn words<'a>(words: impl Iterator<Item = &'a OsStr>) -> String {
    let quoted = words.map(|word| {
        let word = word.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=,./:+@".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.into_owned()
        } else {
            format!("'{word}'")
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_command_can_be_pasted() {
        let mut command = Command::new("qemu");
        command.args(["-append", "tests=all rounds=3", "-smp", "4"]);
        assert_eq!(line(&command), "qemu -append 'tests=all rounds=3' -smp 4");
    }
}
