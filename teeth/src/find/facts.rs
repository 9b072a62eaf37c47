//! What has to be known of all files before one is walked.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};
use syn::{Expr, File, ReturnType, Signature};

use crate::fixed::{self, Calls};
use crate::syntax::{callee, is_test};

/// What the machine offers to whoever waits.
const WAITS: [&str; 3] = ["relax", "wait_turn", "sched"];

/// Names of functions, by what they are to the operators.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Functions of the sources, methods of their traits included.
    known: BTreeSet<String>,
    /// Those that return something, under that name, anywhere.
    valued: BTreeSet<String>,
    /// Those that only modules of the sources can call.
    public: BTreeSet<String>,
    /// What waits: the machine's own words, and functions with a loop around one.
    waits: BTreeSet<String>,
    handshake: Option<String>,
    calls: Calls,
}

impl Facts {
    pub(super) fn of(files: &[File]) -> Self {
        let mut facts = Self { handshake: fixed::handshake(files), ..Self::default() };
        facts.waits.extend(WAITS.map(str::to_owned));
        let mut waiters = BTreeSet::new();
        for file in files {
            let other = facts.is_other_handshake(file);
            facts.calls.count(file, other);
            let mut names = Names { facts: &mut facts, waiters: BTreeSet::new() };
            names.visit_file(file);
            if !other {
                waiters.append(&mut names.waiters);
            }
        }
        facts.waits.append(&mut waiters);
        facts
    }

    pub(super) fn is_other_handshake(&self, file: &File) -> bool {
        self.handshake.as_ref().is_some_and(|own| fixed::is_other_handshake(file, own))
    }

    /// Whether Fixed never calls a function. What others may call is taken for called.
    pub(super) fn never_from_fixed(&self, function: &str) -> bool {
        !self.public.contains(function) && self.calls.never_from_fixed(function)
    }

    /// Whether a function of the sources goes by this name.
    pub(super) fn is_known(&self, name: &str) -> bool {
        self.known.contains(name)
    }

    /// Whether every function of this name returns nothing.
    pub(super) fn is_unit(&self, name: &str) -> bool {
        self.is_known(name) && !self.valued.contains(name)
    }

    /// Whether a call of this name waits.
    pub(super) fn is_wait(&self, name: &str) -> bool {
        self.waits.contains(name)
    }

    /// Whether a loop waits: something in it does.
    pub(super) fn waits_in(&self, body: &syn::Block) -> bool {
        let mut search = Search { facts: self, found: false };
        search.visit_block(body);
        search.found
    }
}

struct Search<'a> {
    facts: &'a Facts,
    found: bool,
}

impl<'ast> Visit<'ast> for Search<'_> {
    fn visit_expr(&mut self, node: &'ast Expr) {
        if matches!(node, Expr::Call(_) | Expr::MethodCall(_)) {
            self.found |= callee(node).is_some_and(|name| self.facts.is_wait(&name));
        }
        visit::visit_expr(self, node);
    }
}

struct Names<'a> {
    facts: &'a mut Facts,
    waiters: BTreeSet<String>,
}

impl Names<'_> {
    fn function(&mut self, signature: &Signature, public: bool, body: Option<&syn::Block>) {
        let name = signature.ident.to_string();
        if !matches!(signature.output, ReturnType::Default) {
            self.facts.valued.insert(name.clone());
        }
        if public {
            self.facts.public.insert(name.clone());
        }
        if let Some(body) = body {
            let mut loops = Loops { facts: self.facts, wait: false };
            loops.visit_block(body);
            if loops.wait {
                self.waiters.insert(name.clone());
            }
        }
        self.facts.known.insert(name);
    }
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        let public = matches!(item.vis, syn::Visibility::Public(_));
        self.function(&item.sig, public, Some(&item.block));
    }
    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        let public = matches!(item.vis, syn::Visibility::Public(_));
        self.function(&item.sig, public, Some(&item.block));
    }
    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.function(&item.sig, true, item.default.as_ref());
    }
}

/// Looks for a loop that waits.
struct Loops<'a> {
    facts: &'a Facts,
    wait: bool,
}

impl<'ast> Visit<'ast> for Loops<'_> {
    fn visit_expr_while(&mut self, node: &'ast syn::ExprWhile) {
        self.wait |= self.facts.waits_in(&node.body);
        visit::visit_expr_while(self, node);
    }
    fn visit_expr_for_loop(&mut self, node: &'ast syn::ExprForLoop) {
        self.wait |= self.facts.waits_in(&node.body);
        visit::visit_expr_for_loop(self, node);
    }
    fn visit_expr_loop(&mut self, node: &'ast syn::ExprLoop) {
        self.wait |= self.facts.waits_in(&node.body);
        visit::visit_expr_loop(self, node);
    }
}
