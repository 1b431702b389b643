//! What happens when a read under a map fails: SIGBUS.

use crate::EXIT_CODE;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// Most maps whose files are named; a store holds fewer open.
const MOST: usize = 256;

/// What the handler needs of a map, ready made: it must not allocate.
struct Names {
    message: Vec<u8>,
    mark: CString,
}

/// A mapped range of addresses. Free if `start` is 0, being filled or emptied if it is 1.
struct Entry {
    start: AtomicUsize,
    end: AtomicUsize,
    names: AtomicPtr<Names>,
}

static TABLE: [Entry; MOST] = [const {
    Entry {
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        names: AtomicPtr::new(ptr::null_mut()),
    }
}; MOST];

/// The action that was there before ours.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();

/// A map that the handler knows, until it is dropped.
#[derive(Debug)]
pub(crate) struct Registration(usize);

impl Registration {
    /// Makes a map known; `None` if it is empty, its path cannot be told, or there are too many.
    pub(crate) fn new(bytes: &[u8], path: &Path) -> Option<Registration> {
        if bytes.is_empty() {
            return None;
        }
        install();
        let mut message = b"error: ".to_vec();
        message.extend(path.as_os_str().as_bytes());
        message.extend(b": reading it failed: the disk is failing, or the file was cut; check the disk, then run fresnel db verify\n");
        let mut mark: OsString = path.into();
        mark.push(".suspect");
        let mark = CString::new(mark.into_vec()).ok()?;
        let names = Box::new(Names { message, mark });
        let start = bytes.as_ptr() as usize;
        for (number, entry) in TABLE.iter().enumerate() {
            let claimed = entry
                .start
                .compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed);
            if claimed.is_ok() {
                entry.names.store(Box::into_raw(names), Ordering::Release);
                entry.end.store(start + bytes.len(), Ordering::Release);
                entry.start.store(start, Ordering::Release);
                return Some(Registration(number));
            }
        }
        None
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let entry = &TABLE[self.0];
        entry.start.store(1, Ordering::Release);
        entry.end.store(0, Ordering::Release);
        let names = entry.names.swap(ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: the pointer is that of the box that `new` gave up for this entry, and only this
        // registration takes it back. The handler looks at it only for an address inside the map,
        // which nobody reads any more: it is being dropped.
        drop(unsafe { Box::from_raw(names) });
        entry.start.store(0, Ordering::Release);
    }
}

fn install() {
    PREVIOUS.get_or_init(|| {
        // SAFETY: `sigaction` is plain data for which all zeros is a value, and both pointers are to
        // such values. The handler does only what is safe in one: atomics, write, open, _exit,
        // sigaction.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let mut previous: libc::sigaction = std::mem::zeroed();
            let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = on_bus_error;
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigaction(libc::SIGBUS, &raw const action, &raw mut previous);
            previous
        }
    });
}

extern "C" fn on_bus_error(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the system hands a handler with SA_SIGINFO a valid pointer.
    let address = unsafe { (*info).si_addr() } as usize;
    for entry in &TABLE {
        let start = entry.start.load(Ordering::Acquire);
        if start > 1 && (start..entry.end.load(Ordering::Acquire)).contains(&address) {
            // SAFETY: somebody is reading at an address of this map, so that it is not being
            // dropped, and its names are there. All calls are safe in a handler.
            unsafe {
                let names = &*entry.names.load(Ordering::Acquire);
                libc::write(2, names.message.as_ptr().cast(), names.message.len());
                let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_CLOEXEC;
                libc::open(names.mark.as_ptr(), flags, 0o600);
                libc::_exit(EXIT_CODE);
            }
        }
    }
    // Not of a map of ours: it happens again under the action that was there before.
    if let Some(previous) = PREVIOUS.get() {
        // SAFETY: `previous` is what the system gave us.
        unsafe { libc::sigaction(libc::SIGBUS, previous, ptr::null_mut()) };
    }
}
