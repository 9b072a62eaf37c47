//! Which code Fixed does not contain: mutants are judged on Fixed, where nobody could notice it.
//!
//! Found in the source itself: branches that a question for a repair keeps Fixed out of, protocols
//! that Fixed does not use, and private functions that are called from such places alone.

use std::collections::BTreeMap;

use syn::{BinOp, Expr, File, ImplItem, Item, Lit, Type, UnOp};

use crate::syntax::{callee, is_test};

/// What a condition is on Fixed, if that can be told from the repairs alone.
pub fn value(condition: &Expr) -> Option<bool> {
    match condition {
        Expr::Paren(inner) => value(&inner.expr),
        Expr::Unary(not) if matches!(not.op, UnOp::Not(_)) => value(&not.expr).map(|known| !known),
        Expr::Binary(both) if matches!(both.op, BinOp::And(_)) => {
            match (value(&both.left), value(&both.right)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            }
        }
        Expr::Binary(both) if matches!(both.op, BinOp::Or(_)) => {
            match (value(&both.left), value(&both.right)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            }
        }
        Expr::Lit(literal) => match &literal.lit {
            Lit::Bool(known) => Some(known.value),
            _ => None,
        },
        // `A::Variant::FIXES.has(Fixes::A1)`, or the same through a local name.
        Expr::MethodCall(call) if call.method == "has" && is_fixes(&call.receiver) => Some(true),
        _ => None,
    }
}

fn is_fixes(receiver: &Expr) -> bool {
    let Expr::Path(path) = receiver else { return false };
    path.path.segments.last().is_some_and(|last| last.ident == "FIXES" || last.ident == "fixes")
}

/// The handshake of Fixed: what `impl Variant for Minus` takes.
pub fn handshake<'a>(files: impl IntoIterator<Item = &'a File>) -> Option<String> {
    files.into_iter().flat_map(|file| &file.items).find_map(|item| {
        let Item::Impl(item) = item else { return None };
        if implemented(item)? != "Variant" || name(&item.self_ty)? != "Minus" {
            return None;
        }
        item.items.iter().find_map(|item| match item {
            ImplItem::Type(item) if item.ident == "Handshake" => name(&item.ty),
            _ => None,
        })
    })
}

/// Whether a file is about a handshake that is not Fixed's.
pub fn is_other_handshake(file: &File, handshake: &str) -> bool {
    let mut handshakes = file.items.iter().filter_map(|item| match item {
        Item::Impl(item) if implemented(item)? == "Handshake" => name(&item.self_ty),
        _ => None,
    });
    handshakes.next().is_some_and(|first| first != handshake)
}

/// The trait that is implemented.
fn implemented(item: &syn::ItemImpl) -> Option<String> {
    Some(item.trait_.as_ref()?.0.segments.last()?.ident.to_string())
}

/// The name of a type, without its path.
pub(crate) fn name(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => Some(path.path.segments.last()?.ident.to_string()),
        _ => None,
    }
}

/// How often each function is called from code that Fixed contains, and how often from other code.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    counts: BTreeMap<String, (usize, usize)>,
    dead: bool,
}

impl Calls {
    /// Counts the calls of a file.
    pub fn count(&mut self, file: &File, other_handshake: bool) {
        self.dead = other_handshake;
        syn::visit::Visit::visit_file(self, file);
        self.dead = false;
    }

    /// Whether a function is called, and never from code that Fixed contains.
    pub fn never_from_fixed(&self, function: &str) -> bool {
        self.counts.get(function).is_some_and(|(live, dead)| *live == 0 && *dead > 0)
    }

    fn add(&mut self, name: Option<String>) {
        let Some(name) = name else { return };
        let count = self.counts.entry(name).or_default();
        if self.dead {
            count.1 += 1;
        } else {
            count.0 += 1;
        }
    }
}

impl<'ast> syn::visit::Visit<'ast> for Calls {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            syn::visit::visit_item_mod(self, item);
        }
    }

    fn visit_expr_if(&mut self, node: &'ast syn::ExprIf) {
        let (then, other) = dead_branches(&node.cond, self.dead);
        self.visit_expr(&node.cond);
        let before = self.dead;
        self.dead = then;
        self.visit_block(&node.then_branch);
        self.dead = other;
        if let Some((_, branch)) = &node.else_branch {
            self.visit_expr(branch);
        }
        self.dead = before;
    }

    fn visit_expr(&mut self, node: &'ast Expr) {
        if matches!(node, Expr::Call(_) | Expr::MethodCall(_)) {
            self.add(callee(node));
        }
        syn::visit::visit_expr(self, node);
    }
}

/// Which of the two branches of a condition Fixed does not contain, within code of which that is
/// `already` known.
pub(crate) fn dead_branches(condition: &Expr, already: bool) -> (bool, bool) {
    let known = value(condition);
    (already || known == Some(false), already || known == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<bool> {
        value(&syn::parse_str(text).unwrap())
    }

    #[test]
    fn repairs_are_known_and_nothing_else_is() {
        assert_eq!(of("A::Variant::FIXES.has(Fixes::A1)"), Some(true));
        assert_eq!(of("!fixes.has(Fixes::A1)"), Some(false));
        assert_eq!(of("!fixes.has(Fixes::A7) && arch.up().is_none()"), Some(false));
        assert_eq!(of("arch.up().is_none() || (fixes.has(Fixes::A7))"), Some(true));
        assert_eq!(of("fixes.has(Fixes::A10) && size > 0"), None);
        assert_eq!(of("set.has(Fixes::A1)"), None);
    }

    #[test]
    fn the_handshake_of_fixed_is_read_from_the_source() {
        let text = "impl Variant for Seed { type Handshake = Flags; }
                    impl<const B: u32> Variant for Minus<B> { type Handshake = Generations; }";
        let file = syn::parse_file(text).unwrap();
        assert_eq!(handshake([&file]).unwrap(), "Generations");
        let flags = syn::parse_file("impl Handshake for Flags {}").unwrap();
        assert!(is_other_handshake(&flags, "Generations"));
        assert!(!is_other_handshake(&flags, "Flags") && !is_other_handshake(&file, "Flags"));
    }

    #[test]
    fn what_is_called_from_branches_for_seed_alone_is_not_in_fixed() {
        let text = "fn f() { if fixes.has(A) { good() } else { bad(); both() } both() }";
        let mut calls = Calls::default();
        calls.count(&syn::parse_file(text).unwrap(), false);
        assert!(calls.never_from_fixed("bad"));
        assert!(!calls.never_from_fixed("good") && !calls.never_from_fixed("both"));
        assert!(!calls.never_from_fixed("f"));
    }
}
