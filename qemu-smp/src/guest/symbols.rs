//! Turns addresses of the kernel into functions and source lines, and symbols into addresses.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use addr2line::Loader;
use object::{Object, ObjectSymbol};

/// The kernel's symbols and line tables, if its ELF could be read.
pub struct Symbols {
    loader: Option<Loader>,
    addresses: HashMap<String, u32>,
}

impl Symbols {
    /// Reads an ELF file. Without symbols every address still prints as a number.
    pub fn read(elf: &Path) -> Self {
        let bytes = fs::read(elf).unwrap_or_default();
        let addresses = object::File::parse(&*bytes).map_or_else(
            |_| HashMap::new(),
            |file| {
                let symbols = file.symbols();
                symbols
                    .filter_map(|symbol| {
                        Some((
                            symbol.name().ok()?.to_owned(),
                            u32::try_from(symbol.address()).ok()?,
                        ))
                    })
                    .collect()
            },
        );
        Self { loader: Loader::new(elf).ok(), addresses }
    }

    /// The address of a symbol by its name in the ELF file.
    pub fn address(&self, name: &str) -> Option<u32> {
        self.addresses.get(name).copied()
    }

    /// The source lines of an address, innermost inlined function first; a bare number if unknown.
    ///
    /// A return address lies behind its call, so callers pass `address - 1` for those.
    pub fn lines(&self, address: u32) -> Vec<String> {
        let lines = self.frames(u64::from(address));
        if lines.is_empty() { vec![self.nearest(address)] } else { lines }
    }

    fn frames(&self, address: u64) -> Vec<String> {
        let mut lines = Vec::new();
        let Some(mut frames) =
            self.loader.as_ref().and_then(|loader| loader.find_frames(address).ok())
        else {
            return lines;
        };
        while let Ok(Some(frame)) = frames.next() {
            let name = frame.function.as_ref().and_then(|function| function.demangle().ok());
            let name = name.map_or_else(|| "?".to_owned(), |name| name.into_owned());
            let place = frame.location.and_then(|location| {
                let line = location.line.unwrap_or(0);
                location.file.map(|file| format!("{file}:{line}"))
            });
            match place {
                Some(place) => lines.push(format!("{name}  {place}")),
                None if name != "?" => lines.push(name),
                None => (),
            }
        }
        lines
    }

    fn nearest(&self, address: u32) -> String {
        let symbol = self.loader.as_ref().and_then(|loader| loader.find_symbol(u64::from(address)));
        symbol.unwrap_or("no symbol").to_owned()
    }
}
