//! The bytes of a program.

/// Most bytes of a program, without its end.
pub const MOST_BYTES: usize = 480;

/// How a program ends, if it comes so far: by exits(0).
const END: [u8; 8] = [0x6A, 0, 0x6A, 0, 0x31, 0xC0, 0xCD, 0x40];

/// A program, and the registers that it starts with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    bytes: [u8; MOST_BYTES + END.len()],
    length: usize,
    /// EDI, ESI, EBP, EBX, EDX, ECX, EAX: the order in which they are popped.
    pub registers: [u32; 7],
}

impl Program {
    /// No bytes yet.
    pub(super) fn empty(registers: [u32; 7]) -> Program {
        Program { bytes: [0; MOST_BYTES + END.len()], length: 0, registers }
    }

    /// A program of known bytes, which end by themselves.
    pub(super) fn fixed(bytes: &[u8]) -> Program {
        let mut program = Program::empty([0; 7]);
        program.put(bytes);
        program.end()
    }

    /// Adds bytes if there is room for all of them; half an instruction would be another one.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if end <= MOST_BYTES {
            self.bytes[self.length..end].copy_from_slice(bytes);
            self.length = end;
        }
    }

    /// Adds an opcode and a word that follows it.
    pub(super) fn put_with(&mut self, opcode: &[u8], word: u32) {
        let mut all = [0; 16];
        let count = opcode.len();
        all[..count].copy_from_slice(opcode);
        all[count..count + 4].copy_from_slice(&word.to_le_bytes());
        self.put(&all[..count + 4]);
    }

    /// How many bytes there are.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Whether there is room for a few more shapes.
    pub(super) fn room(&self) -> bool {
        self.length + 64 < MOST_BYTES
    }

    /// Adds the end.
    pub(super) fn end(mut self) -> Program {
        self.bytes[self.length..self.length + END.len()].copy_from_slice(&END);
        self.length += END.len();
        self
    }

    /// All of it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}
