//! Lets a system call fail, and takes the abilities of a good file system away.

use rustix::io::Errno;
use std::cell::{Cell, RefCell};

/// What somebody else does, and before which call.
type Intruder = (u64, Box<dyn FnOnce()>);

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static FAILING: Cell<u64> = const { Cell::new(0) };
    static ERROR: Cell<Errno> = const { Cell::new(Errno::IO) };
    static INTRUDER: RefCell<Option<Intruder>> = const { RefCell::new(None) };
    static PLAIN: Cell<bool> = const { Cell::new(false) };
}

/// Lets the change with this number, counted from 1, fail. 0: none.
pub(crate) fn fail_at(number: u64, error: Errno) {
    CALLS.set(0);
    FAILING.set(number);
    ERROR.set(error);
}

/// Lets somebody else act right before the change with this number, counted from 1.
pub(crate) fn intrude_at(number: u64, act: impl FnOnce() + 'static) {
    CALLS.set(0);
    INTRUDER.set(Some((number, Box::new(act))));
}

/// Lets nobody act any more.
pub(crate) fn intrude_never() {
    INTRUDER.set(None);
}

/// How many changes there were since.
pub(crate) fn calls() -> u64 {
    CALLS.get()
}

/// Whether this thread's file systems know neither exchange nor move to a free name.
pub(crate) fn set_plain(plain: bool) {
    PLAIN.set(plain);
}

pub(crate) fn is_plain() -> bool {
    PLAIN.get()
}

pub(crate) fn point() -> rustix::io::Result<()> {
    CALLS.set(CALLS.get() + 1);
    let is_now = |intruder: &mut Intruder| intruder.0 == CALLS.get();
    if let Some((_, act)) = INTRUDER.with_borrow_mut(|intruder| intruder.take_if(is_now)) {
        act();
    }
    if CALLS.get() == FAILING.get() { Err(ERROR.get()) } else { Ok(()) }
}
