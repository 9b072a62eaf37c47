//! What hostile programs try, one thing each. The program that tries and the test that judges share
//! these names, and nothing else.

macro_rules! attacks {
    ($($name:ident: $what:literal,)*) => {
        /// Something that a hostile program tries.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Attack {
            $(#[doc = $what] $name,)*
        }

        impl Attack {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Attack] = &[$(Attack::$name,)*];
        }
    };
}

attacks! {
    ReadNull: "Reads at 0.",
    ReadKernel: "Reads the kernel's text.",
    WriteKernel: "Writes the kernel's text.",
    ReadVmap: "Reads in VMAP.",
    WriteVmap: "Writes in VMAP.",
    ReadKmap: "Reads in KMAP.",
    WriteKmap: "Writes in KMAP.",
    ReadVpt: "Reads a page table through the VPT.",
    WriteVpt: "Writes a page table through the VPT.",
    WriteVpd: "Writes the page directory through the VPT.",
    WriteMach: "Writes the CPU's own page.",
    WritePlatform: "Writes a register of the LAPIC.",
    ReadTop: "Reads the last word of all.",
    ReadStraddling: "Reads a word that ends above its stack.",
    WriteText: "Writes its own text.",
    JumpNull: "Jumps to 0.",
    JumpKernel: "Jumps into the kernel.",
    JumpVpt: "Jumps into the VPT.",
    DeepStack: "Calls itself for ever.",
    KernelStack: "Pushes onto a stack in the kernel.",
    Hlt: "Halts.",
    Cli: "Turns interrupts off.",
    Sti: "Turns interrupts on.",
    PopfCli: "Asks for I/O privilege by POPF, and turns interrupts off.",
    In: "Reads a port.",
    Out: "Writes the port that ends the machine.",
    ReadCr0: "Reads CR0.",
    LoadCr3: "Loads CR3.",
    LoadDr7: "Loads DR7.",
    Lgdt: "Loads the GDT's register.",
    Lidt: "Loads the IDT's register.",
    Lldt: "Loads the LDT's register.",
    Ltr: "Loads the task register.",
    Wrmsr: "Writes a model-specific register.",
    Invlpg: "Drops a translation.",
    Invd: "Drops the caches.",
    KernelData: "Loads the kernel's data segment.",
    KernelStackSegment: "Loads the kernel's stack segment.",
    KernelCode: "Calls into the kernel's code segment.",
    TaskSegment: "Loads the task state segment as data.",
    CallTask: "Calls the double fault's task.",
    LocalSegment: "Loads a segment of a local table that is not there.",
    ProcessSegment: "Loads a segment of its own that is not there.",
    FarSegment: "Loads a segment beyond the table.",
    NullStackSegment: "Loads no stack segment.",
    KernelReturn: "Returns into the kernel's code segment.",
    NestedTask: "Returns from a task that nobody called.",
    IntTimer: "Raises the timer's interrupt.",
    IntPageFault: "Raises a page fault by INT.",
    IntDoubleFault: "Raises a double fault by INT.",
    IntBreakpoint: "Raises a breakpoint.",
    IntOther: "Raises an interrupt that nobody handles.",
    Divide: "Divides by 0.",
    TrapFlag: "Single-steps itself.",
    Undefined: "Runs an undefined instruction.",
    Fpu: "Uses the floating point unit.",
    FpuWait: "Waits for the floating point unit.",
    Sse: "Uses SSE.",
    BadCalls: "Calls the system by numbers that mean nothing.",
    BadPointers: "Passes pointers that are not its own.",
    BadStack: "Calls the system without a stack.",
    BadDescriptors: "Asks for descriptors that it may not have, and for others' places.",
    CallGate: "Asks for a call gate into the kernel, and calls it.",
    KernelThroughSegment: "Reads the kernel by a segment that begins there.",
    BeyondLocalTable: "Loads a segment beyond its local table.",
    DescriptorPulled: "Takes a descriptor away while a register names it, and loads it again.",
    RunningOnIt: "Takes away the descriptors of the code and of the stack that it runs on.",
    Fault8086: "Enters virtual 8086 mode by IRET, with a code segment that looks like ring 0, and faults.",
    Fault8086Ring3: "As before, with a code segment that looks like ring 3.",
    Fork8086: "Enters virtual 8086 mode by IRET, with a code segment that looks like ring 0, and forks.",
    Fork8086Ring3: "As before, with a code segment that looks like ring 3.",
    Spin8086: "Enters virtual 8086 mode by IRET, and spins.",
    Cli8086: "Enters virtual 8086 mode with I/O privilege, turns interrupts off, and calls the system.",
    Deaf8086: "Enters virtual 8086 mode with I/O privilege, turns interrupts off, and spins.",
    Privilege8086: "Enters virtual 8086 mode with I/O privilege, and uses a port.",
    ForkNested: "Forks with the flag of a nested task set, which the child must not have.",
    ForkBomb: "Forks, and so do its children, until there is no room.",
    Spin: "Spins for ever.",
}

impl Attack {
    /// The attack with a number.
    pub fn numbered(number: u32) -> Option<Attack> {
        Attack::ALL.get(number as usize).copied()
    }
}
