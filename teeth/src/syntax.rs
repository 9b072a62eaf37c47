//! Small questions about the tree of a source.

use std::ops::Range;

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Pat, Stmt};

/// The bytes of a node.
pub(crate) fn bytes(node: &impl Spanned) -> Range<usize> {
    node.span().byte_range()
}

/// A text on one line, with single spaces.
pub(crate) fn one_line(text: &str) -> String {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or(line));
    code.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

/// Whether `#[cfg(test)]` is among the attributes.
pub(crate) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

/// The name of what an expression calls, without its path.
pub(crate) fn callee(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) => Some(path.path.segments.last()?.ident.to_string()),
            _ => None,
        },
        Expr::MethodCall(call) => Some(call.method.to_string()),
        Expr::Try(attempt) => callee(&attempt.expr),
        Expr::Paren(inner) => callee(&inner.expr),
        _ => None,
    }
}

/// Whether the machine is what a method is called on: `arch`, or a field of that name.
pub(crate) fn on_arch(receiver: &Expr) -> bool {
    match receiver {
        Expr::Path(path) => path.path.is_ident("arch"),
        Expr::Field(field) => {
            matches!(&field.member, syn::Member::Named(name) if name == "arch")
        }
        _ => false,
    }
}

/// Whether a word occurs anywhere among the tokens.
pub(crate) fn mentions(tokens: TokenStream, words: &[String]) -> bool {
    tokens.into_iter().any(|tree| match tree {
        TokenTree::Ident(word) => words.iter().any(|other| word == other),
        TokenTree::Group(group) => mentions(group.stream(), words),
        _ => false,
    })
}

/// The names that a pattern binds.
pub(crate) fn bound(pat: &Pat) -> Vec<String> {
    struct Names(Vec<String>);
    impl<'ast> syn::visit::Visit<'ast> for Names {
        fn visit_pat_ident(&mut self, pat: &'ast syn::PatIdent) {
            self.0.push(pat.ident.to_string());
            syn::visit::visit_pat_ident(self, pat);
        }
    }
    let mut names = Names(Vec::new());
    syn::visit::Visit::visit_pat(&mut names, pat);
    names.0
}

/// The expression of a statement that is one.
pub(crate) fn expression(stmt: &Stmt) -> Option<&Expr> {
    match stmt {
        Stmt::Expr(expr, _) => Some(expr),
        _ => None,
    }
}

/// What a statement computes: itself, or what its `let` starts from.
pub(crate) fn computed(stmt: &Stmt) -> Option<&Expr> {
    match stmt {
        Stmt::Expr(expr, _) => Some(expr),
        Stmt::Local(local) => local.init.as_ref().map(|init| &*init.expr),
        _ => None,
    }
}

/// Whether nothing that follows a statement is reached.
pub(crate) fn leaves(stmt: &Stmt) -> bool {
    matches!(expression(stmt), Some(Expr::Return(_) | Expr::Break(_) | Expr::Continue(_)))
}
