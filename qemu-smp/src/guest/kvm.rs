//! Whether this host's KVM can run a 32-bit guest at all: asked with the smallest one, before a kernel is
//! blamed. It needs nothing of the project's: a few instructions that switch paging on and say so.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use mmu386_wire::exit;

use super::qemu::{Accel, Qemu, line};
use crate::files::Room;
use crate::paths::Paths;
use crate::process::{Captured, Ended, capture, command, tail};

/// How long it may take; it takes less than a second.
const LIMIT: Duration = Duration::from_secs(30);
/// What it leaves QEMU with: none of the kernel's values.
const DONE: u8 = 0x31;
/// Where it is loaded, and where its page directory is.
const LOAD: u32 = 0x10_0000;
const DIRECTORY: u32 = 0x20_0000;
/// Bytes of a Multiboot header that says where to load to.
const HEADER: u32 = 32;
/// What it says as soon as it runs, and with paging on.
const RUNS: char = 'r';
const PAGING: char = 'p';

/// The guest: a Multiboot image.
fn image() -> Vec<u8> {
    let (magic, flags): (u32, u32) = (0x1BAD_B002, 1 << 16);
    let checksum = 0_u32.wrapping_sub(magic).wrapping_sub(flags);
    // Header, first byte, last byte and end of what is zeroed (by the file's length), entry.
    let header = [magic, flags, checksum, LOAD, LOAD, 0, 0, LOAD + HEADER];
    let mut image: Vec<u8> = header.into_iter().flat_map(u32::to_le_bytes).collect();
    let [runs, paging] = [RUNS, PAGING].map(|c| c as u8);
    image.extend([0x66, 0xBA, 0xF8, 0x03]); // mov dx, 0x3f8
    image.extend([0xB0, runs, 0xEE]); // mov al, 'r'; out dx, al
    image.extend([0xC7, 0x05]); // mov dword [DIRECTORY], a large page at 0: present, writable
    image.extend(DIRECTORY.to_le_bytes());
    image.extend(0x83_u32.to_le_bytes());
    image.push(0xB8); // mov eax, DIRECTORY
    image.extend(DIRECTORY.to_le_bytes());
    image.extend([0x0F, 0x22, 0xD8]); // mov cr3, eax
    image.extend([0x0F, 0x20, 0xE0, 0x83, 0xC8, 0x10, 0x0F, 0x22, 0xE0]); // cr4 |= PSE
    image.extend([0x0F, 0x20, 0xC0, 0x0D, 0, 0, 0, 0x80, 0x0F, 0x22, 0xC0]); // cr0 |= PG
    image.extend([0xEB, 0x00]); // jmp to the next instruction
    image.extend([0xB0, paging, 0xEE]); // mov al, 'p'; out dx, al
    image.extend([0x66, 0xBA, exit::PORT as u8, 0x00]); // mov dx, PORT
    image.extend([0xB0, DONE, 0xEE]); // mov al, DONE; out dx, al
    image.extend([0xF4, 0xEB, 0xFD]); // hlt, for ever
    image
}

/// Fails with what the host lacks, and what to do, if an accelerator cannot run a small guest.
pub fn probe(paths: &Paths, accel: Accel) -> Result<()> {
    let room = Room::new()?;
    let file = room.path().join("probe");
    fs::write(&file, image()).with_context(|| format!("cannot write {}", file.display()))?;
    let qemu = Qemu::find()?;
    let ask = |cpu: Option<&str>| {
        let command = guest(paths, &qemu, accel, cpu, &file);
        let typed = line(&command);
        capture(command, LIMIT, |_| ()).map(|said| (judge(&said), typed))
    };
    let (usual, other) = match accel.resolve() {
        Accel::Kvm => (Some("host"), Some("qemu32")),
        _ => (None, None),
    };
    let (found, typed) = ask(usual)?;
    let Err(why) = found else { return Ok(()) };
    let mut also = String::new();
    if let Some(cpu) = other {
        also = match ask(Some(cpu))?.0 {
            Ok(()) => format!("; with -cpu {cpu} it does"),
            Err(why) => format!("; nor with -cpu {cpu} ({why})"),
        };
    }
    bail!(
        "this host does not run a 32-bit guest under --accel {}, so nothing can be said of the kernel: \
         {why}{also}. Asked with a guest of a few instructions: {typed}. Use --accel tcg, or another host",
        accel.name()
    )
}

fn guest(paths: &Paths, qemu: &Qemu, accel: Accel, cpu: Option<&str>, file: &Path) -> Command {
    let mut command = command(paths, qemu.program());
    command.args(["-machine", "pc", "-m", "16", "-nic", "none", "-display", "none"]);
    command.args(["-monitor", "none", "-serial", "stdio", "-no-reboot"]);
    command.args(["-device", &format!("isa-debug-exit,iobase={:#x},iosize=1", exit::PORT)]);
    command.args(["-accel", accel.resolve().name()]);
    command.args(cpu.into_iter().flat_map(|cpu| ["-cpu", cpu]));
    command.arg("-kernel").arg(file);
    command
}

/// What came of it; an error says how far it came.
fn judge(said: &Captured) -> Result<(), String> {
    let far = match (said.stdout.contains(PAGING), said.stdout.contains(RUNS)) {
        (true, _) => "it had switched paging on",
        (false, true) => "it ran and did not come beyond switching paging on (CR0.PG)",
        (false, false) => "it never ran",
    };
    match said.ended {
        Ended::Exited(status) if left_well(status) && said.stdout.contains(PAGING) => Ok(()),
        _ => {
            let words = tail(&said.stderr, 3).replace('\n', "; ");
            let words = if words.is_empty() { words } else { format!(", and said: {words}") };
            Err(format!("{far}; QEMU ended: {}{words}", said.ending()))
        }
    }
}

fn left_well(status: ExitStatus) -> bool {
    status.code() == Some(exit::status(DONE))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn said(status: i32, stdout: &str) -> Result<(), String> {
        judge(&Captured {
            ended: Ended::Exited(ExitStatus::from_raw(status)),
            stdout: stdout.to_owned(),
            stderr: "first\nsecond".to_owned(),
            time: Duration::ZERO,
        })
    }

    #[test]
    fn only_a_guest_that_came_to_its_end_is_one() {
        assert_eq!(said(exit::status(DONE) << 8, "rp"), Ok(()));
        for (status, stdout, why) in [
            (0, "r", "CR0.PG"),
            (exit::status(DONE) << 8, "r", "CR0.PG"),
            (6, "", "it never ran; QEMU ended: signal: 6"),
            (1 << 8, "", "and said: first; second"),
            (exit::status(exit::PASS) << 8, "rp", "it had switched paging on"),
        ] {
            let told = said(status, stdout).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }
}
