//! The copy of a source that holds all of its mutants.
//!
//! Each place that a mutant changes becomes a branch on `crate::mutant::on(id)`. Which bytes of the
//! copy come from which mutants is remembered, so that a compiler error finds its culprits.

use std::collections::BTreeSet;
use std::ops::Range;

use anyhow::{Result, bail};
use syn::{Pat, Stmt};

use crate::mutant::{Edit, Mutant, Place};
use crate::syntax::bytes;

/// A source with its mutants in it.
#[derive(Debug, Clone)]
pub struct Merged {
    /// The text of the copy.
    pub text: String,
    /// Bytes of the copy, and the mutants that they are there for.
    regions: Vec<(Range<usize>, Vec<usize>)>,
}

impl Merged {
    /// Puts the mutants of a file into its text, without those to be left out.
    pub fn new(file: &str, text: &str, mutants: &[Mutant], out: &BTreeSet<usize>) -> Result<Self> {
        let of_file =
            mutants.iter().filter(|mutant| mutant.file == file && !out.contains(&mutant.id));
        let mut edits: Vec<(usize, &Edit)> =
            of_file.flat_map(|mutant| mutant.edits.iter().map(|edit| (mutant.id, edit))).collect();
        edits.sort_by_key(|(id, edit)| (edit.at.start, std::cmp::Reverse(edit.at.end), *id));
        let nodes = nest(&mut edits.into_iter().peekable(), text.len())?;
        let mut writer = Writer { text, merged: Self { text: String::new(), regions: Vec::new() } };
        writer.range(0..text.len(), &nodes)?;
        Ok(writer.merged)
    }

    /// The mutants that a piece of the copy is there for: those of the smallest place around it.
    pub fn culprits(&self, at: Range<usize>) -> &[usize] {
        let around = self
            .regions
            .iter()
            .filter(|(region, _)| region.start <= at.start && at.end <= region.end);
        around.min_by_key(|(region, _)| region.len()).map_or(&[], |(_, ids)| ids)
    }
}

/// A place with its edits, and the places within it.
struct Node<'a> {
    at: Range<usize>,
    edits: Vec<(usize, &'a Edit)>,
    inner: Vec<Node<'a>>,
}

impl Node<'_> {
    fn with(&self, place: Place) -> impl Iterator<Item = (usize, &str)> {
        self.edits
            .iter()
            .filter(move |(_, edit)| edit.place == place)
            .map(|(id, edit)| (*id, edit.text.as_str()))
    }

    fn has(&self, place: Place) -> bool {
        self.with(place).next().is_some()
    }

    fn ids(&self) -> Vec<usize> {
        let ids: BTreeSet<usize> = self.edits.iter().map(|(id, _)| *id).collect();
        ids.into_iter().collect()
    }
}

/// Sorted edits as a tree.
fn nest<'a>(
    edits: &mut std::iter::Peekable<std::vec::IntoIter<(usize, &'a Edit)>>,
    end: usize,
) -> Result<Vec<Node<'a>>> {
    let mut nodes: Vec<Node<'a>> = Vec::new();
    while let Some((_, edit)) = edits.peek() {
        let at = edit.at.clone();
        if at.start >= end {
            break;
        }
        if at.end > end {
            bail!("two edits lie across each other at byte {}", at.start);
        }
        let mut own = Vec::new();
        while let Some(edit) = edits.next_if(|(_, edit)| edit.at == at) {
            own.push(edit);
        }
        let inner = nest(edits, at.end)?;
        nodes.push(Node { at, edits: own, inner });
    }
    Ok(nodes)
}

struct Writer<'a> {
    text: &'a str,
    merged: Merged,
}

impl Writer<'_> {
    fn write(&mut self, text: &str) {
        self.merged.text.push_str(text);
    }

    fn place(&self) -> usize {
        self.merged.text.len()
    }

    /// Remembers whose everything is that was written since `start`.
    fn owned(&mut self, start: usize, ids: Vec<usize>) {
        let end = self.place();
        self.merged.regions.push((start..end, ids));
    }

    /// A piece of the source, with the places in it.
    fn range(&mut self, at: Range<usize>, nodes: &[Node<'_>]) -> Result<()> {
        let mut from = at.start;
        for node in nodes {
            self.write(&self.text[from..node.at.start]);
            self.node(node)?;
            from = node.at.end;
        }
        self.write(&self.text[from..at.end]);
        Ok(())
    }

    /// `if on(id) { text }`.
    fn branch(&mut self, id: usize, text: &str) {
        let start = self.place();
        self.write(&format!("if crate::mutant::on({id}) {{ {text} }}"));
        self.owned(start, vec![id]);
    }

    fn node(&mut self, node: &Node<'_>) -> Result<()> {
        let start = self.place();
        let ids = node.ids();
        for (id, text) in node.with(Place::Before) {
            self.branch(id, text);
            self.write(" ");
        }
        if node.has(Place::Lets) {
            self.lets(node)?;
        } else if !node.has(Place::Const) {
            self.instead(node)?;
        }
        if node.has(Place::Behind) && !self.merged.text.ends_with([';', '}']) {
            self.write(";");
        }
        for (id, text) in node.with(Place::Behind) {
            self.write(" ");
            self.branch(id, text);
        }
        self.owned(start, ids);
        Ok(())
    }

    /// The mutants of an expression or a statement, then what it was.
    fn instead(&mut self, node: &Node<'_>) -> Result<()> {
        let guard = node.has(Place::Guard);
        let statement = node.has(Place::Statement);
        let enclosed = !statement && (guard || node.has(Place::Expression));
        if enclosed {
            self.write("(");
        }
        let places = [Place::Statement, Place::Expression, Place::Guard];
        let changes: Vec<(usize, &str)> =
            places.iter().flat_map(|&place| node.with(place)).collect();
        for (id, text) in &changes {
            self.branch(*id, text);
            self.write(" else ");
        }
        if !changes.is_empty() {
            self.write("{ ");
        }
        if guard {
            self.write("Some(");
        }
        self.range(node.at.clone(), &node.inner)?;
        if guard {
            self.write(")");
        }
        if !changes.is_empty() {
            self.write(" }");
        }
        if enclosed {
            self.write(")");
        }
        Ok(())
    }

    /// A row of `let` statements: declared, then assigned in one order or another.
    fn lets(&mut self, node: &Node<'_>) -> Result<()> {
        let row = Row::parse(&self.text[node.at.clone()])?;
        for (name, kind, ..) in &row.0 {
            self.write(&format!("let {name}{kind}; "));
        }
        let changes: Vec<(usize, &str)> = node.with(Place::Lets).collect();
        for (id, text) in changes {
            self.branch(id, text);
            self.write(" else ");
        }
        self.write("{ ");
        let offset = node.at.start;
        let mut rest = &node.inner[..];
        for (name, _, whole, init) in &row.0 {
            let whole = whole.start + offset..whole.end + offset;
            let init = init.start + offset..init.end + offset;
            let (mine, others) =
                rest.split_at(rest.partition_point(|node| node.at.start < whole.end));
            rest = others;
            // Edits of the statement itself come before and behind it, not within.
            let (around, within) = match mine {
                [own] if own.at == whole => (&own.edits[..], &own.inner[..]),
                _ => (&[][..], mine),
            };
            let of = |place: Place| around.iter().filter(move |(_, edit)| edit.place == place);
            for (id, edit) in of(Place::Before) {
                self.branch(*id, &edit.text);
            }
            self.write(&format!("{name} = "));
            self.range(init, within)?;
            self.write("; ");
            for (id, edit) in of(Place::Behind) {
                self.branch(*id, &edit.text);
            }
        }
        self.write("}");
        Ok(())
    }
}

/// The statements of a row: name, type, bytes of the statement, bytes of its value.
struct Row(Vec<(String, String, Range<usize>, Range<usize>)>);

impl Row {
    fn parse(text: &str) -> Result<Self> {
        // Spans count from the start of what is parsed.
        let open = "fn f() {";
        let parsed: syn::ItemFn = syn::parse_str(&format!("{open}{text}}}"))?;
        let shift = |at: Range<usize>| at.start - open.len()..at.end - open.len();
        let mut row = Vec::new();
        for stmt in &parsed.block.stmts {
            let Stmt::Local(local) = stmt else { bail!("`{text}` is no row of lets") };
            let Some(init) = &local.init else { bail!("`{text}` has a let without a value") };
            let (pat, kind) = match &local.pat {
                Pat::Type(typed) => {
                    let at = shift(bytes(&typed.ty));
                    (&*typed.pat, format!(": {}", &text[at]))
                }
                pat => (pat, String::new()),
            };
            let Pat::Ident(name) = pat else { bail!("`{text}` takes something apart") };
            let name = name.ident.to_string();
            row.push((name, kind, shift(bytes(stmt)), shift(bytes(&init.expr))));
        }
        Ok(Self(row))
    }
}
