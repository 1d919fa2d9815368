//! What container profiles take away, and what jail then does.

use crate::scene::{Scene, User};

#[test]
fn the_probe_takes_away_what_it_says() {
    let scene = Scene::new(&[]);
    for lacking in ["namespaces", "container", "old-container"] {
        for &user in scene.users() {
            let ran = scene
                .lacking(lacking, user, &["unshare", "--user", "true"])
                .output();
            ran.ends_with(1).complains("Operation not permitted");
        }
    }
}

/// In words, and before anything runs; or the same as outside.
#[test]
fn jail_runs_in_a_container_as_outside_of_one() {
    let scene = Scene::new(&[]);
    scene.write("work/file", "text\n");
    for lacking in ["namespaces", "container", "old-container"] {
        for &user in scene.users() {
            for policy in ["compute", "workspace", "offline", "read-only"] {
                let command = ["jail", "--policy", policy, "--", "cat", "file"];
                let run = scene.lacking(lacking, user, &command);
                let ran = run.cwd(scene.dir.path().join("work")).output();
                ran.ends_with(0).says("text\n");
            }
        }
    }
}

/// A profile that denies unshare(2) lets no thread have a umask of its own.
#[test]
fn what_the_supervisor_makes_in_a_container_has_the_commands_umask() {
    let scene = Scene::new(&[]);
    let script = "umask 027; mkdir made; mkfifo pipe; stat -c %a made pipe; umask 0; mkdir open; stat -c %a open; \
                  ln -s made link; mv open moved; rmdir moved made; rm pipe link";
    scene.write("work/empty", "");
    for lacking in ["namespaces", "container", "old-container"] {
        for &user in scene.users() {
            let command = ["jail", "--policy", "workspace", "--", "sh", "-ec", script];
            let run = scene.lacking(lacking, user, &command);
            let ran = run.cwd(scene.dir.path().join("work")).output();
            ran.ends_with(0).says("750\n640\n777\n");
        }
    }
}

/// A profile that denies pidfd_getfd(2) as well lets no supervisor judge sockets.
#[test]
fn a_socket_is_bound_without_unshare_with_the_commands_umask() {
    let scene = Scene::new(&[]);
    let script = "import os, socket\nos.umask(0o027)\nsocket.socket(socket.AF_UNIX).bind('bound')\n\
                  print(oct(os.stat('bound').st_mode & 0o777))\nos.unlink('bound')";
    scene.write("work/empty", "");
    for &user in scene.users() {
        let python = ["/usr/bin/python3", "-c", script];
        let jail = ["jail", "--policy", "workspace", "--"];
        let run = scene.lacking("namespaces", user, &[&jail[..], &python].concat());
        let ran = run.cwd(scene.dir.path().join("work")).output();
        ran.ends_with(0).says("0o750\n");
    }
}

/// What was judged is kept by calls that every container allows: nothing is racy there.
#[test]
fn what_is_judged_by_path_is_free_of_races_in_a_container() {
    let scene = Scene::new(&[]);
    scene.write(
        "policy.toml",
        "extends = [\"base\"]\n[fs]\nread = [\"/\"]\nexec = [\"/\"]\ndeny = [\"**/.env\"]\n",
    );
    for lacking in ["container", "old-container"] {
        for &user in scene.users() {
            let threads = ["jail", "--policy", "policy.toml", "--", "probe", "threads"];
            scene.lacking(lacking, user, &threads).output().ends_with(0);
            scene.write(".env", "secret");
            let denied = ["jail", "--policy", "policy.toml", "--", "cat", ".env"];
            let ran = scene.lacking(lacking, user, &denied).output();
            ran.ends_with(1).complains("jail: denied read of");
        }
    }
    let explain = ["jail", "explain", "--all", "policy.toml"];
    let ran = scene.lacking("old-container", User::Own, &explain);
    let ran = ran.output().ends_with(0);
    assert!(!ran.out.contains("racy"), "{}", ran.out);
}

/// Docker's profile keeps pidfd_getfd for CAP_SYS_PTRACE: a policy that needs it says so before
/// anything runs; one that lets nothing through does not need it.
#[test]
fn a_network_that_a_container_cannot_govern_is_an_error() {
    let scene = Scene::new(&[]);
    for &user in scene.users() {
        let run = |lacking, policy| {
            let command = ["jail", "--policy", policy, "--", "echo", "ran"];
            scene.lacking(lacking, user, &command).output()
        };
        for policy in ["localhost", "net", "https"] {
            let ran = run("container", policy).ends_with(125).says("");
            ran.complains("allow `pidfd_getfd` in it");
            run("namespaces", policy).ends_with(0).says("ran\n");
        }
        run("container", "workspace").ends_with(0).says("ran\n");
    }
}
