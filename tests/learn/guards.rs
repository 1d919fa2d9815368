//! What stays closed while jail learns, whatever the policy lacks.

use crate::scene::{Scene, has};
use crate::support::is_root;

/// Learns a line of the shell, which must end well.
#[track_caller]
fn learned(scene: &Scene, line: &str) -> crate::support::Ran {
    scene.learn(&["--", "sh", "-c", line]).ends_with(0)
}

#[test]
fn credentials_and_triggers_stay_closed() {
    let scene = Scene::new();
    scene.dir.write("home/.ssh/id_ed25519", "SECRET");
    scene.dir.write("home/.netrc", "SECRET");
    scene.dir.write("home/notes", "notes");
    scene.write(".git/hooks/.keep", "");
    let ran = learned(
        &scene,
        "cat ~/.ssh/id_ed25519 ~/.netrc ~/notes; ls ~/.ssh; echo x > .git/hooks/post-commit; \
         echo x > .envrc; echo x > made; true",
    );
    assert!(
        !ran.out.contains("SECRET") && ran.out.contains("notes"),
        "{}",
        ran.out
    );
    assert!(!ran.out.contains("id_ed25519"), "{}", ran.out);
    let policy = scene.policy();
    let (_, entries) = policy.split_once("[fs]").expect("entries");
    for guarded in ["ssh", "netrc", ".env", ".git"] {
        assert!(!entries.contains(guarded), "{policy}");
    }
    for known in ["~/notes", "./made"] {
        assert!(policy.contains(known), "{policy}");
    }
    assert!(
        !scene
            .dir
            .path()
            .join("project/.git/hooks/post-commit")
            .exists()
    );
    assert!(!scene.dir.path().join("project/.envrc").exists());
}

#[test]
fn what_an_entry_denies_hides_or_protects_stays_closed() {
    let scene = Scene::new();
    for name in ["denied", "hidden", "kept"] {
        scene.write(name, name);
    }
    scene.write(
        "app.toml",
        "extends = [\"base\", \"protect-credentials\", \"protect-triggers\"]\n[fs]\n\
         deny = [\"./denied\"]\nhide = [\"./hidden\"]\nprotect = [\"./kept\"]\n",
    );
    let ran = learned(
        &scene,
        "cat denied; cat hidden; cat kept; echo x > kept; echo x > app.toml; true",
    );
    assert_eq!(ran.out, "kept");
    assert_eq!(scene.shell("cat kept").out, "kept");
    let policy = scene.policy();
    assert!(
        policy.contains("deny = [\"./denied\"]") && policy.contains("./kept\",  #"),
        "{policy}"
    );
    assert!(!policy.contains("write"), "{policy}");
}

#[test]
fn a_wide_entry_does_not_open_what_is_guarded() {
    let scene = Scene::new();
    learned(&scene, "for name in a b c d; do echo x > $name; done");
    let policy = scene.policy();
    assert!(policy.contains("write = [\n  \".\","), "{policy}");
    for guarded in ["write ./.git/hooks/x", "write ./.envrc", "write ./app.toml"] {
        scene
            .jail(&["explain", "app.toml", guarded])
            .says_part("den");
        let test = format!("{policy}\n[[test]]\ndeny = [\"{guarded}\"]\n");
        scene.write("test.toml", &test.replace("app.toml", "test.toml"));
        scene.jail(&["test", "test.toml"]).ends_with(0);
    }
}

#[test]
fn cloud_metadata_stays_closed() {
    if !has(&["python3", "--version"]) {
        return;
    }
    let scene = Scene::new();
    let line = "import socket\n\
        s = socket.socket()\n\
        s.settimeout(2)\n\
        try: s.connect(('169.254.169.254', 80))\n\
        except OSError as e: print(e.errno)\n";
    let ran = scene.learn(&["--", "python3", "-c", line]).ends_with(0);
    assert_eq!(ran.out, "13\n");
    ran.complains("connect 169.254.169.254:80");
    assert!(!scene.policy().contains("169.254"));
}

#[test]
fn the_baseline_and_closed_calls_stay_closed() {
    let scene = Scene::new();
    // A process is not traced, and its memory is not written.
    let ran = learned(
        &scene,
        "echo x 2>/dev/null > /proc/self/mem; unshare -r true; echo done",
    );
    assert_eq!(ran.out, "done\n");
    let policy = scene.policy();
    assert!(!policy.contains("/mem"), "{policy}");
}

#[test]
fn a_path_is_learned_as_the_place_that_it_leads_to() {
    let scene = Scene::new();
    scene.dir.write("home/.ssh/id_ed25519", "SECRET");
    scene.dir.write("elsewhere/file", "found");
    let ran = learned(
        &scene,
        "ln -s ../home/.ssh/id_ed25519 link; ln -s ../elsewhere/file other; cat link other; true",
    );
    assert_eq!(ran.out, "found");
    let policy = scene.policy();
    assert!(policy.contains("/elsewhere/file\""), "{policy}");
    // Entries for the links would open what they lead to.
    let (_, entries) = policy.split_once("[fs]").expect("entries");
    for led in ["ssh", "./link", "./other"] {
        assert!(!entries.contains(led), "{policy}");
    }
    ran.complains("/project/link: it leads elsewhere now");
}

#[test]
fn a_link_in_the_place_of_what_was_learned_opens_nothing() {
    let scene = Scene::new();
    scene.dir.write("home/important", "kept");
    learned(
        &scene,
        "echo x > out; rm out; ln -s ../home/important out; \
         mkdir made; echo x > made/a; mv made old; ln -s ../home made; true",
    );
    let policy = scene.policy();
    let (_, entries) = policy.split_once("[fs]").expect("entries");
    for led in ["./out\"", "./made\""] {
        assert!(!entries.contains(led), "{policy}");
    }
    scene
        .jail(&[
            "--policy",
            "app.toml",
            "--",
            "sh",
            "-c",
            "echo x > ../home/important; true",
        ])
        .ends_with(0);
    assert_eq!(scene.shell("cat ../home/important").out, "kept");
}

#[test]
fn a_directory_of_the_system_is_not_opened_as_a_whole() {
    let scene = Scene::new();
    let ran = learned(
        &scene,
        "ls / ~ >/dev/null; cat /etc/hostname >/dev/null; true",
    );
    ran.complains("pass now. Left out on purpose:")
        .complains("an entry would open the whole directory");
    let policy = scene.policy();
    assert!(
        !policy.contains("\"/\"") && !policy.contains("\"~\""),
        "{policy}"
    );
    if is_root() {
        assert!(!policy.contains("shadow"));
    }
}
