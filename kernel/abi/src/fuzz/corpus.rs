//! Programs that once broke the kernel. One that breaks it is added here, and stays.

/// Each with its name and its bytes.
pub const CORPUS: &[(&str, &[u8])] = &[
    ("virtual-8086-ring-0-selector", &vm86(0xFA00, 8)),
    ("virtual-8086-ring-3-selector", &vm86(0xFA03, 8)),
    ("virtual-8086-in-its-own-text", &vm86(0x0100, 0)),
    ("virtual-8086-that-spins", &VM86_SPINS),
    ("children-that-nobody-awaits", &ORPHANS),
    ("every-selector", &SELECTORS),
];

/// Goes to virtual-8086 mode by IRET, which the translator allows ring 3. Interrupts stay on, and I/O
/// privilege is 0: what turned them off there could not be stopped, as the translator lets ring 3 choose
/// that privilege by the same IRET.
const fn vm86(cs: u16, ip: u8) -> [u8; 25] {
    let [low, high] = cs.to_le_bytes();
    [
        0x6A, 0, 0x6A, 0, 0x6A, 0, 0x6A, 0, // GS, FS, DS, ES
        0x6A, 0, 0x6A, 0x40, // SS, ESP
        0x68, 0x02, 0x02, 0x02, 0x00, // VM, IF
        0x68, low, high, 0, 0, // CS
        0x6A, ip,   // EIP
        0xCF, // IRETD
    ]
}

/// Attaches memory at 0x20000, puts an endless loop there, and goes to it in virtual-8086 mode: ticks come
/// meanwhile, and other processes run.
const VM86_SPINS: [u8; 55] = {
    let (mut all, mut n) = ([0; 55], 0);
    let begin = [
        0x68, 0x00, 0x10, 0x00, 0x00, // the length
        0x68, 0x00, 0x00, 0x02, 0x00, // the address
        0x6A, 1, 0x6A, 0, // the name; a place below the arguments
        0xB8, 8, 0, 0, 0, 0xCD, 0x40, // segattach
        0x66, 0xC7, 0x05, 0x00, 0x00, 0x02, 0x00, 0xEB, 0xFE, // jmp $
    ];
    let end = vm86(0x2000, 0);
    while n < all.len() {
        all[n] = if n < begin.len() { begin[n] } else { end[n - begin.len()] };
        n += 1;
    }
    all
};

/// Forks 400 times children that end at once, and awaits none.
const ORPHANS: [u8; 32] = [
    0xBB, 0x90, 0x01, 0x00, 0x00, // mov ebx, 400
    0x6A, 0x00, 0x6A, 0x00, // the arguments, and a place below them
    0xB8, 0x04, 0x00, 0x00, 0x00, // 2: mov eax, fork
    0xCD, 0x40, // int 0x40
    0x85, 0xC0, // test eax, eax
    0x74, 0x0C, // jz the end: it is the child
    0x79, 0x03, // jns 3f
    0x90, 0x90, 0x90, // no room: the next one finds some, or not
    0x4B, // 3: dec ebx
    0x75, 0xED, // jnz 2b
    0x90, 0x90, 0x90, 0x90,
];

/// Loads FS with each selector of the first 128 bytes of either table that it may have, and reads there.
const SELECTORS: [u8; 26] = [
    0xBB, 0x03, 0x00, 0x00, 0x00, // mov ebx, 3
    0x0F, 0x00, 0xE3, // 2: verr bx
    0x75, 0x08, // jnz 3f
    0x8E, 0xE3, // mov fs, bx
    0x64, 0x8B, 0x00, // mov eax, fs:[eax]
    0x90, 0x90, 0x90, //
    0x83, 0xC3, 0x04, // 3: add ebx, 4
    0x84, 0xDB, // test bl, bl
    0x79, 0xEC, // jns 2b
    0x90,
];
