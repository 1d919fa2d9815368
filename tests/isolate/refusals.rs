//! What `isolate` cannot be: wrong words, and hosts that forbid it. Nothing runs then.

use crate::scene::{How, Scene};
use crate::support::{is_root, plain};
use jail::internal::policy::Policy;

fn words(own: &str, one: &str, other: &str) -> Vec<&'static str> {
    let process = |list: &str| format!("default = \"allow\"\n[process]\n{list}\n");
    let scene = Scene::new(&format!(
        "extends = [\"./one.toml\", \"./other.toml\"]\n{}",
        process(own)
    ));
    scene.dir.write("one.toml", process(one));
    scene.dir.write("other.toml", process(other));
    let policy = Policy::load("policy.toml", scene.dir.path());
    let policy = policy.unwrap_or_else(|problems| panic!("{problems}"));
    let isolate = policy.process.isolate.iter();
    isolate.map(|said| said.value.word()).collect()
}

#[test]
fn inherited_lists_are_joined() {
    let list = |words: &str| format!("isolate = [{words}]");
    assert_eq!(
        words(
            &list("\"net\""),
            &list("\"pid\", \"net\""),
            &list("\"user\"")
        ),
        ["user", "pid", "net"]
    );
    assert_eq!(words("isolate = []", &list("\"pid\""), ""), ["pid"]);
    assert_eq!(words("isolate = \"uts\"", "", ""), ["uts"]);
}

#[test]
fn a_wrong_word_is_told_with_the_nearest() {
    for (word, help) in [
        ("nte", "did you mean `net`?"),
        ("readonly", "did you mean `read-only`?"),
        (
            "everything",
            "the words are user, pid, net, ipc, uts, mount, read-only",
        ),
    ] {
        let scene = Scene::isolated(&format!("\"pid\", \"{word}\""));
        let ran = plain(["./jail", "check", "policy.toml"])
            .cwd(scene.dir.path())
            .output();
        assert_ne!(ran.code(), Some(0));
        let said = format!("{}{}", ran.out, ran.err);
        assert!(
            said.contains(&format!("`isolate` does not know the word `{word}`")),
            "{said}"
        );
        assert!(
            said.contains("policy.toml:3:") && said.contains(help),
            "{said}"
        );
    }
}

#[test]
fn a_host_without_namespaces_runs_nothing() {
    for words in ["\"pid\"", "\"user\"", "\"read-only\""] {
        let scene = Scene::isolated(words);
        for how in How::all() {
            let run = scene.run(how, &["sh", "-c", "touch open/ran"]);
            run.env("JAIL_NAMESPACES", "none")
                .output()
                .ends_with(125)
                .complains("policy.toml:3: process.isolate: JAIL_NAMESPACES=none")
                .complains("remove `isolate`");
            assert!(!scene.dir.path().join("open/ran").exists());
        }
    }
    // It gives nothing, and takes nothing from who asks for nothing.
    let scene = Scene::isolated("");
    for how in How::all() {
        let run = scene.run(how, &["true"]);
        run.env("JAIL_NAMESPACES", "none").output().ends_with(0);
    }
}

/// In a user namespace whose limits allow no further ones.
#[test]
fn a_limit_of_namespaces_is_named() {
    if !is_root() {
        return println!("NOT TRIED HERE: only root can set limits of namespaces");
    }
    for kind in ["user", "net", "pid"] {
        let scene = Scene::isolated("\"user\", \"pid\", \"net\"");
        let script = format!(
            "echo 0 >/proc/sys/user/max_{kind}_namespaces && exec ./jail --policy policy.toml -- touch open/ran"
        );
        let ran = plain(["unshare", "--user", "--map-root-user", "sh", "-c", &script])
            .cwd(scene.dir.path())
            .output();
        if ran.err.contains("unshare failed") {
            println!("NOT TRIED HERE: {}", ran.err);
            continue;
        }
        ran.ends_with(125)
            .complains(&format!("user.max_{kind}_namespaces is 0"))
            .complains("policy.toml:3: process.isolate: clone:");
        assert!(!scene.dir.path().join("open/ran").exists());
    }
}

#[test]
fn capabilities_and_another_user_do_not_go_with_a_user_namespace() {
    if !is_root() {
        return println!("NOT TRIED HERE: only root has capabilities to keep");
    }
    for (key, reason) in [
        (
            "caps = [\"CAP_CHOWN\"]",
            "no capability of `caps` can be kept",
        ),
        ("user = \"65534:65534\"", "`user` cannot be used"),
    ] {
        let policy = format!("default = \"allow\"\n[process]\n{key}\nisolate = [\"user\"]\n");
        let scene = Scene::new(&policy);
        let ran = plain(["./jail", "--policy", "policy.toml", "--", "true"])
            .cwd(scene.dir.path())
            .output();
        ran.ends_with(125)
            .complains("policy.toml:4: process.isolate:")
            .complains(reason);
        // Without one, both are as ever.
        let scene = Scene::new(&policy.replace("\"user\"]", "\"pid\", \"net\", \"mount\"]"));
        let ran = plain(["./jail", "--policy", "policy.toml", "--", "true"])
            .cwd(scene.dir.path())
            .output();
        ran.ends_with(0);
    }
}

#[test]
fn explain_shows_what_is_the_commands_own() {
    let scene = Scene::isolated("\"pid\", \"net\", \"read-only\"");
    let ran = plain(["./jail", "explain", "--all", "policy.toml"])
        .cwd(scene.dir.path())
        .env("COLUMNS", "1000")
        .output();
    let out = ran.ends_with(0).out;
    for word in ["pid", "net", "read-only"] {
        assert!(
            out.contains(&format!("process.isolate = \"{word}\"")),
            "{out}"
        );
    }
}
