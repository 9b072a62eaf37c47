//! `cargo smp boot`.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::Result;

use crate::cli::BootArgs;
use crate::files::Room;
use crate::guest::{self, Accel, Symbols};
use crate::iso;
use crate::kernel;
use crate::paths::Paths;
use crate::progress::Progress;
use crate::setup::{self, Need, Options};
use crate::toolchain::{Choice, Toolchain};

pub(super) fn run(paths: &Paths, toolchain: Choice, args: &BootArgs) -> Result<bool> {
    let mut boot = args.boot()?;
    let options = Options { no_install: args.install.no_install, toolchain };
    let mut needs = if args.no_build { vec![Need::Qemu] } else { Need::GUEST.to_vec() };
    needs.extend(args.iso.then_some(Need::Grub));
    setup::ensure(paths, &needs, options)?;

    if boot.accel == Accel::Kvm {
        guest::probe(paths, boot.accel)?;
    }
    let progress = Progress::new(2);
    let elf = if args.no_build {
        kernel::existing(paths, &boot.variant)?
    } else {
        let toolchain = Toolchain::find(paths, toolchain)?;
        progress.doing(&format!(
            "building the kernel ({}, {} toolchain)",
            boot.variant,
            toolchain.name()
        ));
        kernel::build(paths, &toolchain, &boot.variant, |line| progress.remark(line))?
    };
    // The folder goes away with this value, after the boot.
    let room = Room::new()?;
    if args.iso {
        progress.doing("making the CD image");
        // An image of this boot's own: another boot's would carry other options.
        let image = room.path().join("boot.iso");
        boot.iso = Some(iso::make(paths, &elf, &boot.append(), &image)?);
    }
    if args.gdb {
        let socket = guest::socket(room.path().join("gdb"))?;
        progress.say(&format!("the guest waits for a debugger: {}", gdb(&elf, &socket)));
        boot.gdb = Some(socket);
    }
    progress.step();
    let chosen = if boot.accel == Accel::Auto { " (auto)" } else { "" };
    let accel = boot.accel.resolve().name();
    progress
        .doing(&format!("booting {} on {} CPUs, accel {accel}{chosen}", boot.variant, boot.smp));
    let report = guest::boot(paths, &boot, &elf, |line| {
        if args.console {
            progress.say(line);
        } else {
            progress.remark(line);
        }
    })?;
    drop(progress);

    let symbols = Symbols::read(&elf);
    if args.json {
        say::out!("{:#}", report.json(&symbols));
    } else {
        say::text!("{}", report.text(&symbols));
    }
    Ok(report.outcome.passed())
}

/// The command that attaches a debugger.
fn gdb(elf: &Path, socket: &Path) -> String {
    let target = format!("target remote {}", socket.display());
    let command = ["gdb", "-ex", "set architecture i386", "-ex", &target].map(OsStr::new);
    guest::words(command.into_iter().chain([elf.as_os_str()]))
}
