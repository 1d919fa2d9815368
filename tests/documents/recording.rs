//! The recorded session of README.md.

use crate::support::{JAIL, installed, plain};

#[test]
fn the_recorded_session_shows_what_jail_prints_now() {
    if !["python3", "cc", "make"].into_iter().all(installed) {
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/recording/make");
    plain(["python3", script, "--jail", JAIL, "--check"])
        .output()
        .ends_with(0);
}
