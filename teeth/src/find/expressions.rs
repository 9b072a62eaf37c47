//! Expressions: LOCKed operations, interrupt levels, locks, calls that are no statement.

use syn::{BinOp, Expr, ExprMethodCall, Lit, Local};

use super::Walk;
use crate::mutant::{Operator, Place};
use crate::syntax::{bytes, callee, on_arch};

impl Walk<'_> {
    /// A call of a method: of the machine's LOCKed operations, or of one that sets the level.
    pub(super) fn method_call(&mut self, call: &ExprMethodCall) {
        if !on_arch(&call.receiver) {
            return;
        }
        let arch = self.text(bytes(&call.receiver)).to_owned();
        match (call.method.to_string().as_str(), call.args.len()) {
            (name @ ("swap" | "fetch_add"), 2) => {
                let [word, value] = [&call.args[0], &call.args[1]];
                let (word, value) = (self.text(bytes(word)), self.text(bytes(value)));
                let new = if name == "swap" {
                    value.to_owned()
                } else {
                    format!("old.wrapping_add({value})")
                };
                let plain = format!(
                    "{{ let word = {word}; let old = {arch}.load(word); {arch}.store(word, {new}); old }}"
                );
                self.change(Operator::Unlocked, Place::Expression, bytes(call), &plain);
                // As a statement it was removed.
                let used = !self.done.contains(&(bytes(call).start, bytes(call).end));
                if name == "fetch_add" && is_one(&call.args[1]) && used {
                    let plain = format!("{arch}.load({word})");
                    self.change(Operator::Counter, Place::Expression, bytes(call), &plain);
                }
            }
            ("splhi" | "spllo", 0) => {
                let kept = format!(
                    "if {arch}.islo() {{ crate::arch::Spl::Lo }} else {{ crate::arch::Spl::Hi }}"
                );
                self.change(Operator::Level, Place::Expression, bytes(call), &kept);
            }
            _ => {}
        }
    }

    /// `let guard = lock.lock(arch);`
    pub(super) fn guard(&mut self, local: &Local) {
        let Some(init) = &local.init else { return };
        if !takes_lock(&init.expr) {
            return;
        }
        let at = bytes(&init.expr);
        let taken = format!("drop({}); None", self.text(at.clone()));
        self.change(Operator::LockSkipped, Place::Guard, at.clone(), "None");
        self.change(Operator::LockDropped, Place::Guard, at, &taken);
    }

    /// A call of something without a value where it is no statement: the arm of a match, what is
    /// returned, what a closure does.
    pub(super) fn unused_call(&mut self, expr: &Expr) {
        if !matches!(expr, Expr::Call(_) | Expr::MethodCall(_)) {
            return;
        }
        let Some(name) = callee(expr) else { return };
        if !self.facts.is_unit(&name) || !self.first(&bytes(expr)) {
            return;
        }
        if let Some(operator) = self.call_operator(expr, &name) {
            self.change(operator, Place::Expression, bytes(expr), "");
        }
    }

    /// `|n| n + 1` and `|n| n - 1`: the count stays as it is.
    pub(super) fn counting_closure(&mut self, closure: &syn::ExprClosure) {
        let Expr::Binary(body) = &*closure.body else { return };
        let step = matches!(body.op, BinOp::Add(_) | BinOp::Sub(_)) && is_one(&body.right);
        if step && closure.inputs.len() == 1 {
            let kept = self.text(bytes(&body.left)).to_owned();
            self.change(Operator::Counter, Place::Expression, bytes(body), &kept);
        }
    }
}

/// Whether an expression takes a lock and gives its guard.
pub(super) fn takes_lock(expr: &Expr) -> bool {
    matches!(expr, Expr::MethodCall(call)
        if (call.method == "lock" || call.method == "ilock") && call.args.len() == 1)
}

/// The number 1.
fn is_one(expr: &Expr) -> bool {
    matches!(expr, Expr::Lit(literal)
        if matches!(&literal.lit, Lit::Int(number) if number.base10_digits() == "1"))
}
