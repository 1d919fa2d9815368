//! The recorded session of README.md.

use crate::support::{JAIL, plain};

#[test]
fn the_recorded_session_shows_what_jail_prints_now() {
    for tool in ["python3", "cc", "make"] {
        if plain(["sh", "-c", &format!("command -v {tool}")])
            .output()
            .code()
            != Some(0)
        {
            println!("NOT TRIED HERE: no {tool}");
            return;
        }
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/recording/make");
    plain(["python3", script, "--jail", JAIL, "--check"])
        .output()
        .ends_with(0);
}
