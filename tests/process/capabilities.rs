//! Capabilities that a command keeps: none that it was not given, and those given wholly.

use crate::scene::{NOT_ROOT, Scene};
use crate::support::{Ran, is_root, jail, probe};
use std::os::unix::fs::PermissionsExt;

const SETS: [&str; 5] = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
const NONE: &str = "0000000000000000";
/// Bit 10.
const BIND: &str = "0000000000000400";

/// The sets of a /proc/PID/status.
fn sets(ran: &Ran) -> [String; 5] {
    SETS.map(|name| {
        let line = ran.out.lines().find_map(|line| line.strip_prefix(name));
        let line = line.unwrap_or_else(|| ran.fail(&format!("no {name}")));
        line.trim_start_matches(':').trim().to_owned()
    })
}

fn status(scene: &Scene) -> Ran {
    scene
        .run(&["cat", "/proc/self/status"])
        .output()
        .ends_with(0)
}

#[test]
fn root_keeps_none_unless_the_policy_says_so() {
    if !is_root() {
        return println!("{NOT_ROOT}");
    }
    for keys in ["", "caps = []", "umask = \"022\""] {
        assert_eq!(sets(&status(&Scene::process(keys))), [NONE; 5], "{keys}");
    }
}

#[test]
fn a_capability_that_is_kept_is_in_every_set_and_nothing_else_is() {
    if !is_root() {
        return println!("{NOT_ROOT}");
    }
    let scene = Scene::process("caps = [\"net_bind_service\"]");
    let ran = status(&scene);
    assert_eq!(sets(&ran), [BIND; 5]);
    assert!(ran.out.contains("NoNewPrivs:\t1\n"));
    // By the execve of another program, and of one that root does not run.
    let again = scene
        .run(&["sh", "-c", "sh -c 'cat /proc/self/status'"])
        .output()
        .ends_with(0);
    assert_eq!(sets(&again), [BIND; 5]);
    scene
        .run(&[probe(), "securebits"])
        .output()
        .ends_with(0)
        .says("0xef\n");
}

#[test]
fn a_port_below_1024_takes_the_capability() {
    if !is_root() {
        return println!("{NOT_ROOT}");
    }
    let network = ["unshare", "--net"];
    let bind = [probe(), "binds", "80"];
    Scene::process("caps = []")
        .behind(&network, &bind)
        .output()
        .ends_with(0)
        .says("Permission denied (os error 13)\n");
    Scene::process("caps = [\"CAP_NET_BIND_SERVICE\"]")
        .behind(&network, &bind)
        .output()
        .ends_with(0)
        .says("bound\n");
}

/// Where the supervisor binds in the command's name.
#[test]
fn a_bind_that_is_made_in_the_commands_name_has_its_capability() {
    if !is_root() {
        return println!("{NOT_ROOT}");
    }
    let scene = |caps: &str| {
        Scene::new(&format!(
            "default = \"allow\"\n[net]\ndeny = [{{ on = \"0.0.0.0:81\" }}]\n[process]\ncaps = [{caps}]\n"
        ))
    };
    let network = ["unshare", "--net"];
    let bind = |caps: &str, port: &str| {
        let scene = scene(caps);
        let run = scene.behind(&network, &[probe(), "binds", port]);
        run.output().ends_with(0).out
    };
    assert_eq!(bind("", "80"), "Permission denied (os error 13)\n");
    assert_eq!(bind("\"net_bind_service\"", "80"), "bound\n");
    let denied = "Permission denied (os error 13)\n";
    assert_eq!(bind("\"net_bind_service\"", "81"), denied);
}

#[test]
fn one_capability_gives_no_other() {
    if !is_root() {
        return println!("{NOT_ROOT}");
    }
    let caps = "[process]\ncaps = [\"net_bind_service\"]\n";
    for policy in [
        format!("default = \"allow\"\n{caps}"),
        // Here the supervisor makes the call in the command's name.
        format!("default = \"allow\"\n[fs]\ndeny = [\"**/.env\"]\n{caps}"),
    ] {
        let scene = Scene::new(&policy);
        let file = scene.dir.write("file", "");
        let closed = scene.dir.write("closed/file", "");
        std::os::unix::fs::chown(&closed, Some(1), Some(1)).expect("chown");
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&closed, mode).expect("chmod");
        scene
            .run(&["chown", "1", &file])
            .output()
            .ends_with(1)
            .complains("Operation not permitted");
        scene
            .run(&["cat", &closed])
            .output()
            .ends_with(1)
            .complains("Permission denied");
        for attack in ["sethostname", "chroot", "mount", "setuid"] {
            let argument = if attack == "setuid" { "65534" } else { "/tmp" };
            let ran = scene.run(&[probe(), "attack", attack, argument]).output();
            assert!(ran.out.contains("EPERM"), "{attack}: {}", ran.out);
        }
    }
}

/// Files that the command opens, and those that the supervisor changes in its name.
#[test]
fn a_capability_over_files_holds_for_what_is_made_in_the_commands_name() {
    if !is_root() {
        return println!("{NOT_ROOT}");
    }
    let denied = "[fs]\ndeny = [\"**/.env\"]\n";
    let scene = |fs: &str, caps: &str| {
        let scene = Scene::new(&format!(
            "default = \"allow\"\n{fs}[process]\ncaps = [{caps}]\n"
        ));
        let file = scene.dir.write("others/file", "read\n");
        let others = scene.dir.path().join("others");
        for (path, mode) in [(file.as_ref(), 0o600), (others.as_path(), 0o700)] {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path, mode).expect("chmod");
            std::os::unix::fs::chown(path, Some(1), Some(1)).expect("chown");
        }
        scene
    };
    let work = "cat others/file; mkdir others/d && echo made; chown 2 others/file && echo changed";
    for fs in ["", denied] {
        let ran = scene(fs, "").run(&["sh", "-c", work]).output();
        assert_eq!(ran.out, "", "{fs}");
        let kept = scene(fs, "\"dac_override\", \"chown\"");
        kept.run(&["sh", "-c", work])
            .output()
            .says("read\nmade\nchanged\n");
        // A task that has given them up has given them up in what is made in its name, too.
        let kept = scene(fs, "\"dac_override\", \"chown\"");
        let words = format!("{} giving-up sh -c 'echo without; {work}'; {work}", probe());
        let ran = kept.run(&["sh", "-c", &words]).output();
        assert_eq!(
            ran.out, "without\nread\nmade\nchanged\n",
            "{fs}: {}",
            ran.err
        );
    }
}

#[test]
fn an_ordinary_user_cannot_keep_what_he_does_not_have() {
    let scene = Scene::process("caps = [\"CAP_NET_BIND_SERVICE\"]");
    scene
        .as_nobody(&[], &["sh", "-c", "echo ran"])
        .output()
        .ends_with(125)
        .says("")
        .complains("policy.toml:3: process.caps: CAP_NET_BIND_SERVICE cannot be kept: jail does not have it")
        .complains("nothing was run");
}

#[test]
fn an_ordinary_user_keeps_what_he_has() {
    if !is_root() {
        return println!("{NOT_ROOT}");
    }
    let scene = Scene::process("caps = [\"net_bind_service\"]");
    let has = [
        "unshare",
        "--net",
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--inh-caps=+net_bind_service,+chown",
        "--ambient-caps=+net_bind_service,+chown",
    ];
    let (jail, probe) = (scene.jail(), scene.probe());
    let run = |command: &[&str]| {
        let fixed = [jail.as_str(), "--policy", "policy.toml", "--"];
        crate::support::plain(has.iter().chain(&fixed).chain(command))
            .cwd(scene.dir.path())
            .output()
            .ends_with(0)
    };
    run(&[&probe, "binds", "80"]).says("bound\n");
    let [inheritable, permitted, effective, _, ambient] = sets(&run(&["cat", "/proc/self/status"]));
    assert_eq!([inheritable, permitted, effective, ambient], [BIND; 4]);
}

#[test]
fn what_would_overrule_the_jail_cannot_be_kept() {
    for name in [
        "sys_admin",
        "sys_ptrace",
        "sys_module",
        "setuid",
        "bpf",
        "mknod",
        "sys_resource",
    ] {
        let scene = Scene::process(&format!("caps = [\"{name}\"]"));
        let ran = scene.run(&["sh", "-c", "echo ran"]).output().ends_with(125);
        let name = name.to_ascii_uppercase();
        ran.says("")
            .complains(&format!("no policy can keep CAP_{name}: "));
    }
}

#[test]
fn capabilities_past_the_network_are_refused_where_it_is_restricted() {
    let offline = Scene::new("extends = [\"offline\"]\n[process]\ncaps = [\"net_raw\"]\n");
    offline
        .run(&["true"])
        .output()
        .ends_with(125)
        .complains("CAP_NET_RAW cannot be kept where peers are restricted");
    if is_root() {
        let open = Scene::process("caps = [\"net_raw\"]");
        open.run(&["true"]).output().ends_with(0);
    }
    let check = jail(["check", "policy.toml"]).cwd(offline.dir.path());
    check.output().ends_with(1).complains("CAP_NET_RAW");
}
