//! QEMU's program and command line.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::fd::RawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use mmu386_wire::exit;

use super::Boot;
use crate::paths::Paths;
use crate::process::{capture, command};

/// Most CPUs that the kernel knows of: mmu386's MAXMACH, which is the kernel's, too.
pub const MAX_CPUS: u32 = mmu386::layout::MAXMACH as u32;
/// Largest shift of a clock that counts instructions, and the most CPUs that it is for: with a larger one a
/// test of the kernel's takes longer than the minute of its own time after which the kernel gives it up, as
/// CPUs share what is executed.
const CLOCKS: [(u32, u32); 2] = [(8, 6), (MAX_CPUS, 5)];

/// Refuses a clock by which the kernel's tests would not end, and a clock for KVM, which counts nothing.
pub fn check_clock(icount: Option<u32>, smp: u32, accel: Accel) -> Result<()> {
    let Some(shift) = icount else { return Ok(()) };
    if accel == Accel::Kvm {
        bail!("--icount counts what QEMU's translator executes: it takes --accel tcg");
    }
    let most = CLOCKS.iter().find(|(cpus, _)| smp <= *cpus).map_or(0, |(_, shift)| *shift);
    if shift > most {
        bail!(
            "--icount {shift} makes {smp} CPUs so slow that the kernel gives its tests up before they can \
             end: it takes 0 to {most} for so many; 0 to 6 for up to 8 CPUs, 0 to 5 for more"
        );
    }
    Ok(())
}

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
            // QEMU runs in the folder that the user is in, wherever this was looked up.
            let found = which::which(&program);
            return Ok(Self { program: found.unwrap_or_else(|_| program.into()) });
        }
        match which::which(PROGRAM) {
            Ok(program) => Ok(Self { program }),
            Err(_) => bail!("{PROGRAM} is not in PATH: `cargo smp setup` installs it"),
        }
    }

    /// Its file.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Its first line about itself.
    pub fn version(&self, paths: &Paths) -> Result<String> {
        let mut ask = command(paths, &self.program);
        ask.arg("--version");
        let said = capture(ask, Duration::from_secs(30), |_| ())?
            .checked("asking QEMU for its version")?;
        said.stdout.lines().next().map(str::to_owned).context("QEMU said nothing about its version")
    }

    /// The command that boots a kernel, with a control socket that it inherits, if it is to have one.
    pub fn command(
        &self,
        paths: &Paths,
        boot: &Boot,
        elf: &Path,
        control: Option<RawFd>,
    ) -> Command {
        let mut qemu = command(paths, &self.program);
        if let Ok(here) = env::current_dir() {
            // The user's own arguments name files of the user's folder.
            qemu.current_dir(here);
        }
        // HPET, framebuffer and ivshmem are the device memory that the kernel maps.
        qemu.args(["-machine", "pc,hpet=on", "-m", "512", "-vga", "std", "-nic", "none"]);
        match &boot.window {
            Some(file) => {
                let mut shared =
                    OsString::from("memory-backend-file,id=shm,size=16M,share=on,mem-path=");
                shared.push(value(file));
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
            let mut server = OsString::from("socket,id=gdb,server=on,wait=off,path=");
            server.push(value(gdb));
            qemu.arg("-chardev").arg(server).args(["-gdb", "chardev:gdb", "-S"]);
        }
        qemu.args(["-smp", &boot.smp.to_string()]);
        if let Some(fd) = control {
            // No path: that of a folder for temporary files may be too long for a socket.
            qemu.args(["-chardev", &format!("socket,id=qmp,fd={fd}"), "-qmp", "chardev:qmp"]);
        }
        match &boot.iso {
            Some(iso) => qemu.arg("-cdrom").arg(iso).args(["-boot", "d"]),
            None => qemu.arg("-kernel").arg(elf).arg("-append").arg(boot.append()),
        };
        qemu.args(&boot.extra);
        qemu
    }
}

/// A path as the value of one of QEMU's options, which a single comma would end.
fn value(path: &Path) -> OsString {
    let bytes = path.as_os_str().as_bytes().iter();
    let doubled = bytes.flat_map(|&byte| if byte == b',' { vec![byte; 2] } else { vec![byte] });
    OsString::from_vec(doubled.collect())
}

/// Longest path of a socket, on any system.
const SOCKET: usize = 103;

/// Accepts the path of a socket that somebody else is to find, if the system takes it.
pub fn socket(path: PathBuf) -> Result<PathBuf> {
    if path.as_os_str().len() > SOCKET {
        bail!(
            "the path of a socket may have {SOCKET} bytes, and {} has more: set TMPDIR to a folder with a \
             shorter path",
            path.display()
        );
    }
    Ok(path)
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
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn as_many_cpus_are_taken_as_the_kernel_has_room_for() {
        // The kernel is not built where it has not as many rings as CPUs.
        assert_eq!(MAX_CPUS as usize, mmu386_wire::events::RINGS);
        for command in ["boot", "soak"] {
            let mut all = Cli::command();
            let command = all.find_subcommand_mut(command).unwrap();
            let help = command.render_long_help().to_string();
            assert!(help.contains(&format!("1 to {MAX_CPUS} (mmu386's MAXMACH)")), "{help}");
        }
    }

    #[test]
    fn the_more_cpus_the_faster_the_clock_has_to_be() {
        let good = |smp, shift| check_clock(Some(shift), smp, Accel::Auto).is_ok();
        for (smp, most) in [(1, 6), (4, 6), (8, 6), (9, 5), (32, 5)] {
            assert!(good(smp, 0) && good(smp, most) && !good(smp, most + 1), "{smp}");
        }
        assert!(check_clock(Some(1), 1, Accel::Kvm).is_err());
        assert!(check_clock(None, 32, Accel::Kvm).is_ok());
    }

    #[test]
    fn a_comma_in_a_path_ends_no_option() {
        assert_eq!(value(Path::new("/a,b=c,")), "/a,,b=c,,");
    }

    #[test]
    fn a_printed_command_can_be_pasted() {
        let mut command = Command::new("qemu");
        command.args(["-append", "tests=all rounds=3", "-smp", "4"]);
        command.arg("it's");
        assert_eq!(line(&command), r"qemu -append 'tests=all rounds=3' -smp 4 'it'\''s'");
    }
}
