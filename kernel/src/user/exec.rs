//! Programs: ELF files in the kernel's image, and the address spaces that they start with.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use elf::ElfBytes;
use elf::abi::{EM_386, ET_EXEC, PF_W, PF_X, PT_LOAD};
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::segment::ProgramHeader;
use kernel_abi::{Error, MOST_WORDS, USTKSIZE, USTKTOP};

use super::seg::{Image, Kind, Seg};
use super::space::Space;
use crate::heap;
use crate::layout::BY2PG;
use crate::lock::Ilock;

mod files {
    include!(concat!(env!("OUT_DIR"), "/programs.rs"));
}

/// Segments of text that processes have, by where their content lies: all that run a program share its
/// pages, which go with the last of them.
static IMAGES: Ilock<Vec<(usize, Weak<Seg>)>> = Ilock::new(Vec::new());

/// A program as it starts.
pub struct Start {
    /// Its memory.
    pub space: Space,
    /// Its first instruction.
    pub eip: u32,
    /// Its stack: a count, and that many words.
    pub esp: u32,
}

/// The name of a program, as the kernel has it.
///
/// # Errors
/// `NoProgram` if there is none.
pub fn find(name: &str) -> Result<&'static &'static str, Error> {
    let file = files::PROGRAMS.iter().find(|(known, _)| *known == name);
    file.map(|(known, _)| known).ok_or(Error::NoProgram)
}

/// What a program's file says: its memory without the stack, and its first instruction.
///
/// # Errors
/// `NoProgram`; `BadProgram` if the file is not an executable for this kernel.
fn read(name: &str) -> Result<(Space, u32), Error> {
    let file = files::PROGRAMS.iter().find(|(known, _)| *known == name);
    let (_, bytes) = file.ok_or(Error::NoProgram)?;
    let file = ElfBytes::<LittleEndian>::minimal_parse(bytes).map_err(|_| Error::BadProgram)?;
    let header = file.ehdr;
    if (header.class, header.e_type, header.e_machine) != (Class::ELF32, ET_EXEC, EM_386) {
        return Err(Error::BadProgram);
    }
    let mut space = Space::default();
    let mut end = 0;
    let headers = file.segments().ok_or(Error::BadProgram)?;
    for part in headers.iter().filter(|part| part.p_type == PT_LOAD && part.p_memsz > 0) {
        let (base, seg) = segment(bytes, &part)?;
        let seg = shared(seg);
        end = end.max(base + seg.count() * BY2PG);
        space.attach(base, seg).map_err(|_| Error::BadProgram)?;
    }
    space.attach_heap(end).map_err(|_| Error::BadProgram)?;
    let eip = u32::try_from(header.e_entry).map_err(|_| Error::BadProgram)?;
    Ok((space, eip))
}

/// A count and the words that a program is started with, in bytes.
const TOP: usize = 4 * (1 + MOST_WORDS);

/// Makes the address space of a program. May sleep for the page that holds its words.
///
/// # Errors
/// `NoProgram`; `BadProgram` if the file is not an executable for this kernel; `BadArgument` for too many
/// words; `NoMemory` if the kernel has none left for that, or if somebody has ended the process that calls
/// while it waited for the page.
pub fn load(name: &str, words: &[u32]) -> Result<Start, Error> {
    if !heap::has_room() {
        return Err(Error::NoMemory);
    }
    let (mut space, eip) = read(name)?;
    let stack = Seg::new(Kind::Private, USTKSIZE as usize / BY2PG, None);
    let mut top = heapless::Vec::<u8, TOP>::new();
    for word in [words.len() as u32].iter().chain(words) {
        top.extend_from_slice(&word.to_le_bytes()).map_err(|_| Error::BadArgument)?;
    }
    stack.preset(USTKSIZE as usize / BY2PG - 1, BY2PG - top.len(), &top).ok_or(Error::NoMemory)?;
    let base = (USTKTOP - USTKSIZE) as usize;
    space.attach(base, Arc::new(stack)).map_err(|_| Error::BadProgram)?;
    Ok(Start { space, eip, esp: USTKTOP - top.len() as u32 })
}

/// The segment itself; of text, the one that others have already.
fn shared(fresh: Seg) -> Arc<Seg> {
    let fresh = Arc::new(fresh);
    let (Kind::Text, Some(image)) = (fresh.kind, fresh.image()) else { return fresh };
    let place = image.bytes.as_ptr() as usize;
    let mut images = IMAGES.lock();
    images.retain(|(_, seg)| seg.strong_count() > 0);
    let known = images.iter().find(|(known, _)| *known == place);
    if let Some(seg) = known.and_then(|(_, seg)| seg.upgrade()) {
        return seg;
    }
    images.push((place, Arc::downgrade(&fresh)));
    fresh
}

/// Text of a program that stays as long as this does, although no process may have it.
pub struct Text(Space);

impl Text {
    /// Keeps the text of a program.
    ///
    /// # Errors
    /// As [`load`].
    pub fn keep(name: &str) -> Result<Text, Error> {
        read(name).map(|(space, _)| Text(space))
    }

    /// Pages of it that are there.
    pub fn present(&self) -> usize {
        self.0.text_pages()
    }
}

/// The segment that a program header asks for, and where it goes.
fn segment(bytes: &'static [u8], part: &ProgramHeader) -> Result<(usize, Seg), Error> {
    let number = |value: u64| usize::try_from(value).map_err(|_| Error::BadProgram);
    let (va, memory) = (number(part.p_vaddr)?, number(part.p_memsz)?);
    let (from, length) = (number(part.p_offset)?, number(part.p_filesz)?);
    let to = from.checked_add(length).ok_or(Error::BadProgram)?;
    let content = bytes.get(from..to).filter(|_| length <= memory).ok_or(Error::BadProgram)?;
    // Never both: what is shared is not written.
    let kind = match part.p_flags & (PF_W | PF_X) {
        PF_W => Kind::Private,
        flags if flags & PF_W == 0 => Kind::Text,
        _ => return Err(Error::BadProgram),
    };
    let offset = va % BY2PG;
    let end = va.checked_add(memory).filter(|end| *end <= USTKTOP as usize);
    let count = end.ok_or(Error::BadProgram)?.div_ceil(BY2PG) - va / BY2PG;
    Ok((va - offset, Seg::new(kind, count, Some(Image { bytes: content, offset }))))
}
