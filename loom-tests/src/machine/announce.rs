//! What the ledger hears of a call before it is made: that a range is being mapped or unmapped.
//!
//! From then on the oracles allow more. So under the explorer the ledger hears it with the first step that the call
//! takes, after all that others do before that step: an earlier moment would hide what they do wrong until then, and a
//! step of its own would show nothing more. Under loom it hears it at once.

use std::cell::Cell;
use std::rc::Rc;

use mmu386::variant::Variant;

use super::Cpu;
use crate::engine::{self, explorer};
use crate::oracle::ledger::Ledger;

/// Something that the ledger is to hear.
pub(super) struct Announcement<V: Variant> {
    /// How many steps the thread had taken when the call began.
    steps: u64,
    tell: Tell<V>,
}

type Tell<V> = Box<dyn FnOnce(&Cpu<V>)>;

/// What the ledger answers, once it has heard it.
pub(super) struct Announced<T>(Answer<T>);

type Answer<T> = Rc<Cell<Option<T>>>;

impl<V: Variant> Cpu<V> {
    /// A call begins, of which the ledger is to hear this.
    pub(super) fn announce<T: 'static>(
        &self,
        tell: impl FnOnce(&mut Ledger) -> T + 'static,
    ) -> Announced<T> {
        let answer = Rc::new(Cell::new(None));
        let inside = answer.clone();
        let tell = move |cpu: &Self| inside.set(Some(tell(&mut cpu.machine.ledger())));
        match explorer::steps().filter(|_| engine::explored()) {
            Some(steps) => {
                self.announcement.replace(Some(Announcement { steps, tell: Box::new(tell) }));
            }
            None => tell(self),
        }
        Announced(answer)
    }

    /// Whether the ledger is to hear something, and the call has taken no step so far.
    fn waits_for_step(&self) -> Option<bool> {
        let waiting = self.announcement.borrow();
        let waiting = waiting.as_ref().filter(|_| !self.in_interrupt.get())?;
        Some(Some(waiting.steps) == explorer::steps())
    }

    /// The thread is about to change something. The ledger has to hear before, so this takes a step if the call has
    /// taken none.
    pub(super) fn announce_at_latest(&self) {
        if self.waits_for_step() == Some(true) {
            explorer::step(false);
        }
    }

    /// The thread makes an access now. The ledger hears what it is to, if the call has taken a step.
    pub(super) fn announce_if_due(&self) {
        if self.waits_for_step() == Some(false) {
            self.announce_now();
        }
    }

    /// The call has returned. Returns what the ledger has answered.
    pub(super) fn announced<T>(&self, announced: Announced<T>) -> T {
        self.announce_now();
        announced.0.take().expect("the ledger has heard it by now")
    }

    fn announce_now(&self) {
        let waiting = self.announcement.take();
        if let Some(Announcement { tell, .. }) = waiting {
            tell(self);
        }
    }
}
