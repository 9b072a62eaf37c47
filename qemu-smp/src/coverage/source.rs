//! A source file: its lines, which of them are tests, and whether anything in it can run.

use std::ops::RangeInclusive;
use std::str::FromStr;

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A source file of mmu386.
#[derive(Debug, Clone)]
pub struct Source {
    pub(super) lines: Vec<String>,
    pub(super) tests: Vec<RangeInclusive<usize>>,
    /// Whether it has a function with a body outside its tests, so that a measurement must know it.
    pub runs: bool,
}

impl Source {
    /// Reads a file's text.
    pub fn parse(text: &str) -> Result<Self> {
        let tokens = TokenStream::from_str(text).map_err(|error| anyhow!("{error}"))?;
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        let (mut tests, mut code, mut at) = (Vec::new(), Vec::new(), 0);
        while let Some(tree) = trees.get(at) {
            match test_module(&trees[at..]) {
                Some(body) => {
                    tests.push(tree.span().start().line..=body.span_close().end().line);
                    at += 5;
                }
                None => {
                    code.push(tree.clone());
                    at += 1;
                }
            }
        }
        let lines = text.lines().map(|line| line.trim().to_owned()).collect();
        Ok(Self { lines, tests, runs: has_function(code) })
    }

    /// The text of a line, counted from 1, without the space around it.
    pub fn line(&self, number: usize) -> &str {
        number.checked_sub(1).and_then(|at| self.lines.get(at)).map_or("", String::as_str)
    }

    /// Whether a line belongs to a test module.
    pub fn is_test(&self, number: usize) -> bool {
        self.tests.iter().any(|lines| lines.contains(&number))
    }
}

/// The body of `#[cfg(test)] mod name { ... }`, if that starts here.
fn test_module(trees: &[TokenTree]) -> Option<&Group> {
    let [
        TokenTree::Punct(hash),
        TokenTree::Group(attribute),
        TokenTree::Ident(module),
        _,
        TokenTree::Group(body),
        ..,
    ] = trees
    else {
        return None;
    };
    let attribute = attribute.to_string().replace(' ', "");
    (hash.as_char() == '#' && attribute == "[cfg(test)]" && module == "mod").then_some(body)
}

/// Whether there is a `fn` whose body comes before the next semicolon, at any depth.
fn has_function(trees: impl IntoIterator<Item = TokenTree>) -> bool {
    let mut named = false;
    trees.into_iter().any(|tree| match tree {
        TokenTree::Group(group) => {
            (named && group.delimiter() == Delimiter::Brace) || has_function(group.stream())
        }
        TokenTree::Ident(word) => {
            named |= word == "fn";
            false
        }
        TokenTree::Punct(punct) => {
            named &= punct.as_char() != ';';
            false
        }
        TokenTree::Literal(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_modules_are_found_whatever_their_text_looks_like() {
        let text = "fn f() {\n}\n#[cfg(test)]\nmod tests {\n    const A: &str = \"\n}\n\";\n    // }\n}\n\
                    fn g() {}\n";
        let source = Source::parse(text).unwrap();
        let tests: Vec<usize> = (1..=10).filter(|&line| source.is_test(line)).collect();
        assert_eq!(tests, [3, 4, 5, 6, 7, 8, 9]);
        assert_eq!((source.line(8), source.line(10)), ("// }", "fn g() {}"));
        assert_eq!((source.line(0), source.line(99)), ("", ""));
    }

    #[test]
    fn other_modules_and_other_attributes_are_code() {
        for text in ["mod tests {\nfn f() {}\n}", "#[cfg(loom)]\nmod tests {\nfn f() {}\n}"] {
            let source = Source::parse(text).unwrap();
            assert!(!source.is_test(1) && !source.is_test(2) && source.runs, "{text}");
        }
    }

    #[test]
    fn what_can_run_is_told_from_what_cannot() {
        for (text, runs) in [
            ("impl A { pub const fn f<T>(self) -> [u8; 2] where T: B { 1 } }", true),
            ("macro_rules! m { () => { fn f() {} } }", true),
            ("trait A { fn f(&self); const B: u32 = { 1 }; }", false),
            ("const F: fn(u32) -> u32 = G; struct S { f: u32 }", false),
            ("//! fn f() {}\npub struct S;\n#[cfg(test)]\nmod tests { fn f() {} }", false),
        ] {
            assert_eq!(Source::parse(text).unwrap().runs, runs, "{text}");
        }
        assert!(Source::parse("fn f( {").is_err());
    }
}
