//! A command that root runs as another user: itself, and what the supervisor does in its name.

use crate::scene::{NOT_ROOT, Scene};
use crate::support::landlock::tried;
use crate::support::{is_root, probe};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

/// Where nothing is supervised, and where opens, changes and looks are.
const POLICIES: [&str; 3] = [
    "default = \"allow\"\n",
    "default = \"allow\"\n[fs]\ndeny = [\"**/.env\"]\n",
    "default = \"allow\"\n[fs]\nhide = [\"**/.env\"]\n",
];

fn scene(policy: &str, user: &str) -> Scene {
    let scene = Scene::new(&format!("{policy}[process]\nuser = \"{user}\"\n"));
    scene.dir.write("secret", "secret\n");
    let mode = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(scene.dir.path().join("secret"), mode(0o600)).expect("chmod");
    std::fs::create_dir(scene.dir.path().join("open")).expect("mkdir");
    std::fs::set_permissions(scene.dir.path().join("open"), mode(0o777)).expect("chmod");
    scene
}

#[test]
fn the_command_is_that_user_for_good() {
    if !is_root() {
        return println!("{NOT_ROOT}");
    }
    for policy in POLICIES {
        for user in ["nobody", "65534:65534"] {
            let ids = "id -u; id -ru; id -g; id -G; cat /proc/self/status";
            let ran = scene(policy, user).run(&["sh", "-c", ids]).output();
            let ran = ran.ends_with(0);
            assert!(
                ran.out.starts_with("65534\n65534\n65534\n65534\n"),
                "{}",
                ran.out
            );
            for line in [
                "Uid:\t65534\t65534\t65534\t65534\n",
                "Gid:\t65534\t65534\t65534\t65534\n",
                "CapPrm:\t0000000000000000\n",
                "CapBnd:\t0000000000000000\n",
            ] {
                assert!(ran.out.contains(line), "{line}: {}", ran.out);
            }
        }
    }
}

/// Of a user by name those that the host gives, by numbers none; never those of the caller.
#[test]
fn the_groups_are_the_users() {
    if !is_root() {
        return println!("{NOT_ROOT}");
    }
    for (user, groups) in [("nobody", "65534 4242\n"), ("65534:65534", "65534\n")] {
        let scene = scene(POLICIES[1], user);
        let group = "root:x:0:\nnogroup:x:65534:\nextra:x:4242:nobody\n";
        let group = scene.dir.write("group", group);
        let mount = format!("mount --bind {group} /etc/group && exec \"$@\"");
        let launcher = [
            "setpriv",
            "--groups=1,2",
            "unshare",
            "--mount",
            "sh",
            "-c",
            &mount,
            "sh",
        ];
        let ran = scene.behind(&launcher, &["id", "-G"]).output();
        ran.ends_with(0).says(groups);
        // And those of the supervisor: a file that only the group may read.
        let scene = self::scene(POLICIES[1], user);
        let shared = scene.dir.write("shared", "shared\n");
        std::os::unix::fs::chown(&shared, Some(0), Some(2)).expect("chown");
        let mode = std::fs::Permissions::from_mode(0o660);
        std::fs::set_permissions(&shared, mode).expect("chmod");
        let launcher = ["setpriv", "--groups=1,2"];
        let ran = scene
            .behind(&launcher, &["truncate", "-s", "0", &shared])
            .output();
        assert_ne!(ran.code(), Some(0), "{user}");
        assert_eq!(
            std::fs::read_to_string(&shared).expect("shared"),
            "shared\n"
        );
    }
}

#[test]
fn what_is_made_belongs_to_the_user_and_what_is_roots_stays_closed() {
    if !is_root() {
        return println!("{NOT_ROOT}");
    }
    for policy in POLICIES {
        let scene = scene(policy, "nobody");
        let work = "mkdir open/d; echo x >open/f; ln -s f open/l; chmod 640 open/f; mv open/f open/g; cat open/g";
        scene
            .run(&["sh", "-c", work])
            .output()
            .ends_with(0)
            .says("x\n");
        for name in ["open/d", "open/g"] {
            let data = std::fs::metadata(scene.dir.path().join(name)).expect(name);
            assert_eq!((data.uid(), data.gid()), (65534, 65534), "{name}: {policy}");
        }
        for command in [
            "cat secret",
            "chmod 666 secret",
            "truncate -s 0 secret",
            "mv secret open/secret",
            "rm -f secret",
            "mkdir d",
            "ln secret open/hard",
            "chown 65534 secret",
            "touch -d 2000-01-01 secret",
            "test -r secret",
        ] {
            let ran = scene.run(&["sh", "-c", command]).output();
            assert_ne!(ran.code(), Some(0), "{command} under {policy}");
        }
        let secret = std::fs::read_to_string(scene.dir.file("secret")).expect("secret");
        assert_eq!(secret, "secret\n", "{policy}");
    }
}

/// Reading paths, programs and descriptors of the command takes that the supervisor is that user, too.
#[test]
fn denials_hold_for_a_command_of_another_user() {
    if !is_root() {
        return println!("{NOT_ROOT}");
    }
    for policy in &POLICIES[1..] {
        let scene = scene(policy, "nobody");
        scene.dir.write("open/.env", "key\n");
        let work = "cat open/.env; (cat open/.env; exec cat open/.env) & wait; echo done";
        let ran = scene.run(&["sh", "-c", work]).output();
        ran.says("done\n");
    }
    let scene = scene(
        "default = \"allow\"\n[fs]\ndeny = [\"/usr/bin/[i]d\"]\n",
        "nobody",
    );
    scene
        .run(&["sh", "-c", "id || echo no"])
        .output()
        .says("no\n");
}

#[test]
fn a_user_with_a_capability_keeps_it_and_nothing_else() {
    if !is_root() {
        return println!("{NOT_ROOT}");
    }
    for policy in [
        POLICIES[0],
        "default = \"allow\"\n[net]\ndeny = [{ on = \"0.0.0.0:81\" }]\n",
    ] {
        let scene = Scene::new(&format!(
            "{policy}[process]\nuser = \"nobody\"\ncaps = [\"net_bind_service\"]\n"
        ));
        let copy = scene.probe();
        let bind = |port| scene.behind(&["unshare", "--net"], &[&copy, "binds", port]);
        bind("80").output().ends_with(0).says("bound\n");
        let ran = scene.run(&["cat", "/proc/self/status"]).output();
        for set in ["CapPrm", "CapEff", "CapInh", "CapAmb", "CapBnd"] {
            let line = format!("{set}:\t0000000000000400\n");
            assert!(ran.out.contains(&line), "{line}: {}", ran.out);
        }
    }
}

#[test]
fn the_command_cannot_look_into_the_supervisor() {
    if !is_root() {
        return println!("{NOT_ROOT}");
    }
    for landlock in tried(["0", "99"]) {
        for policy in POLICIES {
            let scene = scene(policy, "nobody");
            let look = "cat /proc/$PPID/environ || ls /proc/$PPID/fd || kill -0 $PPID || echo no";
            scene
                .run(&["sh", "-c", look])
                .env("JAIL_LANDLOCK_ABI", landlock)
                .output()
                .ends_with(0)
                .says("no\n");
        }
    }
}

/// What the supervisor signals is that user's, as the clock is that it keeps for itself.
#[test]
fn a_command_of_another_user_ends_with_its_time_or_before() {
    if !is_root() {
        return println!("{NOT_ROOT}");
    }
    for policy in POLICIES {
        let limited =
            |wall: &str| scene(&format!("{policy}[limits]\nwall = \"{wall}\"\n"), "nobody");
        let ran = limited("200ms").run(&["sleep", "30"]).output();
        ran.ends_with(124);
        for _ in 0..10 {
            limited("30s").run(&["true"]).output().ends_with(0);
        }
        let killed = format!("{policy}[syscalls]\ngetppid = \"kill\"\n");
        let scene = scene(&killed, "nobody");
        let copy = scene.probe();
        scene
            .run(&[&copy, "attack", "getppid"])
            .output()
            .ends_with(159);
    }
}

#[test]
fn only_root_runs_a_command_as_another_user() {
    let scene = Scene::process("user = \"games\"");
    scene
        .as_nobody(&[], &["sh", "-c", "echo ran"])
        .output()
        .ends_with(125)
        .says("")
        .complains("policy.toml:3: process.user: only root can run a command as games");
}

#[test]
fn a_user_that_is_not_there_is_named_with_its_line() {
    if !is_root() {
        return println!("{NOT_ROOT}");
    }
    Scene::process("user = \"nosuchuser\"")
        .run(&[probe(), "arguments"])
        .output()
        .ends_with(125)
        .says("")
        .complains("policy.toml:3: process.user: there is no user nosuchuser");
}
