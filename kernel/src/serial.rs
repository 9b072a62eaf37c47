//! The console on COM1.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};

use uart_16550::backend::PioBackend;
use uart_16550::{BaudRate, Config, Uart16550};

use crate::layout::KZERO;
use crate::lock::Ilock;

const COM1: u16 = 0x3F8;

/// A writer to the port.
pub struct Console(Uart16550<PioBackend>);

static CONSOLE: Ilock<Option<Console>> = Ilock::new(None);
/// Set once: from then on only the panicking CPU writes, and it asks nobody.
static BROKEN: AtomicBool = AtomicBool::new(false);

impl Console {
    fn open() -> Option<Console> {
        // SAFETY: COM1 is this kernel's; `CONSOLE` or, after a panic, `BROKEN` keeps writers apart.
        let uart = unsafe { Uart16550::new_port(COM1) };
        uart.ok().map(Console)
    }

    /// Writes bytes; the port's FIFO sets the pace.
    pub fn put(&mut self, bytes: &[u8]) {
        self.0.send_bytes_exact(bytes);
    }
}

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}

/// Sets the port up: 115200 baud, 8 bits, no parity, 1 stop bit, FIFOs on. Nothing is printed before.
pub fn init() {
    if !is_there() {
        say_on_the_screen(
            b"mmu386: there is no serial port at 0x3F8, where all of the report goes",
        );
        return;
    }
    let mut console = Console::open();
    if let Some(console) = &mut console {
        // A port that fails its self-test still may carry text; there is nobody to tell.
        let _ = console.0.init(Config { baud_rate: BaudRate::Baud115200, ..Config::DEFAULT });
    }
    *CONSOLE.lock() = console;
}

/// Whether a port is there: it keeps what is written to its scratch register.
fn is_there() -> bool {
    const SCRATCH: u16 = COM1 + 7;
    [0x5A, 0xA5].into_iter().all(|byte| {
        // SAFETY: the port's own register, which means nothing to it.
        unsafe {
            x86::io::outb(SCRATCH, byte);
            x86::io::inb(SCRATCH) == byte
        }
    })
}

/// A line at the top of the screen, as a BIOS leaves it: text.
fn say_on_the_screen(text: &[u8]) {
    const SCREEN: usize = KZERO + 0xB_8000;
    const WHITE_ON_RED: u16 = 0x4F00;
    /// Before them is where the first page of video memory gets its tag.
    const MARGIN: usize = 4;
    for (n, byte) in text.iter().enumerate() {
        let cell = (SCREEN + 2 * (MARGIN + n)) as *mut u16;
        // SAFETY: the window shows the screen's memory, or nothing that anybody misses.
        unsafe { cell.write_volatile(WHITE_ON_RED | u16::from(*byte)) };
    }
}

/// Runs `write` with the console to itself, so that lines do not mix.
pub fn with(write: impl FnOnce(&mut Console)) {
    if BROKEN.load(Ordering::Acquire) {
        if let Some(mut console) = Some(()).filter(|()| is_there()).and_then(|()| Console::open()) {
            write(&mut console);
        }
        return;
    }
    if let Some(console) = CONSOLE.lock().as_mut() {
        write(console);
    }
}

/// Takes the console from whoever holds it. The other CPUs have been told to stop.
pub fn break_lock() {
    BROKEN.store(true, Ordering::Release);
}

/// Console text, a line at a time.
#[macro_export]
macro_rules! println {
    ($($arg:tt)*) => {
        $crate::serial::with(|console| {
            use core::fmt::Write as _;
            let _ = writeln!(console, $($arg)*);
        })
    };
}
