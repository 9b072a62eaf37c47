//! What a program in ring 3 and the kernel agree on: system calls, errors, addresses.
//!
//! As on Plan 9, a system call is `int 0x40` with its number in EAX. Its arguments lie on the stack,
//! the first at ESP + 4; its result is in EAX. A result from [`Error::FIRST`] on is an error.
#![no_std]
#![forbid(unsafe_code)]

mod attack;
pub mod fuzz;

pub use attack::Attack;

/// Vector of the system call.
pub const VECTOR_SYSCALL: u8 = 0x40;
/// Most arguments of a system call.
pub const ARGS: usize = 4;

/// First address of a program's text.
pub const UTZERO: u32 = 0x1000;
/// End of a program's stack.
pub const USTKTOP: u32 = 0xDFFF_F000;
/// Most bytes of a program's stack.
pub const USTKSIZE: u32 = 64 << 10;
/// Bytes of a page.
pub const BY2PG: u32 = 4096;
/// Most words that a program is started with.
pub const MOST_WORDS: usize = 8;
/// Most bytes that one call writes to the console.
pub const MOST_TEXT: usize = 96;
/// Most bytes of a program's name.
pub const MOST_NAME: usize = 16;

/// System calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Call {
    /// `exits(status)`.
    Exits,
    /// `getpid()`.
    Getpid,
    /// `sleep(ms)`: 0 gives the CPU away once.
    Sleep,
    /// `write(text, length)`: to the console.
    Write,
    /// `fork()`: 0 in the child, the child's number in the parent.
    Fork,
    /// `await(status)`: waits for a child; its number, and its status where `status` points.
    Await,
    /// `exec(name, length, words, count)`: the program of that name, started with those words.
    Exec,
    /// `brk(end)`: the heap ends there, which is rounded up to a page.
    Brk,
    /// `segattach(name, address, length)`: the shared segment of that number, which is made if nobody
    /// has it.
    Segattach,
    /// `segdetach(address)`: the shared segment that starts there goes.
    Segdetach,
    /// `segfree(address, length)`: those pages of a shared segment go, for all that share it, and come
    /// back cleared.
    Segfree,
    /// `descriptor(selector, low, high)`: the segment descriptor of the process's own that the selector
    /// leads to, in the GDT or in its local table; both words 0 take it away.
    Descriptor,
    /// `report(address, expected, seen)`: memory was not as it had to be.
    Report,
}

impl Call {
    /// All calls, in the order of their numbers.
    pub const ALL: [Call; 13] = [
        Call::Exits,
        Call::Getpid,
        Call::Sleep,
        Call::Write,
        Call::Fork,
        Call::Await,
        Call::Exec,
        Call::Brk,
        Call::Segattach,
        Call::Segdetach,
        Call::Segfree,
        Call::Descriptor,
        Call::Report,
    ];

    /// The call with a number.
    pub fn numbered(number: u32) -> Option<Call> {
        Call::ALL.get(number as usize).copied()
    }
}

/// Why a system call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Error {
    /// There is no such call.
    BadCall = Error::FIRST,
    /// A pointer leads to memory that is not the process's, or not to be written.
    BadAddress,
    /// A number is out of bounds.
    BadArgument,
    /// There are as many processes as there may be.
    NoProcess,
    /// There is no child.
    NoChild,
    /// There is no program of that name.
    NoProgram,
    /// The program is not one for this kernel.
    BadProgram,
    /// The addresses are in use.
    Overlap,
    /// No segment is there, or not one of that kind.
    NoSegment,
    /// There is no memory for it.
    NoMemory,
}

impl Error {
    /// Number of the first error.
    pub const FIRST: u32 = 0xFFFF_FF00;

    /// All errors, in the order of their numbers.
    pub const ALL: [Error; 10] = [
        Error::BadCall,
        Error::BadAddress,
        Error::BadArgument,
        Error::NoProcess,
        Error::NoChild,
        Error::NoProgram,
        Error::BadProgram,
        Error::Overlap,
        Error::NoSegment,
        Error::NoMemory,
    ];

    /// What a result of a system call means.
    pub fn result(word: u32) -> Result<u32, Error> {
        let Some(number) = word.checked_sub(Error::FIRST) else { return Ok(word) };
        Err(Error::ALL.get(number as usize).copied().unwrap_or(Error::BadCall))
    }
}
