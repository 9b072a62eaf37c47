//! `cargo smp boot --gdb`: QEMU's stub answers where the printed command says, and the run goes on
//! to a pass afterwards. Spoken to in the remote protocol, so that no debugger is needed.

mod real;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use qemu_smp::guest::Symbols;
use real::{file, report, smp, turn};

/// How long anything may take; far more than it does.
const PATIENCE: Duration = Duration::from_secs(60);
/// Place of EIP among the registers of a 386 in the answer to `g`.
const EIP: usize = 8;

struct Gdb(UnixStream);

impl Gdb {
    fn connect(socket: &str) -> Self {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(stream) = UnixStream::connect(socket) {
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                return Self(stream);
            }
            assert!(Instant::now() < deadline, "there is no {socket}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn ask(&mut self, question: &str) -> String {
        let sum = question.bytes().fold(0, u8::wrapping_add);
        write!(self.0, "${question}#{sum:02x}").unwrap();
        let mut answer = Vec::new();
        loop {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            match byte[0] {
                b'+' => {}
                b'$' => answer.clear(),
                b'#' => break,
                byte => answer.push(byte),
            }
        }
        let mut sum = [0; 2];
        self.0.read_exact(&mut sum).unwrap();
        let expected = answer.iter().copied().fold(0, u8::wrapping_add);
        assert_eq!(String::from_utf8_lossy(&sum), format!("{expected:02x}"));
        self.0.write_all(b"+").unwrap();
        String::from_utf8(answer).unwrap()
    }

    fn eip(&mut self) -> u32 {
        let registers = self.ask("g");
        let digits = &registers[EIP * 8..EIP * 8 + 8];
        u32::from_str_radix(digits, 16).unwrap().swap_bytes()
    }
}

#[test]
fn the_stub_answers_and_the_kernel_stops_where_it_is_asked_to() {
    let _turn = turn();
    let args = ["boot", "--no-build", "--no-install", "--gdb", "--smp", "2", "--tests", "boot"];
    let mut smp = smp(&[&args[..], &["--json", "--deadline", "120"]].concat());
    let mut child = smp.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("target remote") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "no command was printed");
    }
    let elf = file("target/kernel/fixed.elf").canonicalize().unwrap();
    assert!(line.trim_end().ends_with("target/kernel/fixed.elf"), "{line}");
    let socket = line.split("target remote ").nth(1).unwrap().split('\'').next().unwrap();

    let mut gdb = Gdb::connect(socket);
    assert!(gdb.ask("?").starts_with("T05"));
    assert_eq!(gdb.eip(), 0xFFF0, "the guest has not begun");
    let boot_main = Symbols::read(&elf).address("boot_main").unwrap();
    assert_eq!(gdb.ask(&format!("Z1,{boot_main:x},1")), "OK");
    assert!(gdb.ask("c").starts_with("T05"));
    assert_eq!(gdb.eip(), boot_main);
    assert_eq!(gdb.ask(&format!("z1,{boot_main:x},1")), "OK");
    assert_eq!(gdb.ask("D"), "OK");
    let (status, told) = report(&child.wait_with_output().unwrap());
    assert_eq!(status, Some(0), "{told:#}");
    drop(gdb);
}
