//! Between the kernel and a process's memory: checked before, and a fault on the way is an error.

use core::arch::global_asm;

use kernel_abi::{ARGS, Error, USTKTOP, UTZERO};

global_asm!(
    r#"
    .text
    .global user_copy
    .global user_copy_access
    .global user_copy_fault
user_copy:
    push esi
    push edi
    mov edi, [esp + 12]
    mov esi, [esp + 16]
    mov ecx, [esp + 20]
user_copy_access:
    rep movsb
    mov eax, 1
2:
    pop edi
    pop esi
    ret
user_copy_fault:
    xor eax, eax
    jmp 2b
"#
);

unsafe extern "C" {
    fn user_copy(to: usize, from: usize, length: usize) -> u32;
    static user_copy_access: u8;
    static user_copy_fault: u8;
}

/// Whether `eip` is where the kernel reaches for a process's memory.
pub fn copying(eip: u32) -> bool {
    eip == &raw const user_copy_access as u32
}

/// Where to go on when a fault there cannot be mended.
pub fn landing(eip: u32) -> Option<u32> {
    copying(eip).then_some(&raw const user_copy_fault as u32)
}

/// Whether all of it is user memory, mapped or not.
fn check(va: usize, length: usize) -> Result<(), Error> {
    let end = va.checked_add(length).ok_or(Error::BadAddress)?;
    let inside = va >= UTZERO as usize && end <= USTKTOP as usize;
    if inside { Ok(()) } else { Err(Error::BadAddress) }
}

/// Copies from the process that calls.
///
/// # Errors
/// `BadAddress` if some of it is not the process's to read.
pub fn from_user(to: &mut [u8], va: usize) -> Result<(), Error> {
    check(va, to.len())?;
    // SAFETY: `to` is the kernel's and long enough; faults at user addresses are mended, or land.
    let done = unsafe { user_copy(to.as_mut_ptr() as usize, va, to.len()) };
    if done == 0 { Err(Error::BadAddress) } else { Ok(()) }
}

/// Copies to the process that calls.
///
/// # Errors
/// `BadAddress` if some of it is not the process's to write; the part before that is written.
pub fn to_user(va: usize, from: &[u8]) -> Result<(), Error> {
    check(va, from.len())?;
    // SAFETY: only user memory is written, which the kernel keeps no reference to; faults there are
    // mended, or land. CR0.WP keeps the kernel, too, from what the process may only read.
    let done = unsafe { user_copy(va, from.as_ptr() as usize, from.len()) };
    if done == 0 { Err(Error::BadAddress) } else { Ok(()) }
}

/// Words from the process that calls.
///
/// # Errors
/// As `from_user`.
pub fn words<const N: usize>(va: usize, count: usize) -> Result<heapless::Vec<u32, N>, Error> {
    let mut list = heapless::Vec::new();
    for n in 0..count {
        let mut word = [0; 4];
        from_user(&mut word, va.checked_add(4 * n).ok_or(Error::BadAddress)?)?;
        list.push(u32::from_le_bytes(word)).map_err(|_| Error::BadArgument)?;
    }
    Ok(list)
}

/// The arguments of a system call of the process that calls, whose stack pointer is `esp`.
///
/// # Errors
/// As `from_user`.
pub fn arguments(esp: usize) -> Result<[u32; ARGS], Error> {
    let mut bytes = [0; 4 * ARGS];
    from_user(&mut bytes, esp.checked_add(4).ok_or(Error::BadAddress)?)?;
    let word = |n: usize| bytes[4 * n..4 * n + 4].try_into().map(u32::from_le_bytes);
    Ok(core::array::from_fn(|n| word(n).unwrap_or_default()))
}
