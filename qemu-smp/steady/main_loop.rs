//! QEMU's main loop and the thread that executes the guest's CPUs take turns.
//!
//! That thread executes all CPUs, one after the other, and runs the timers that are due in between. The main
//! loop runs due timers as well, and what devices left to it, whenever it was woken and that thread has put
//! down QEMU's lock. Which of the two comes first would be the host's choice, and a device's interrupt a CPU's
//! turn earlier or later. Here the main loop has its turn at two places only, which are the same in every run:
//!
//! - where that thread puts down QEMU's lock, having woken the main loop before: it waits until the main loop
//!   has nothing left to do;
//! - where that thread sleeps, as no CPU has anything to do.
//!
//! Between turns the main loop stays in its `ppoll`. Only what comes from outside, by another descriptor than
//! those by which QEMU's threads wake each other, is served at once, and by no order. In a QEMU whose threads
//! are others than these, nobody waits for ever.

use std::ffi::{c_int, c_uint, c_ulong, c_void};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64};

use crate::c::{
    Broadcast, Eventfd, POLLIN, Pollfd, Ppoll, Real, Timespec, Unlock, Wait, Write, eventfd_read,
    eventfd_write, getpid, gettid,
};
use crate::proof::{self, MAIN_LOOP, NOTIFIER, SLEEPER as CPUS};

static EVENTFD: Real = Real::new(c"eventfd");
static WRITE: Real = Real::new(c"write");
static PPOLL: Real = Real::new(c"ppoll");
static WAIT: Real = Real::new(c"pthread_cond_wait");
static BROADCAST: Real = Real::new(c"pthread_cond_broadcast");
static UNLOCK: Real = Real::new(c"pthread_mutex_unlock");

/// Whether the thread that executes the CPUs sleeps, or is not there yet.
static IDLE: AtomicBool = AtomicBool::new(true);
/// Its number; no thread has this one before it first sleeps.
static SLEEPER: AtomicI32 = AtomicI32::new(0);
/// What it sleeps on.
static BED: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
/// QEMU's lock.
static LOCK: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
/// Whether the main loop was woken since its last turn, or may have something left from it.
static WOKEN: AtomicBool = AtomicBool::new(false);
/// Whether the thread that executes the CPUs waits for the end of the main loop's turn.
static LENT: AtomicBool = AtomicBool::new(false);
/// Whether the main thread waits for the other one to do something: then it cannot take a turn.
static ASKS: AtomicBool = AtomicBool::new(false);
/// The descriptors by which QEMU's threads wake each other, below `MOST`.
static NOTIFIERS: [AtomicU64; 16] = [const { AtomicU64::new(0) }; 16];
const MOST: usize = 64 * NOTIFIERS.len();
/// Most descriptors that can be waited for between turns; with more there are no turns.
const SLOTS: usize = 64;
/// A turn is a matter of microseconds.
const LONGEST: Timespec = Timespec { seconds: 10, nanoseconds: 0 };

/// Rings when the main loop has its turn.
fn bell() -> c_int {
    static BELL: OnceLock<c_int> = OnceLock::new();
    *BELL.get_or_init(new_eventfd)
}

/// Rings when its turn ends.
fn end() -> c_int {
    static END: OnceLock<c_int> = OnceLock::new();
    *END.get_or_init(new_eventfd)
}

fn new_eventfd() -> c_int {
    // SAFETY: it is C's `eventfd`, which has no conditions.
    unsafe { EVENTFD.get::<Eventfd>()(0, 0) }
}

fn ring(bell: c_int) {
    // SAFETY: it has no conditions.
    unsafe { eventfd_write(bell, 1) };
}

/// It has rung.
fn hear(bell: c_int) {
    let mut rung = 0;
    // SAFETY: `rung` is there. Of a signal it is tried again.
    while unsafe { eventfd_read(bell, &mut rung) } < 0 {}
}

/// Waits for the end of the main loop's turn.
fn wait_for_end() {
    let mut end = [Pollfd { fd: end(), events: POLLIN, revents: 0 }];
    // SAFETY: the type is C's, and `end` is there.
    while unsafe { PPOLL.get::<Ppoll>()(end.as_mut_ptr(), 1, &LONGEST, null()) } < 0 {}
    if end[0].revents != 0 || !LENT.swap(false, SeqCst) {
        hear(end[0].fd);
    } else {
        proof::lost();
    }
}

fn is_main() -> bool {
    // SAFETY: they have no conditions.
    unsafe { getpid() == gettid() }
}

/// It is the thread that executes the CPUs. Others put down QEMU's lock as well (QEMU's RCU does, when CPUs
/// are made): a turn that two threads wait for ends for one of them only.
fn is_sleeper() -> bool {
    // SAFETY: it has no conditions.
    SLEEPER.load(SeqCst) == unsafe { gettid() }
}

fn is_notifier(fd: c_int) -> bool {
    usize::try_from(fd)
        .is_ok_and(|fd| fd < MOST && NOTIFIERS[fd / 64].load(SeqCst) & 1 << (fd % 64) != 0)
}

/// The main loop's turn is over.
fn give_back() {
    if LENT.swap(false, SeqCst) {
        ring(end());
    }
}

/// Notes the descriptor.
#[unsafe(no_mangle)]
// SAFETY: the name is libc's, and this has its type.
pub extern "C" fn eventfd(value: c_uint, flags: c_int) -> c_int {
    // SAFETY: it is C's `eventfd`, which has no conditions.
    let fd = unsafe { EVENTFD.get::<Eventfd>()(value, flags) };
    if let Ok(fd) = usize::try_from(fd)
        && fd < MOST
    {
        NOTIFIERS[fd / 64].fetch_or(1 << (fd % 64), SeqCst);
        proof::seen(NOTIFIER);
    }
    fd
}

/// Notes that somebody wakes the main loop.
///
/// # Safety
/// As for C's.
#[unsafe(no_mangle)]
// SAFETY: the name is libc's, and this has its type.
pub unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, count: usize) -> isize {
    if is_notifier(fd) && !is_main() {
        WOKEN.store(true, SeqCst);
    }
    // SAFETY: the type is C's, and the caller vouches for the rest.
    unsafe { WRITE.get::<Write>()(fd, bytes, count) }
}

/// Gives the main loop its turn if it was woken and the thread that executes the CPUs puts down QEMU's lock.
///
/// # Safety
/// As for C's.
#[unsafe(no_mangle)]
// SAFETY: the name is libc's, and this has its type.
pub unsafe extern "C" fn pthread_mutex_unlock(mutex: *mut c_void) -> c_int {
    // SAFETY: the type is C's, and the caller vouches for the rest.
    let result = unsafe { UNLOCK.get::<Unlock>()(mutex) };
    if mutex == LOCK.load(SeqCst) && WOKEN.load(SeqCst) && is_sleeper() {
        WOKEN.store(false, SeqCst);
        LENT.store(true, SeqCst);
        if ASKS.load(SeqCst) && LENT.swap(false, SeqCst) {
            // It would not come to the end of its turn; if it has seen that it has one, it has ended it.
            WOKEN.store(true, SeqCst);
            return result;
        }
        ring(bell());
        wait_for_end();
    }
    result
}

/// Notes that the thread that executes the CPUs sleeps. No other but the main thread waits like this.
///
/// # Safety
/// As for C's.
#[unsafe(no_mangle)]
// SAFETY: the name is libc's, and this has its type.
pub unsafe extern "C" fn pthread_cond_wait(condition: *mut c_void, mutex: *mut c_void) -> c_int {
    if is_main() {
        // It stops that thread, or waits for its start.
        ASKS.store(true, SeqCst);
        give_back();
    } else {
        // SAFETY: it has no conditions.
        SLEEPER.store(unsafe { gettid() }, SeqCst);
        LOCK.store(mutex, SeqCst);
        BED.store(condition, SeqCst);
        IDLE.store(true, SeqCst);
        ring(bell());
        proof::seen(CPUS);
    }
    // SAFETY: the type is C's, and the caller vouches for the rest.
    let result = unsafe { WAIT.get::<Wait>()(condition, mutex) };
    if is_main() {
        ASKS.store(false, SeqCst);
    } else {
        IDLE.store(false, SeqCst);
    }
    result
}

/// Notes that the thread that executes the CPUs will have something to do. It is too late where that thread
/// notes it itself: the main loop may be round once more by then.
///
/// # Safety
/// As for C's.
#[unsafe(no_mangle)]
// SAFETY: the name is libc's, and this has its type.
pub unsafe extern "C" fn pthread_cond_broadcast(condition: *mut c_void) -> c_int {
    if condition == BED.load(SeqCst) {
        WOKEN.store(true, SeqCst);
        IDLE.store(false, SeqCst);
    }
    // SAFETY: the type is C's, and the caller vouches for the rest.
    unsafe { BROADCAST.get::<Broadcast>()(condition) }
}

/// As C's; in the main thread it comes back in its turn, or for a word from outside.
///
/// # Safety
/// As for C's.
#[unsafe(no_mangle)]
// SAFETY: the name is libc's, and this has its type.
pub unsafe extern "C" fn ppoll(
    fds: *mut Pollfd,
    count: c_ulong,
    limit: *const Timespec,
    signals: *const c_void,
) -> c_int {
    // SAFETY: the type is C's.
    let real = unsafe { PPOLL.get::<Ppoll>() };
    let len = count as usize;
    if !is_main() || len >= SLOTS {
        if is_main() {
            proof::lost();
        }
        // SAFETY: the caller vouches for it.
        return unsafe { real(fds, count, limit, signals) };
    }
    proof::seen(MAIN_LOOP);
    while !IDLE.load(SeqCst) {
        // SAFETY: the caller vouches for it.
        let ready = unsafe { real(fds, count, &Timespec::NONE, signals) };
        // SAFETY: the caller vouches for `count` of them; without any the pointer is not looked at.
        let asked = if len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(fds, len) } };
        let outside = asked.iter().any(|it| it.revents != 0 && !is_notifier(it.fd));
        if ready < 0 || outside || ready > 0 && LENT.load(SeqCst) {
            return ready;
        }
        give_back();
        let mut waited = [Pollfd::NONE; SLOTS];
        for (slot, it) in waited.iter_mut().zip(asked.iter().filter(|it| !is_notifier(it.fd))) {
            *slot = *it;
        }
        waited[len] = Pollfd { fd: bell(), events: POLLIN, revents: 0 };
        // SAFETY: the slots are there, and are more than `len`.
        match unsafe { real(waited.as_mut_ptr(), count + 1, &LONGEST, signals) } {
            ..0 => return -1,
            // Woken, and no turn in all that time.
            0 if ready > 0 => {
                proof::lost();
                break;
            }
            _ => {}
        }
        if waited[len].revents != 0 {
            hear(bell());
        }
    }
    // SAFETY: the caller vouches for it.
    unsafe { real(fds, count, limit, signals) }
}
