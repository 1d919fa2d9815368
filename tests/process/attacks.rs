//! What a command with capabilities, or of another user, tries to get done in its name.

use crate::scene::{NOT_ROOT, Scene};
use crate::support::{is_root, probe};
use std::os::unix::fs::PermissionsExt;

/// Where nothing is supervised, and where opens, changes and looks are.
const POLICIES: [&str; 3] = [
    "default = \"allow\"\n",
    "default = \"allow\"\n[fs]\ndeny = [\"**/.env\"]\n",
    "default = \"allow\"\n[fs]\nhide = [\"**/.env\"]\n",
];

/// A server that asks as somebody else would, by lowering what it has: the supervisor must not do more
/// in its name. That it could raise them again does not matter to who asked it.
#[test]
fn capabilities_that_are_lowered_are_none_in_what_is_made_in_the_commands_name() {
    if !is_root() {
        return println!("{NOT_ROOT}");
    }
    for policy in POLICIES {
        for user in ["", "user = \"nobody\"\n"] {
            let caps = "caps = [\"dac_override\", \"fowner\"]\n";
            let scene = Scene::new(&format!("{policy}[process]\n{user}{caps}"));
            let file = scene.dir.write("closed/file", "");
            let closed = scene.dir.file("closed");
            for path in [&file, &closed] {
                std::os::unix::fs::chown(path, Some(1), Some(1)).expect("chown");
                let mode = std::fs::Permissions::from_mode(0o700);
                std::fs::set_permissions(path, mode).expect("chmod");
            }
            let copy = scene.probe();
            scene
                .run(&[&copy, "lowered", &closed, &file])
                .output()
                .ends_with(0)
                .says("------+++\n+++++++++\n------+++\n");
        }
    }
}

#[test]
fn the_keys_of_the_callers_session_are_not_another_users() {
    if !is_root() {
        return println!("{NOT_ROOT}");
    }
    for (user, expected) in [("", "read\n"), ("user = \"nobody\"", "ENOKEY\n")] {
        let scene = Scene::process(user);
        let copy = scene.probe();
        let launcher = [probe(), "holding-key"];
        let ran = scene.behind(&launcher, &[&copy, "reads-key"]).output();
        ran.ends_with(0).says(expected);
    }
}
