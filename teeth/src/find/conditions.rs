//! Conditions turned round, and comparisons whose boundary moves.

use syn::{BinOp, Expr, ExprBinary};

use super::Walk;
use crate::mutant::{Operator, Place};
use crate::syntax::bytes;

/// Files in which every comparison is turned round, whatever it is for: how CPUs, locks and page
/// directories agree.
const HANDSHAKE: [&str; 3] = ["src/shootdown/", "src/slots.rs", "src/lock.rs"];

impl Walk<'_> {
    /// The condition of a branch or of a loop, or the guard of an arm: turned round as a whole, or,
    /// where it binds names, each part that binds none.
    pub(super) fn condition(&mut self, condition: &Expr) {
        if let Expr::Binary(both) = condition
            && matches!(both.op, BinOp::And(_))
            && (binds(&both.left) || binds(&both.right))
        {
            self.condition(&both.left);
            self.condition(&both.right);
        } else if !binds(condition) && self.first(&bytes(condition)) {
            let turned = match condition {
                Expr::Binary(binary) => self.turned(binary),
                _ => None,
            };
            let turned = turned.unwrap_or_else(|| {
                let text = self.text(bytes(condition));
                match condition {
                    Expr::Unary(not) if matches!(not.op, syn::UnOp::Not(_)) => {
                        self.text(bytes(&not.expr)).to_owned()
                    }
                    _ => format!("!({text})"),
                }
            });
            self.change(Operator::Negated, Place::Expression, bytes(condition), &turned);
        }
    }

    /// A comparison.
    pub(super) fn comparison(&mut self, binary: &ExprBinary) {
        let Some(turned) = self.turned(binary) else { return };
        let file = &self.source.file;
        let handshake = HANDSHAKE.iter().any(|start| file.starts_with(start));
        let at = bytes(binary);
        if handshake && self.first(&at) {
            self.change(Operator::Negated, Place::Expression, at.clone(), &turned);
        }
        let other = match binary.op {
            BinOp::Lt(_) => "<=",
            BinOp::Le(_) => "<",
            BinOp::Gt(_) => ">=",
            BinOp::Ge(_) => ">",
            _ => return,
        };
        let moved = self.with(binary, other);
        self.change(Operator::Boundary, Place::Expression, at, &moved);
    }

    /// A comparison with its opposite in its place.
    fn turned(&self, binary: &ExprBinary) -> Option<String> {
        let opposite = match binary.op {
            BinOp::Eq(_) => "!=",
            BinOp::Ne(_) => "==",
            BinOp::Lt(_) => ">=",
            BinOp::Le(_) => ">",
            BinOp::Gt(_) => "<=",
            BinOp::Ge(_) => "<",
            _ => return None,
        };
        Some(self.with(binary, opposite))
    }

    fn with(&self, binary: &ExprBinary, operator: &str) -> String {
        let (left, right) = (self.text(bytes(&binary.left)), self.text(bytes(&binary.right)));
        // `x as u32 < y` would begin a list of types.
        match &*binary.left {
            Expr::Cast(_) => format!("({left}) {operator} {right}"),
            _ => format!("{left} {operator} {right}"),
        }
    }
}

/// Whether a condition binds names.
fn binds(condition: &Expr) -> bool {
    match condition {
        Expr::Let(_) => true,
        Expr::Binary(both) => binds(&both.left) || binds(&both.right),
        Expr::Paren(inner) => binds(&inner.expr),
        _ => false,
    }
}
