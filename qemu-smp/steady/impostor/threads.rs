//! An impostor with QEMU's threads and lock, and nothing else: one executes CPUs, one is QEMU's RCU, and the
//! main loop serves whoever wakes it. Ends when the first two have put down the lock `ROUNDS` times each.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;

const ROUNDS: u32 = 20_000;
/// glibc's mutexes and condition variables start as zeros, and are no larger than this.
#[repr(C, align(16))]
struct Zeros([u64; 8]);

static mut LOCK: Zeros = Zeros([0; 8]);
static mut BED: Zeros = Zeros([0; 8]);
/// Threads that are done.
static DONE: AtomicU32 = AtomicU32::new(0);
/// Whether the CPUs may run.
static GO: AtomicU32 = AtomicU32::new(0);

#[repr(C)]
struct Pollfd {
    fd: i32,
    events: i16,
    revents: i16,
}

unsafe extern "C" {
    fn eventfd(value: u32, flags: i32) -> i32;
    fn write(fd: i32, bytes: *const c_void, count: usize) -> isize;
    fn read(fd: i32, bytes: *mut c_void, count: usize) -> isize;
    fn ppoll(fds: *mut Pollfd, count: u64, limit: *const c_void, signals: *const c_void) -> i32;
    fn pthread_mutex_lock(mutex: *mut c_void) -> i32;
    fn pthread_mutex_unlock(mutex: *mut c_void) -> i32;
    fn pthread_cond_wait(condition: *mut c_void, mutex: *mut c_void) -> i32;
    fn pthread_cond_broadcast(condition: *mut c_void) -> i32;
}

fn lock() {
    // SAFETY: it is a mutex that nobody moves.
    unsafe { pthread_mutex_lock((&raw mut LOCK).cast()) };
}

fn unlock() {
    // SAFETY: as in `lock`.
    unsafe { pthread_mutex_unlock((&raw mut LOCK).cast()) };
}

fn wake(fd: i32) {
    // SAFETY: eight bytes are there, as an eventfd takes them.
    unsafe { write(fd, 1_u64.to_ne_bytes().as_ptr().cast(), 8) };
}

/// Wakes the main loop as often as devices and timers do, with the lock held.
fn rounds(fd: i32) {
    for _ in 0..ROUNDS {
        lock();
        wake(fd);
        unlock();
    }
    DONE.fetch_add(1, SeqCst);
    wake(fd);
}

fn main() {
    // SAFETY: it has no conditions.
    let notifier = unsafe { eventfd(0, 0) };
    thread::spawn(move || {
        lock();
        while GO.load(SeqCst) == 0 {
            // SAFETY: it is a condition variable that nobody moves, and the lock is held.
            unsafe { pthread_cond_wait((&raw mut BED).cast(), (&raw mut LOCK).cast()) };
        }
        unlock();
        rounds(notifier);
        // Nothing to do.
        lock();
        loop {
            // SAFETY: as above.
            unsafe { pthread_cond_wait((&raw mut BED).cast(), (&raw mut LOCK).cast()) };
        }
    });
    thread::spawn(move || rounds(notifier));
    lock();
    GO.store(1, SeqCst);
    // SAFETY: as above.
    unsafe { pthread_cond_broadcast((&raw mut BED).cast()) };
    unlock();
    let mut served = 0_u64;
    while DONE.load(SeqCst) < 2 {
        let mut asked = [Pollfd { fd: notifier, events: 1, revents: 0 }];
        // SAFETY: one is there, and null means no limit and no signals.
        unsafe { ppoll(asked.as_mut_ptr(), 1, null_mut(), null_mut()) };
        lock();
        if asked[0].revents != 0 {
            let mut count = 0_u64;
            // SAFETY: eight bytes are there.
            unsafe { read(notifier, (&raw mut count).cast(), 8) };
            served += count;
        }
        unlock();
    }
    println!("served {served}");
}
