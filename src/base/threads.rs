//! Threads that give way to others.

/// As low as it gets. Source: setpriority(2).
const LEAST: i32 = 19;

/// Has this thread run when no other wants to. What cannot be changed is left as it is.
pub fn give_way() {
    // On Linux this is about the calling thread alone. Source: nice(2), "C library/kernel differences".
    let _ = rustix::process::nice(LEAST);
}
