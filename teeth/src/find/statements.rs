//! Statements: removed, or exchanged with their neighbour.

use syn::{BinOp, Expr, Lit, Stmt};

use super::{Walk, from_to};
use crate::fixed::value;
use crate::mutant::{Edit, Operator, Place};
use crate::syntax::{
    bound, bytes, callee, computed, expression, leaves, mentions, on_arch, one_line,
};

/// Beginnings of the names of what makes a CPU or a page directory forget.
const FLUSHES: [&str; 10] = [
    "putcr3",
    "invlpg",
    "flush",
    "sweep",
    "adopt",
    "mmuptefree",
    "mmuswitch",
    "taskswitch",
    "load_own",
    "changed_large",
];
/// What only tells, or only checks, or is none of ours (`set`, but for counters).
const LEFT_ALONE: [&str; 5] = ["trace", "broken", "expect_splhi", "set", "panic"];
/// Calls within a `let` that are worth moving.
const MOVED: [&str; 6] = ["splhi", "spllo", "swap", "fetch_add", "lock", "ilock"];

impl Walk<'_> {
    /// The statements of a block; `unit` if an expression at its end is known to have no value.
    pub(super) fn statements(&mut self, stmts: &[Stmt], unit: bool) {
        let last = stmts.len().saturating_sub(1);
        for (index, stmt) in stmts.iter().enumerate() {
            let Some(expr) = expression(stmt) else { continue };
            if let Some(operator) = self.removal(stmt, index == last) {
                self.first(&bytes(expr));
                self.change(operator, Place::Statement, bytes(stmt), "");
            }
        }
        for index in 0..stmts.len() {
            // The neighbour is behind what is no step.
            let rest = &stmts[index + 1..];
            let next = rest.iter().position(|stmt| !self.is_no_step(stmt));
            if self.is_no_step(&stmts[index]) {
                continue;
            }
            if let Some(next) = next {
                let next = index + 1 + next;
                let value = matches!(stmts[next], Stmt::Expr(_, None));
                self.exchange(stmts, index, next, unit || next != last || !value);
            }
        }
        self.exchange_lets(stmts);
    }

    /// With which operator a statement is removed, if one does.
    fn removal(&self, stmt: &Stmt, last: bool) -> Option<Operator> {
        let Stmt::Expr(expr, semicolon) = stmt else { return None };
        match expr {
            Expr::While(node) if self.facts.waits_in(&node.body) => return Some(Operator::Wait),
            Expr::ForLoop(node) if self.facts.waits_in(&node.body) => return Some(Operator::Wait),
            Expr::Loop(node) if self.facts.waits_in(&node.body) => return Some(Operator::Wait),
            Expr::Binary(binary) if counts(binary) => return Some(Operator::Counter),
            _ => {}
        }
        if let Expr::MethodCall(call) = expr
            && call.method == "set"
            && self.sets_by_one(call)
        {
            return Some(Operator::Counter);
        }
        let name = callee(expr)?;
        // The value at the end of a block is used.
        if semicolon.is_none() && !(last && self.facts.is_unit(&name)) {
            return None;
        }
        self.call_operator(expr, &name)
    }

    /// With which operator a call is removed, if one does.
    pub(super) fn call_operator(&self, expr: &Expr, name: &str) -> Option<Operator> {
        if let Expr::MethodCall(call) = expr
            && on_arch(&call.receiver)
        {
            match name {
                "fence" => return Some(Operator::Fence),
                "store" => return Some(Operator::Store),
                "splx" => return Some(Operator::Level),
                "fetch_add" => return Some(Operator::Counter),
                // Changed as expressions.
                "splhi" | "spllo" | "swap" => return None,
                _ => {}
            }
        }
        if FLUSHES.iter().any(|flush| name.starts_with(flush)) {
            return Some(Operator::Flush);
        }
        // A loop that waits is removed as a whole; without its wait it would only wait hotter.
        let wait = self.loops > 0 && self.facts.is_wait(name);
        let ours = name == "drop" || self.facts.is_known(name);
        (ours && !wait && !LEFT_ALONE.contains(&name)).then_some(Operator::Call)
    }

    /// `x.set(x.get() + 1)` and its like.
    fn sets_by_one(&self, call: &syn::ExprMethodCall) -> bool {
        let receiver = one_line(self.text(bytes(&call.receiver)));
        let Some(value) = call.args.first() else { return false };
        let value = one_line(self.text(bytes(value)));
        let value = value.strip_prefix(&format!("{receiver}.get()"));
        value.is_some_and(|rest| {
            [" + 1", " - 1", ".wrapping_add(1)", ".wrapping_sub(1)"].contains(&rest)
        })
    }

    /// Whether a statement is no step: it only tells the observer, or Fixed does not have it.
    fn is_no_step(&self, stmt: &Stmt) -> bool {
        match expression(stmt) {
            Some(Expr::If(node)) => {
                value(&node.cond) == Some(false) && node.else_branch.is_none() && !self.dead
            }
            Some(expr) => callee(expr).is_some_and(|name| name == "trace"),
            None => false,
        }
    }

    /// Whether it is worth moving.
    pub(super) fn moves(&self, stmt: &Stmt) -> bool {
        if matches!(stmt, Stmt::Local(_)) {
            let words = MOVED.map(str::to_owned);
            return computed(stmt).is_some_and(|init| {
                let tokens = self.text(bytes(init)).parse();
                tokens.is_ok_and(|tokens| mentions(tokens, &words))
            });
        }
        let name = expression(stmt).and_then(callee);
        match self.removal(stmt, true) {
            Some(Operator::Call) => name.is_some_and(|name| name == "drop"),
            Some(_) => true,
            None => name.is_some_and(|name| MOVED.contains(&name.as_str())),
        }
    }

    /// Whether the two statements may change places as far as names go.
    pub(super) fn apart(&self, first: &Stmt, second: &Stmt) -> bool {
        let uses = |stmt: &Stmt, names: &[String]| {
            let tokens = self.text(bytes(stmt)).parse();
            tokens.map_or(true, |tokens| mentions(tokens, names))
        };
        let names = |stmt: &Stmt| match stmt {
            Stmt::Local(local) => bound(&local.pat),
            _ => Vec::new(),
        };
        !uses(second, &names(first)) && !uses(first, &names(second))
    }

    /// Exchanges two statements, of which one is no `let`. `behind` tells whether something can come
    /// behind the second.
    fn exchange(&mut self, stmts: &[Stmt], at: usize, next: usize, behind: bool) {
        let (first, second) = (&stmts[at], &stmts[next]);
        let worth = self.moves(first) || self.moves(second);
        if !worth || leaves(first) || leaves(second) || !self.apart(first, second) {
            return;
        }
        let (first_text, second_text) = (self.text(bytes(first)), self.text(bytes(second)));
        let gone =
            |stmt: &Stmt| Edit { at: bytes(stmt), place: Place::Statement, text: String::new() };
        let put = |stmt: &Stmt, place: Place, text: &str| Edit {
            at: bytes(stmt),
            place,
            text: text.to_owned(),
        };
        // The machine's own calls take nothing away that their other place would need.
        let machine = |stmt: &Stmt| matches!(expression(stmt), Some(Expr::MethodCall(call)) if on_arch(&call.receiver));
        let edits = match (first, second) {
            (Stmt::Expr(..), Stmt::Expr(..)) if behind && machine(second) => {
                vec![gone(second), put(first, Place::Before, second_text)]
            }
            (Stmt::Expr(..), Stmt::Expr(..) | Stmt::Local(_)) if behind => {
                vec![gone(first), put(second, Place::Behind, first_text)]
            }
            (Stmt::Local(_), Stmt::Expr(..)) if behind => {
                vec![gone(second), put(first, Place::Before, second_text)]
            }
            _ => return,
        };
        let (one, two) = (one_line(first_text), one_line(second_text));
        let joined = |one: &str, two: &str| format!("{} {two}", one.trim_end());
        self.add(Operator::Exchange, joined(&one, &two), joined(&two, &one), edits);
    }
}

/// `x += 1` and `x -= 1`.
fn counts(binary: &syn::ExprBinary) -> bool {
    let one = matches!(&*binary.right, Expr::Lit(literal)
        if matches!(&literal.lit, Lit::Int(number) if number.base10_digits() == "1"));
    one && matches!(binary.op, BinOp::AddAssign(_) | BinOp::SubAssign(_))
}

/// The text of a row of statements.
pub(super) fn row(walk: &Walk<'_>, stmts: &[Stmt]) -> String {
    match stmts {
        [first, .., last] => one_line(walk.text(from_to(first, last))),
        [only] => one_line(walk.text(bytes(only))),
        [] => String::new(),
    }
}
