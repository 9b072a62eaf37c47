//! The functions of mmu.c, by name: what can be counted as run.

macro_rules! functions {
    ($($(#[$doc:meta])* $item:ident = $name:literal,)*) => {
        /// A function of mmu.c, or one beside it that is ported here, too.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Function {
            $($(#[$doc])* $item,)*
        }

        impl Function {
            /// All of them, in the order of mmu.c; those from elsewhere last.
            pub const ALL: &'static [Self] = &[$(Self::$item,)*];

            /// Its name in C.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$item => $name,)*
                }
            }
        }
    };
}

functions! {
    /// Readies a CPU's segments and its page directory.
    Mmuinit = "mmuinit",
    /// Makes the kernel's mappings global.
    Memglobal = "memglobal",
    /// Drops the current process's user mappings.
    Flushmmu = "flushmmu",
    /// Drops one page's translations.
    Flushpg = "flushpg",
    /// A page directory, from the pool or new.
    Mmupdballoc = "mmupdballoc",
    /// A page directory goes back.
    Mmupdbfree = "mmupdbfree",
    /// Drops a process's page tables.
    Mmuptefree = "mmuptefree",
    /// Loads a kernel stack and a page directory.
    Taskswitch = "taskswitch",
    /// Loads a process's page directory and segments.
    Mmuswitch = "mmuswitch",
    /// A dead process's pages go back.
    Mmurelease = "mmurelease",
    /// Gives the current process a page directory.
    Upallocpdb = "upallocpdb",
    /// Maps a user page.
    Putmmu = "putmmu",
    /// Checks what a user address shows.
    Checkmmu = "checkmmu",
    /// Reaches an entry of a kernel mapping.
    Mmuwalk = "mmuwalk",
    /// Maps device memory.
    Vmap = "vmap",
    /// Finds free entries.
    Findhole = "findhole",
    /// Finds free addresses.
    Vmapalloc = "vmapalloc",
    /// Unmaps device memory.
    Vunmap = "vunmap",
    /// Fills in kernel mappings.
    Pdbmap = "pdbmap",
    /// Clears kernel mappings.
    Pdbunmap = "pdbunmap",
    /// Brings a page directory up to date.
    Vmapsync = "vmapsync",
    /// Maps a page for the current process in the kernel.
    Kmap = "kmap",
    /// Undoes kmap.
    Kunmap = "kunmap",
    /// Reaches a page for a moment.
    Tmpmap = "tmpmap",
    /// Undoes tmpmap.
    Tmpunmap = "tmpunmap",
    /// Address of physical memory.
    Kaddr = "kaddr",
    /// Physical memory of an address.
    Paddr = "paddr",
    /// Counts the pages that the MMU code holds.
    Countpagerefs = "countpagerefs",
    /// Is told of faults.
    Checkfault = "checkfault",
    /// How much of physical memory has addresses.
    Cankaddr = "cankaddr",
    /// Makes a mapping write combining.
    Patwc = "patwc",
    /// Drops the user mappings of processes (`port/segment.c`).
    Procflushmmu = "procflushmmu",
    /// Takes a lock (`pc/taslock.c`).
    Lock = "lock",
    /// Releases it.
    Unlock = "unlock",
    /// Takes a lock with interrupts off.
    Ilock = "ilock",
    /// Releases it.
    Iunlock = "iunlock",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ() {
        for (at, one) in Function::ALL.iter().enumerate() {
            for other in &Function::ALL[at + 1..] {
                assert_ne!(one.name(), other.name());
            }
        }
    }
}
