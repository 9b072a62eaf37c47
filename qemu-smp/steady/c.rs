//! What is used of the host's C library, and its own versions of what this library stands in for.

use std::ffi::{CStr, c_char, c_int, c_short, c_uint, c_ulong, c_void};
use std::mem::transmute_copy;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

/// `struct pollfd`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Pollfd {
    pub fd: c_int,
    pub events: c_short,
    pub revents: c_short,
}

/// `struct timespec`, of Linux where `long` has a word's size.
#[repr(C)]
pub struct Timespec {
    pub seconds: i64,
    pub nanoseconds: i64,
}

pub const POLLIN: c_short = 1;

impl Pollfd {
    /// A slot that is not looked at.
    pub const NONE: Self = Self { fd: -1, events: 0, revents: 0 };
}

impl Timespec {
    pub const NONE: Self = Self { seconds: 0, nanoseconds: 0 };
}

/// The next library in the loader's order.
const RTLD_NEXT: *mut c_void = -1_isize as *mut c_void;

unsafe extern "C" {
    pub fn getpid() -> c_int;
    pub fn gettid() -> c_int;
    pub fn eventfd_read(fd: c_int, value: *mut u64) -> c_int;
    pub fn eventfd_write(fd: c_int, value: u64) -> c_int;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
    fn dlvsym(library: *mut c_void, name: *const c_char, version: *const c_char) -> *mut c_void;
}

pub type Eventfd = unsafe extern "C" fn(c_uint, c_int) -> c_int;
pub type Ppoll =
    unsafe extern "C" fn(*mut Pollfd, c_ulong, *const Timespec, *const c_void) -> c_int;
pub type Wait = unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int;
pub type Write = unsafe extern "C" fn(c_int, *const c_void, usize) -> isize;
pub type Unlock = unsafe extern "C" fn(*mut c_void) -> c_int;
pub type Broadcast = unsafe extern "C" fn(*mut c_void) -> c_int;

/// A function of the C library that this library has under the same name.
pub struct Real {
    name: &'static CStr,
    found: AtomicPtr<c_void>,
}

impl Real {
    pub const fn new(name: &'static CStr) -> Self {
        Self { name, found: AtomicPtr::new(std::ptr::null_mut()) }
    }

    /// It, as a function.
    ///
    /// # Safety
    /// `F` is the type of a pointer to that function.
    pub unsafe fn get<F: Copy>(&self) -> F {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>()) }
        let mut found = self.found.load(Relaxed);
        if found.is_null() {
            found = self.look_up();
            self.found.store(found, Relaxed);
        }
        // SAFETY: the loader found it, and the caller vouches for its type.
        unsafe { transmute_copy(&found) }
    }

    fn look_up(&self) -> *mut c_void {
        let name = self.name.as_ptr();
        // SAFETY: the names end with zeros. Condition variables have an older version with another layout on
        // x86-64, which some loaders name first.
        let found = unsafe { dlvsym(RTLD_NEXT, name, c"GLIBC_2.3.2".as_ptr()) };
        if !found.is_null() {
            return found;
        }
        // SAFETY: as above.
        let found = unsafe { dlsym(RTLD_NEXT, name) };
        assert!(!found.is_null());
        found
    }
}
