//! The audit: every rule over one machine that stands still.

use alloc::format;
use alloc::vec::Vec;
use core::fmt;

use crate::facts::Facts;
use crate::ledger::Ledger;
use crate::property::{Property, Subject, Violation};
use crate::rules::{kmaps, pages, user, vmap};
use crate::view::View;

/// Violations of one property that are told one by one; a garbled table has a thousand.
const TOLD: usize = 16;

/// Where one property does not hold.
pub(crate) struct Findings {
    property: Property,
    told: Vec<Violation>,
    more: usize,
}

impl Findings {
    pub(crate) fn add(&mut self, detail: fmt::Arguments<'_>) {
        self.about(Subject::Text, detail);
    }

    /// One that is about a device mapping.
    pub(crate) fn mapping(&mut self, (va, pa): (u32, u32), detail: fmt::Arguments<'_>) {
        self.about(Subject::Mapping { va, pa }, detail);
    }

    fn about(&mut self, subject: Subject, detail: fmt::Arguments<'_>) {
        if self.told.len() == TOLD {
            self.more += 1;
            return;
        }
        let (property, detail) = (self.property, format!("{detail}"));
        self.told.push(Violation { property, subject, detail });
    }

    fn into_violations(self) -> impl Iterator<Item = Violation> {
        let Self { property, told, more } = self;
        let rest = (more != 0).then(|| {
            let detail = format!("and {more} more");
            Violation { property, subject: Subject::Rest, detail }
        });
        told.into_iter().chain(rest)
    }
}

/// Everything about `view` that is not as it must be, by property.
///
/// The machine stands still meanwhile. Takes time in proportion to the tables in use, and no memory
/// per entry.
pub fn audit<V: View>(view: &V, ledger: &Ledger) -> Vec<Violation> {
    audit_only(view, ledger, &Property::ALL)
}

/// Like [`audit()`], for some properties.
pub fn audit_only<V: View>(view: &V, ledger: &Ledger, only: &[Property]) -> Vec<Violation> {
    let facts = Facts::gather(view, ledger);
    let mut violations = Vec::new();
    for &property in only {
        let mut found = Findings { property, told: Vec::new(), more: 0 };
        let rule = match property {
            Property::V1 => vmap::v1,
            Property::V2 => vmap::v2,
            Property::V3 => vmap::v3,
            Property::U1 => user::u1,
            Property::U2 => user::u2,
            Property::U3 => user::u3,
            Property::P1 => pages::p1,
            Property::P2 => pages::p2,
            Property::K1 => kmaps::k1,
            Property::T1 => kmaps::t1,
        };
        rule(&facts, &mut found);
        violations.extend(found.into_violations());
    }
    violations
}
