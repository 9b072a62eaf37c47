//! What lies on the kernel stack of whoever was interrupted.

use core::mem::offset_of;

/// Bit 1 of the flags is always set.
const ALWAYS: u32 = 1 << 1;
/// Of the flags: interrupts are on.
pub const IF: u32 = 1 << 9;
const IOPL: u32 = 3 << 12;
const NT: u32 = 1 << 14;
const VM: u32 = 1 << 17;
/// Of a selector: the ring.
const RING: u32 = 3;

/// The end of a process that was found in virtual 8086 mode.
pub const VIRTUAL_8086: &str = "virtual 8086 mode";

/// What the entry code pushes, lowest address first.
#[repr(C)]
#[derive(Clone, Debug, Default)]
pub struct Ureg {
    /// GS, FS, ES, DS.
    pub segments: [u32; 4],
    /// General registers.
    pub edi: u32,
    /// See `edi`.
    pub esi: u32,
    /// See `edi`.
    pub ebp: u32,
    handler_esp: u32,
    /// See `edi`.
    pub ebx: u32,
    /// See `edi`.
    pub edx: u32,
    /// See `edi`.
    pub ecx: u32,
    /// Number of a system call, and its result.
    pub eax: u32,
    /// Vector.
    pub trap: u32,
    /// Error code.
    pub ecode: u32,
    /// Where it goes on.
    pub eip: u32,
    /// Code segment; outside of virtual 8086 mode its low bits tell the ring.
    pub cs: u32,
    /// Flags.
    pub eflags: u32,
}

/// What is on the stack when a process in ring 3 was interrupted: the processor switched stacks, and
/// says from where.
#[repr(C)]
#[derive(Clone, Debug, Default)]
pub struct UserUreg {
    /// As in any trap.
    pub ureg: Ureg,
    /// The process's stack pointer.
    pub esp: u32,
    /// The process's stack segment.
    pub ss: u32,
}

/// What lies on the stack, whole, by where it came from.
pub enum Interrupted<'a> {
    /// The kernel.
    Kernel(&'a mut Ureg),
    /// A process in ring 3.
    Ring3(&'a mut UserUreg),
}

// The entry code and the processor make these; `trap` only reads them as such.
const _: () = {
    assert!(offset_of!(UserUreg, ureg) == 0 && align_of::<UserUreg>() == align_of::<Ureg>());
    assert!(offset_of!(Ureg, eip) == 14 * 4 && size_of::<Ureg>() == 17 * 4);
    assert!(offset_of!(UserUreg, esp) == size_of::<Ureg>());
    assert!(size_of::<UserUreg>() == size_of::<Ureg>() + 2 * 4);
};

impl Interrupted<'_> {
    /// Tells which it is.
    ///
    /// # Safety
    /// The entry code passed `frame`, and nobody else has a reference into it.
    pub unsafe fn at<'a>(frame: *mut Ureg) -> Interrupted<'a> {
        // SAFETY: whatever was interrupted, there is at least a `Ureg`.
        let (cs, eflags) = unsafe { ((*frame).cs, (*frame).eflags) };
        // In virtual 8086 mode the code segment is any number, and the ring is 3.
        if cs & RING == RING || eflags & VM != 0 {
            // SAFETY: the processor pushed two more words before what `Ureg` is made of. From virtual 8086
            // mode it pushed ES, DS, FS and GS before those, which nobody looks at: there is no way back.
            Interrupted::Ring3(unsafe { &mut *frame.cast::<UserUreg>() })
        } else {
            // SAFETY: as above.
            Interrupted::Kernel(unsafe { &mut *frame })
        }
    }
}

impl UserUreg {
    /// What the flags say that no process can come to on a processor that keeps to its manual, if anything.
    ///
    /// QEMU's translator lets ring 3 enter virtual 8086 mode by IRET, and takes the I/O privilege level from
    /// the same place. Whoever is found there is ended at once: nothing else ever looks at such a frame. With
    /// that privilege level CLI works: a process that turns interrupts off and spins is found by the NMI of
    /// another CPU (`watch`). Where there is one CPU it is never found, as the translator asks nobody on the
    /// way in.
    pub fn unlawful(&self) -> Option<&'static str> {
        let eflags = self.ureg.eflags;
        if eflags & VM != 0 {
            Some(VIRTUAL_8086)
        } else if eflags & IOPL != 0 {
            Some("I/O privilege")
        } else if eflags & IF == 0 {
            Some("interrupts off")
        } else {
            None
        }
    }

    /// The frame of a process that starts from this one: the same registers, but none of the flags that
    /// trace or nest, which were the other's affair.
    pub fn fresh(&self) -> UserUreg {
        const ARITHMETIC: u32 = 0xCD5;
        let mut frame = self.clone();
        frame.ureg.eflags = frame.ureg.eflags & ARITHMETIC | IF | ALWAYS;
        frame
    }

    /// Whether a process may start like this: in ring 3, with nothing that no process can come to.
    pub fn starts(&self) -> bool {
        let Ureg { cs, eflags, .. } = self.ureg;
        self.unlawful().is_none() && eflags & NT == 0 && cs & self.ss & RING == RING
    }
}
