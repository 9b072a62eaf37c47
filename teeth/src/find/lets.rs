//! Rows of `let` statements that change places.
//!
//! A `let` cannot stand in a branch, as its name would end there. So a row of them is written as
//! declarations and, in the branches, assignments.

use syn::{Pat, Stmt};

use super::expressions::takes_lock;
use super::statements::row;
use super::{Walk, from_to};
use crate::mutant::{Edit, Operator, Place};
use crate::syntax::bytes;

impl Walk<'_> {
    /// Exchanges `let` statements with a `let` behind them.
    pub(super) fn exchange_lets(&mut self, stmts: &[Stmt]) {
        let mut at = 0;
        while at < stmts.len() {
            let end = at + stmts[at..].iter().take_while(|stmt| simple(stmt)).count();
            let pairs: Vec<usize> = (at..end.saturating_sub(1))
                .filter(|&index| {
                    let (first, second) = (&stmts[index], &stmts[index + 1]);
                    (self.moves(first) || self.moves(second)) && self.apart(first, second)
                })
                .collect();
            // No longer than from the first pair to the last.
            if let (Some(&first), Some(&last)) = (pairs.first(), pairs.last()) {
                let run = &stmts[first..last + 2];
                for index in pairs {
                    self.exchange_in(run, index - first);
                }
            }
            at = end.max(at + 1);
        }
    }

    fn exchange_in(&mut self, run: &[Stmt], index: usize) {
        let mut order: Vec<&Stmt> = run.iter().collect();
        order.swap(index, index + 1);
        let text: Vec<String> = order.iter().map(|stmt| self.assignment(stmt)).collect();
        let edit = Edit {
            at: from_to(&run[0], &run[run.len() - 1]),
            place: Place::Lets,
            text: text.join(" "),
        };
        let pair = &run[index..index + 2];
        let before = row(self, pair);
        let after = format!("{} {}", row(self, &pair[1..]), row(self, &pair[..1]));
        self.add(Operator::Exchange, before, after, vec![edit]);
    }

    fn assignment(&self, stmt: &Stmt) -> String {
        let Some((name, init)) = parts(stmt) else { return String::new() };
        let value = self.text(bytes(init));
        // A guard is an option of one in the copy.
        let value = if takes_lock(init) { format!("Some({value})") } else { value.to_owned() };
        format!("{name} = {value};")
    }
}

/// The name and the value of `let name = value;`.
fn parts(stmt: &Stmt) -> Option<(String, &syn::Expr)> {
    let Stmt::Local(local) = stmt else { return None };
    let (Pat::Ident(pat), Some(init)) = (&local.pat, &local.init) else { return None };
    let plain = pat.by_ref.is_none() && pat.mutability.is_none() && pat.subpat.is_none();
    (plain && init.diverge.is_none()).then(|| (pat.ident.to_string(), &*init.expr))
}

fn simple(stmt: &Stmt) -> bool {
    parts(stmt).is_some()
}
