//! The machine code of the accesses that are to be made with no LOCKed instruction near: in the built kernel
//! there is none, and none that serialises, in those functions and in all that they call.

mod real;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind};
use object::read::elf::ElfFile32;
use object::{Object, ObjectSection, ObjectSymbol};

/// The functions, and those that they may call.
const BARE: [&str; 2] = ["bare_touch", "bare_watch"];
const CALLED: [&str; 2] = ["probe_load", "probe_store"];

/// Intel SDM vol. 3, 9.3 (what drains the store buffer) and 9.3 of the same volume's list of serialising
/// instructions, as far as a function of the kernel could have them.
const DRAINING: [Mnemonic; 15] = [
    Mnemonic::Mfence,
    Mnemonic::Sfence,
    Mnemonic::Lfence,
    Mnemonic::Cpuid,
    Mnemonic::Serialize,
    Mnemonic::Iret,
    Mnemonic::Iretd,
    Mnemonic::Invlpg,
    Mnemonic::Invd,
    Mnemonic::Wbinvd,
    Mnemonic::Wrmsr,
    Mnemonic::Lgdt,
    Mnemonic::Lidt,
    Mnemonic::In,
    Mnemonic::Out,
];

/// Why an instruction drains the store buffer, if it does.
fn drains(instruction: &Instruction) -> Option<String> {
    let memory = (0..instruction.op_count()).any(|n| instruction.op_kind(n) == OpKind::Memory);
    let exchange = instruction.mnemonic() == Mnemonic::Xchg && memory;
    let control = (0..instruction.op_count()).any(|n| {
        let register = instruction.op_register(n);
        instruction.op_kind(n) == OpKind::Register && (register.is_cr() || register.is_dr())
    });
    let listed = DRAINING.contains(&instruction.mnemonic());
    let trap = matches!(instruction.flow_control(), FlowControl::Interrupt);
    (instruction.has_lock_prefix() || exchange || control || listed || trap)
        .then(|| format!("{:?} at {:#x}", instruction.mnemonic(), instruction.ip()))
}

/// What is wrong with code at an address, up to its end: what drains the store buffer, and calls to others
/// than `may_call`.
fn judge(code: &[u8], address: u64, may_call: &BTreeSet<u64>) -> Vec<String> {
    let end = address + code.len() as u64;
    let mut wrong = Vec::new();
    for instruction in Decoder::with_ip(32, code, address, DecoderOptions::NONE).iter() {
        wrong.extend(drains(&instruction));
        let to = instruction.near_branch_target();
        match instruction.flow_control() {
            FlowControl::Call if !may_call.contains(&to) => {
                wrong.push(format!("a call of {to:#x}"))
            }
            FlowControl::IndirectCall | FlowControl::IndirectBranch => {
                wrong.push(format!("a jump to anywhere at {:#x}", instruction.ip()));
            }
            FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch
                if !(address..end).contains(&to) =>
            {
                wrong.push(format!("a jump to {to:#x}"));
            }
            _ => {}
        }
    }
    wrong
}

/// The kernel's code: every symbol's address and size, where symbols are, and the bytes.
struct Code {
    places: BTreeMap<String, (u64, u64)>,
    starts: BTreeSet<u64>,
    text: Vec<u8>,
    base: u64,
}

impl Code {
    fn read() -> Self {
        let elf = real::file("target/kernel/fixed.elf");
        let bytes = fs::read(&elf).unwrap_or_else(|error| panic!("{}: {error}", elf.display()));
        let file = ElfFile32::<object::Endianness>::parse(&*bytes).unwrap();
        let section = file.section_by_name(".text").unwrap();
        let places: BTreeMap<String, (u64, u64)> = file
            .symbols()
            .filter_map(|symbol| {
                Some((symbol.name().ok()?.to_owned(), (symbol.address(), symbol.size())))
            })
            .collect();
        let starts = places.values().map(|(address, _)| *address).collect();
        let (text, base) = (section.data().unwrap().to_vec(), section.address());
        Self { places, starts, text, base }
    }

    fn place(&self, name: &str) -> (u64, u64) {
        *self.places.get(name).unwrap_or_else(|| panic!("the kernel has no symbol {name}"))
    }

    fn address(&self, name: &str) -> u64 {
        self.place(name).0
    }

    /// The bytes of a function. One of assembly has no size, and ends at the next symbol that is not within.
    fn of(&self, name: &str, within: &[&str]) -> &[u8] {
        let (start, size) = self.place(name);
        let inside: Vec<_> = within.iter().map(|name| self.address(name)).collect();
        let mut behind = self.starts.range(start + 1..);
        let end = match size {
            0 => *behind.find(|address| !inside.contains(address)).unwrap(),
            size => start + size,
        };
        &self.text[(start - self.base) as usize..(end - self.base) as usize]
    }
}

#[test]
fn bare_accesses_have_no_locked_and_no_serialising_instruction_near() {
    let code = Code::read();
    let may_call = CALLED.iter().map(|name| code.address(name)).collect();
    for name in BARE {
        let bytes = code.of(name, &[]);
        assert!(bytes.len() > 60, "{name} was not found whole: {} bytes", bytes.len());
        let wrong = judge(bytes, code.address(name), &may_call);
        assert!(wrong.is_empty(), "{name}: {wrong:?}");
    }
    let load = ["probe_access", "probe_fault"];
    for (name, within) in [("probe_load", &load[..]), ("probe_store", &["probe_store_access"])] {
        let bytes = code.of(name, within);
        // A store's fault lands behind the load.
        let wrong = judge(bytes, code.address(name), &may_call);
        assert!(wrong.is_empty(), "{name}: {wrong:?}");
    }
}

/// The control: what must not be there is noticed.
#[test]
fn locked_and_serialising_instructions_are_noticed() {
    let codes: [&[u8]; 9] = [
        &[0xF0, 0x01, 0x08], // lock add [eax], ecx
        &[0x87, 0x08],       // xchg [eax], ecx
        &[0x0F, 0xAE, 0xF0], // mfence
        &[0x0F, 0xA2],       // cpuid
        &[0x0F, 0x22, 0xD8], // mov cr3, eax
        &[0x0F, 0x01, 0x38], // invlpg [eax]
        &[0xCF],             // iretd
        &[0xE8, 0, 0, 0, 0], // a call of what nobody has looked at
        &[0xFF, 0xD0],       // a call of anything
    ];
    for code in codes {
        assert_eq!(judge(code, 0x1000, &BTreeSet::new()).len(), 1, "{code:x?}");
    }
    assert!(
        judge(&[0x87, 0xC8, 0x89, 0x08, 0x8B, 0x10, 0xC3], 0x1000, &BTreeSet::new()).is_empty()
    );
    // Functions of the kernel that have some, found by the same way: which ones is up to the compiler. Nothing
    // is wrong with these instructions but a LOCK.
    let code = Code::read();
    let end = code.base + code.text.len() as u64;
    let functions = code
        .places
        .iter()
        .filter(|(_, (start, size))| *size > 0 && *start >= code.base && start + size <= end);
    let found = functions.filter(|(name, (start, _))| {
        let wrong = judge(code.of(name, &[]), *start, &BTreeSet::new());
        let locked = ["Inc ", "Dec ", "Xadd ", "Cmpxchg "];
        wrong.iter().any(|wrong| locked.iter().any(|one| wrong.starts_with(one)))
    });
    let found = found.count();
    assert!(found > 10, "{found} functions with LOCKed instructions in the whole kernel");
}
