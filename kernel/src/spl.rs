//! Interrupt levels: high is IF clear, low is IF set.

use core::arch::asm;

const IF: u32 = 1 << 9;

/// A level to go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spl(bool);

impl Spl {
    /// Interrupts on.
    pub const LOW: Spl = Spl(true);
    /// Interrupts off.
    pub const HIGH: Spl = Spl(false);

    /// Whether interrupts are on at this level.
    pub fn is_low(self) -> bool {
        self.0
    }
}

/// Whether interrupts are on.
pub fn islo() -> bool {
    let flags: u32;
    // SAFETY: reads the flags through the stack and changes nothing.
    unsafe { asm!("pushfd", "pop {0}", out(reg) flags, options(preserves_flags)) };
    flags & IF != 0
}

/// Turns interrupts off; the level before.
pub fn splhi() -> Spl {
    let before = Spl(islo());
    // SAFETY: the kernel runs in ring 0, and every handler tolerates being late.
    unsafe { asm!("cli") };
    before
}

/// Turns interrupts on; the level before.
pub fn spllo() -> Spl {
    let before = Spl(islo());
    // SAFETY: callers hold no ilock; the IDT is loaded before any CPU first comes here.
    unsafe { asm!("sti") };
    before
}

/// Goes back to a level.
pub fn splx(level: Spl) {
    if level.0 {
        spllo();
    } else {
        splhi();
    }
}

/// Waits for an interrupt, with interrupts on before and after. One that came just before is missed, and
/// the next tick ends the wait.
pub fn rest() {
    let level = splhi();
    idle();
    splx(level);
}

/// Waits for an interrupt with interrupts on, and comes back with interrupts off. Called with
/// interrupts off; `sti` takes effect after `hlt` started, so no wake-up falls between.
pub fn idle() {
    // SAFETY: ring 0, and the caller is prepared for any handler, since it asked for interrupts.
    unsafe { asm!("sti", "hlt", "cli") };
}

/// Stops for ever, interrupts off.
pub fn stop() -> ! {
    loop {
        // SAFETY: a CPU that has nothing more to do may halt.
        unsafe { asm!("cli", "hlt") };
    }
}

/// Paces a wait loop: `pause` in every turn. Where vCPUs outnumber cores it is what makes an
/// emulator leave the waiter's code, and others get their share.
#[derive(Default)]
pub struct Spin(u32);

impl Spin {
    /// Turns of a round.
    const ROUND: u32 = 1 << 12;

    /// One turn; whether a round is full, which is the time for what costs more.
    pub fn turn(&mut self) -> bool {
        core::hint::spin_loop();
        self.0 = self.0.wrapping_add(1);
        self.0.is_multiple_of(Self::ROUND)
    }
}
