//! Drivers that live on all CPUs at once.

use core::sync::atomic::{AtomicU32, Ordering};

use alloc::sync::Arc;

use super::context::{Context, Outcome};
use super::crew::audited_crew;
use crate::devices::{self, Device};
use crate::mach::up;

/// What the drivers of one device did.
#[derive(Default)]
struct Sum {
    lives: AtomicU32,
    looks: AtomicU32,
    handled: AtomicU32,
}

/// Two drivers for each CPU and two more, so that each device has one at least; each lives again and
/// again, of another device every time.
pub fn run(context: &Context) -> Outcome {
    let sums: Arc<[Sum; 4]> = Arc::default();
    let moves = Arc::new(AtomicU32::new(0));
    let (all, moved, shared) = (sums.clone(), moves.clone(), context.clone());
    let workers = context.ncpu * 2 + 2;
    let body = move |who| {
        let context = &shared;
        let mut rng = context.rng(who);
        let mut limit = context.limit(10, 1000);
        let mut round = who;
        loop {
            let number = round % Device::ALL.len();
            if let Some(life) =
                devices::life_of(Device::ALL[number], context, &context.devices, &mut rng)
            {
                let sum = &all[number];
                sum.lives.fetch_add(1, Ordering::Relaxed);
                sum.looks.fetch_add(life.looks, Ordering::Relaxed);
                sum.handled.fetch_add(life.handled, Ordering::Relaxed);
            }
            round += 1;
            if !limit.next() {
                break;
            }
        }
        let up = up().expect("a process runs");
        moved.fetch_add(up.migrations.load(Ordering::Relaxed), Ordering::Relaxed);
    };
    audited_crew(context, &"devices", workers, |_| None, body);
    let (blind, astray) = devices::led_astray(context);
    let total = |part: fn(&Sum) -> &AtomicU32| -> u32 {
        sums.iter().map(|sum| part(sum).load(Ordering::Relaxed)).sum()
    };
    let lives = total(|sum| &sum.lives);
    let (looks, handled) = (total(|sum| &sum.looks), total(|sum| &sum.handled));
    let moves = moves.load(Ordering::Relaxed);
    let mut outcome = context.outcome(format_args!(
        "{lives} lives of drivers, {looks} looks by processes and {handled} by handlers, {moves} migrations"
    ));
    // What did not happen was not tried.
    let idle = |sum: &&Sum| sum.handled.load(Ordering::Relaxed) == 0;
    outcome.failures += sums.iter().filter(idle).count() as u32;
    outcome.failures += blind + u32::from(astray == 0);
    outcome.failures += u32::from(context.ncpu > 1 && moves <= workers as u32);
    outcome
}
