//! Who flips and who acts: one process of a jail and another, or the only processes of two jails.

use std::sync::OnceLock;

/// What this process does of an attack.
#[derive(Clone, Copy, PartialEq)]
pub enum Role {
    /// It acts, and starts what flips.
    Both,
    /// It flips until it is killed: another process acts.
    Flips,
    /// It acts on what another process has set up and flips.
    Acts,
}

static ROLE: OnceLock<Role> = OnceLock::new();

/// Said once, at the beginning.
pub fn take(role: Role) {
    let _ = ROLE.set(role);
}

pub fn is(role: Role) -> bool {
    *ROLE.get().unwrap_or(&Role::Both) == role
}

/// What one of two processes sets up for both.
pub fn set_up(make: impl FnOnce()) {
    if !is(Role::Acts) {
        make();
    }
}
