//! The operators: which mutants there are.
//!
//! One walk over each file. It knows in which function it is, whether Fixed contains the place, and
//! whether a loop is around it; what each kind of node gives is said in the modules.

mod conditions;
mod expressions;
mod facts;
mod lets;
mod statements;

use std::collections::BTreeSet;
use std::ops::Range;

use anyhow::{Context, Result};
use syn::visit::{self, Visit};
use syn::{Block, Expr, File, Stmt};

use crate::fixed::{self, dead_branches};
use crate::mutant::{Edit, Mutant, Operator, Place};
use crate::syntax::{bytes, is_test, one_line};
use facts::Facts;

/// A source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its path from the top of the tree, with slashes.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// All mutants of the sources, numbered in their order.
pub fn find(sources: &[Source]) -> Result<Vec<Mutant>> {
    let parse = |source: &Source| {
        syn::parse_file(&source.text).with_context(|| format!("{} is not Rust", source.file))
    };
    let files: Vec<File> = sources.iter().map(parse).collect::<Result<_>>()?;
    let facts = Facts::of(&files);
    let mut mutants = Vec::new();
    for (source, file) in sources.iter().zip(&files) {
        let mut walk = Walk::new(source, &facts);
        walk.dead = facts.is_other_handshake(file);
        walk.visit_file(file);
        mutants.extend(walk.sorted());
    }
    for (mutant, id) in mutants.iter_mut().zip(1..) {
        mutant.id = id;
    }
    Ok(mutants)
}

/// The walk over one file.
struct Walk<'a> {
    source: &'a Source,
    facts: &'a Facts,
    found: Vec<Mutant>,
    /// The type whose functions these are.
    owner: Option<String>,
    function: String,
    /// Where the function says that it is `const`.
    constness: Option<Range<usize>>,
    /// Whether the function has no value.
    unit: bool,
    /// Whether Fixed does not contain this.
    dead: bool,
    /// How many loops are around.
    loops: usize,
    /// Calls that were looked at as statements, and conditions that were turned round as a whole.
    done: BTreeSet<(usize, usize)>,
}

impl<'a> Walk<'a> {
    fn new(source: &'a Source, facts: &'a Facts) -> Self {
        Self {
            source,
            facts,
            found: Vec::new(),
            owner: None,
            function: String::new(),
            constness: None,
            unit: false,
            dead: false,
            loops: 0,
            done: BTreeSet::new(),
        }
    }

    /// What a piece of the source says.
    fn text(&self, at: Range<usize>) -> &'a str {
        &self.source.text[at]
    }

    /// The first time that a node is asked for.
    fn first(&mut self, at: &Range<usize>) -> bool {
        self.done.insert((at.start, at.end))
    }

    /// A mutant of one edit.
    fn change(&mut self, operator: Operator, place: Place, at: Range<usize>, text: &str) {
        let before = one_line(self.text(at.clone()));
        let after = if text.is_empty() { "(nothing)".to_owned() } else { one_line(text) };
        self.add(operator, before, after, vec![Edit { at, place, text: text.to_owned() }]);
    }

    fn add(&mut self, operator: Operator, before: String, after: String, mut edits: Vec<Edit>) {
        let start = edits.iter().map(|edit| edit.at.start).min().unwrap_or_default();
        edits.extend(self.constness.clone().map(|at| Edit {
            at,
            place: Place::Const,
            text: String::new(),
        }));
        let function = match &self.owner {
            Some(owner) => format!("{owner}::{}", self.function),
            None => self.function.clone(),
        };
        self.found.push(Mutant {
            id: 0,
            file: self.source.file.clone(),
            line: self.text(0..start).matches('\n').count() + 1,
            function,
            operator,
            before,
            after,
            in_fixed: !self.dead,
            edits,
        });
    }

    /// In the order of the text.
    fn sorted(mut self) -> Vec<Mutant> {
        let start = |mutant: &Mutant| {
            let edits = mutant.edits.iter().filter(|edit| edit.place != Place::Const);
            edits.map(|edit| edit.at.start).min()
        };
        self.found.sort_by(|a, b| {
            (start(a), a.operator, &a.after).cmp(&(start(b), b.operator, &b.after))
        });
        self.found
    }

    /// A function: what is in it belongs to it.
    fn within(&mut self, signature: &syn::Signature, block: &Block) {
        let constness = signature.constness.as_ref().map(bytes);
        let constness = std::mem::replace(&mut self.constness, constness);
        let before = (std::mem::take(&mut self.function), self.unit, self.dead);
        self.function = signature.ident.to_string();
        self.unit = matches!(signature.output, syn::ReturnType::Default);
        self.dead |= self.facts.never_from_fixed(&self.function);
        self.block(block, self.unit);
        (self.function, self.unit, self.dead) = before;
        self.constness = constness;
    }

    fn in_loop(&mut self, body: &Block) {
        self.loops += 1;
        self.visit_block(body);
        self.loops -= 1;
    }

    /// A block; `unit` if its last expression is known to have no value.
    fn block(&mut self, block: &Block, unit: bool) {
        self.statements(&block.stmts, unit);
        visit::visit_block(self, block);
    }
}

impl<'ast> Visit<'ast> for Walk<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.within(&item.sig, &item.block);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let before = std::mem::replace(&mut self.owner, fixed::name(&item.self_ty));
        visit::visit_item_impl(self, item);
        self.owner = before;
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.within(&item.sig, &item.block);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        let before = self.owner.replace(item.ident.to_string());
        visit::visit_item_trait(self, item);
        self.owner = before;
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.within(&item.sig, block);
        }
    }

    fn visit_block(&mut self, block: &'ast Block) {
        self.block(block, false);
    }

    fn visit_expr_if(&mut self, node: &'ast syn::ExprIf) {
        self.condition(&node.cond);
        self.visit_expr(&node.cond);
        let before = self.dead;
        let (then, other) = dead_branches(&node.cond, before);
        self.dead = then;
        self.visit_block(&node.then_branch);
        self.dead = other;
        if let Some((_, branch)) = &node.else_branch {
            self.visit_expr(branch);
        }
        self.dead = before;
    }

    fn visit_expr_while(&mut self, node: &'ast syn::ExprWhile) {
        self.condition(&node.cond);
        self.visit_expr(&node.cond);
        self.in_loop(&node.body);
    }

    fn visit_expr_for_loop(&mut self, node: &'ast syn::ExprForLoop) {
        self.visit_expr(&node.expr);
        self.in_loop(&node.body);
    }

    fn visit_expr_loop(&mut self, node: &'ast syn::ExprLoop) {
        self.in_loop(&node.body);
    }

    fn visit_pat_guard(&mut self, node: &'ast syn::PatGuard) {
        self.condition(&node.guard);
        visit::visit_pat_guard(self, node);
    }

    fn visit_local(&mut self, node: &'ast syn::Local) {
        self.guard(node);
        visit::visit_local(self, node);
    }

    fn visit_expr_closure(&mut self, node: &'ast syn::ExprClosure) {
        self.counting_closure(node);
        visit::visit_expr_closure(self, node);
    }

    fn visit_expr(&mut self, node: &'ast Expr) {
        match node {
            Expr::MethodCall(call) => self.method_call(call),
            Expr::Binary(binary) => self.comparison(binary),
            _ => {}
        }
        self.unused_call(node);
        visit::visit_expr(self, node);
    }

    fn visit_stmt(&mut self, node: &'ast Stmt) {
        // Items within functions have functions of their own; there are none that matter.
        if !matches!(node, Stmt::Item(_)) {
            visit::visit_stmt(self, node);
        }
    }
}

/// The bytes from the start of one node to the end of another.
fn from_to(first: &Stmt, last: &Stmt) -> Range<usize> {
    bytes(first).start..bytes(last).end
}

#[cfg(test)]
mod tests;
