//! System calls.

use kernel_abi::{BY2PG, Call, Error, MOST_NAME, MOST_TEXT, MOST_WORDS};

use super::group::{Cause, Report};
use super::{copy, descriptors, exec, life, own, page};
use crate::mach::{machno, up};
use crate::spl::{splhi, spllo};
use crate::trap::UserUreg;
use crate::{clock, heap, mmu, sched};

/// Most pages of a shared segment.
const MOST_SHARED: usize = 64;
/// Longest sleep, in milliseconds.
const MOST_SLEEP: u32 = 10_000;

/// `int 0x40` in ring 3. Interrupts are off.
pub fn syscall(frame: &mut UserUreg) {
    spllo();
    super::count(&super::CALLS);
    let result = Call::numbered(frame.ureg.eax).ok_or(Error::BadCall).and_then(|call| {
        let args = copy::arguments(frame.esp as usize)?;
        perform(call, args, frame)
    });
    match result {
        Ok(Some(word)) => frame.ureg.eax = word,
        // The frame is another program's.
        Ok(None) => {}
        Err(error) => frame.ureg.eax = error as u32,
    }
    splhi();
}

fn perform(
    call: Call,
    args: [u32; kernel_abi::ARGS],
    frame: &mut UserUreg,
) -> Result<Option<u32>, Error> {
    let [a, b, c, d] = args.map(|arg| arg as usize);
    // These make the kernel keep something, as a growing `brk` and `exec` do.
    if matches!(call, Call::Fork | Call::Segattach | Call::Descriptor) && !heap::has_room() {
        return Err(Error::NoMemory);
    }
    match call {
        Call::Exits => life::die(Cause::Exits(args[0])),
        Call::Getpid => return Ok(Some(life::pid())),
        Call::Sleep => sleep(args[0])?,
        Call::Write => return write(a, b).map(Some),
        Call::Fork => return life::fork(frame).map(Some),
        Call::Await => return wait(a).map(Some),
        Call::Exec => {
            start(a, b, c, d, frame)?;
            return Ok(None);
        }
        Call::Brk => own().space.borrow_mut().brk(a)?,
        Call::Segattach => attach(args[0], b, c)?,
        Call::Segdetach => detach(a)?,
        Call::Segfree => free(a, b)?,
        Call::Descriptor => descriptors::set(args[0], args[1], args[2], frame)?,
        Call::Report => {
            let [va, expected, seen, _] = args;
            own().group.report(Report { cpu: machno(), va, expected, seen });
        }
    }
    Ok(Some(0))
}

fn sleep(milliseconds: u32) -> Result<(), Error> {
    if milliseconds > MOST_SLEEP {
        return Err(Error::BadArgument);
    }
    let start = clock::tsc();
    sched::sched();
    while clock::since(start) < u64::from(milliseconds) * 1000 && life::doom().is_none() {
        sched::relax();
    }
    Ok(())
}

/// A line on the console. It cannot be taken for one of the kernel's own.
fn write(va: usize, length: usize) -> Result<u32, Error> {
    let mut bytes = [0; MOST_TEXT];
    let bytes = bytes.get_mut(..length).ok_or(Error::BadArgument)?;
    copy::from_user(bytes, va)?;
    let mut text = heapless::String::<MOST_TEXT>::new();
    for byte in bytes {
        let shown = if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '?' };
        text.push(shown).map_err(|_| Error::BadArgument)?;
    }
    crate::println!("{}: {text}", life::pid());
    Ok(length as u32)
}

fn wait(va: usize) -> Result<u32, Error> {
    // A child is not lost to a bad pointer.
    copy::to_user(va, &[0; 4])?;
    let (child, status) = life::await_child()?;
    copy::to_user(va, &status.to_le_bytes())?;
    Ok(child)
}

fn start(
    name: usize,
    length: usize,
    words: usize,
    count: usize,
    frame: &mut UserUreg,
) -> Result<(), Error> {
    let mut bytes = [0; MOST_NAME];
    let bytes = bytes.get_mut(..length).ok_or(Error::BadArgument)?;
    copy::from_user(bytes, name)?;
    if count > MOST_WORDS {
        return Err(Error::BadArgument);
    }
    let words = copy::words::<MOST_WORDS>(words, count)?;
    let name = core::str::from_utf8(bytes).map_err(|_| Error::NoProgram)?;
    let start = exec::load(name, &words)?;
    life::replace(exec::find(name)?, start, frame);
    super::count(&super::EXECS);
    Ok(())
}

fn attach(name: u32, va: usize, length: usize) -> Result<(), Error> {
    if length == 0 || length > MOST_SHARED * BY2PG as usize {
        return Err(Error::BadArgument);
    }
    let me = own();
    let seg = me.group.shared(name, length.div_ceil(BY2PG as usize))?;
    me.space.borrow_mut().attach(va, seg)?;
    publish();
    Ok(())
}

fn publish() {
    up().expect("a process runs").ring3.publish(&own().space.borrow());
}

fn detach(va: usize) -> Result<(), Error> {
    let gone = own().space.borrow_mut().detach(va)?;
    publish();
    drop(gone);
    Ok(())
}

/// Out of the segment first, then out of every process that has it, then free.
fn free(va: usize, length: usize) -> Result<(), Error> {
    let (seg, first, count) = own().space.borrow().shared_range(va, length)?;
    let taken = seg.take(first, count);
    mmu::procflushmmu(|p| p.ring3.shares(seg.id));
    taken.into_iter().for_each(|(_, gone)| page::put(gone));
    Ok(())
}
