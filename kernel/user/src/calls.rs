//! System calls.

use core::arch::asm;

use kernel_abi::{ARGS, Call, Error, VECTOR_SYSCALL};

/// Any system call, sensible or not.
pub fn syscall(number: u32, args: [u32; ARGS]) -> u32 {
    let result;
    // SAFETY: the kernel keeps all registers but EAX, and changes memory only where it is told to;
    // that is the callers' business.
    unsafe {
        asm!(
            "push [{args} + 12]",
            "push [{args} + 8]",
            "push [{args} + 4]",
            "push [{args}]",
            "push eax",
            "int {vector}",
            "add esp, 20",
            args = in(reg) &raw const args,
            vector = const VECTOR_SYSCALL,
            inout("eax") number => result,
        );
    }
    result
}

fn call(call: Call, args: [u32; ARGS]) -> Result<u32, Error> {
    Error::result(syscall(call as u32, args))
}

/// Ends the process.
pub fn exits(status: u32) -> ! {
    syscall(Call::Exits as u32, [status, 0, 0, 0]);
    unreachable!("a process that ended runs")
}

/// The process's number.
pub fn getpid() -> u32 {
    syscall(Call::Getpid as u32, [0; ARGS])
}

/// Waits for some milliseconds; 0 gives the CPU away once.
pub fn sleep(milliseconds: u32) {
    syscall(Call::Sleep as u32, [milliseconds, 0, 0, 0]);
}

/// Writes to the console.
///
/// # Errors
/// `BadArgument` for a text that is too long.
pub fn write(text: &[u8]) -> Result<u32, Error> {
    call(Call::Write, [text.as_ptr() as u32, text.len() as u32, 0, 0])
}

/// Makes a child: 0 in the child, the child's number in the parent.
///
/// # Errors
/// `NoProcess` at the limit of processes; `NoMemory`.
pub fn fork() -> Result<u32, Error> {
    call(Call::Fork, [0; ARGS])
}

/// Waits for a child to end: its number and its status.
///
/// # Errors
/// `NoChild` if there is none.
pub fn await_child() -> Result<(u32, u32), Error> {
    let mut status = 0u32;
    let child = call(Call::Await, [&raw mut status as u32, 0, 0, 0])?;
    Ok((child, status))
}

/// Runs another program in this process; returns only if that fails.
pub fn exec(name: &str, words: &[u32]) -> Error {
    let args = [name.as_ptr() as u32, name.len() as u32, words.as_ptr() as u32, words.len() as u32];
    match call(Call::Exec, args) {
        Err(error) => error,
        Ok(_) => unreachable!("exec came back"),
    }
}

/// Moves the end of the heap.
///
/// # Errors
/// `BadArgument` below the heap's start; `Overlap`; `NoMemory`.
pub fn brk(end: u32) -> Result<u32, Error> {
    call(Call::Brk, [end, 0, 0, 0])
}

/// Attaches the shared segment with a number.
///
/// # Errors
/// `BadArgument`, `Overlap`, `NoMemory`.
pub fn segattach(name: u32, address: u32, length: u32) -> Result<u32, Error> {
    call(Call::Segattach, [name, address, length, 0])
}

/// Detaches the shared segment that starts at an address.
///
/// # Errors
/// `NoSegment` if none starts there.
pub fn segdetach(address: u32) -> Result<u32, Error> {
    call(Call::Segdetach, [address, 0, 0, 0])
}

/// Frees pages of a shared segment, for all that share it.
///
/// # Errors
/// `NoSegment`, `BadArgument`.
pub fn segfree(address: u32, length: u32) -> Result<u32, Error> {
    call(Call::Segfree, [address, length, 0, 0])
}

/// Changes a segment descriptor of the process's own.
///
/// # Errors
/// `BadArgument` for a place or a descriptor that is not for processes.
pub fn descriptor(selector: u32, (low, high): (u32, u32)) -> Result<u32, Error> {
    call(Call::Descriptor, [selector, low, high, 0])
}

/// Says that memory was not as it had to be.
pub fn report(address: u32, expected: u32, seen: u32) {
    syscall(Call::Report as u32, [address, expected, seen, 0]);
}
