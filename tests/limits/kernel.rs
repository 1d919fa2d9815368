//! What the kernel keeps for the command counts as the command's where a cgroup limits its memory, also
//! where the supervisor makes the call.

use super::memory::{InMemory, modes};
use crate::support::{Dir, Ran, jail, plain, probe};

/// The cgroups that can be made here.
fn cgroups() -> Vec<&'static str> {
    let cgroups: Vec<&str> = modes().filter(|mode| *mode != "none").collect();
    if cgroups.is_empty() {
        println!("NOT TRIED HERE: kernel memory: this host or user can make no memory cgroup");
    }
    cgroups
}

/// Whether this kind can be made in memory; extended attributes of tmpfs cannot before Linux 6.6. If not, the test says
/// so.
fn can_be_made(kind: &str) -> bool {
    let Some(directory) = InMemory::new() else {
        return false;
    };
    let path = directory.0.to_str().expect("UTF-8");
    let ran = plain([probe(), "memory", kind, "1", path]).output();
    let can = !ran.err.contains("Unsupported");
    if !can {
        println!("NOT TRIED HERE: {kind} in memory: {}", ran.err.trim());
    }
    can
}

/// Runs a command that may write to these directories. The pattern makes the supervisor look at each name.
fn run_in(mode: &str, process: &str, write: &[&str], command: &[&str]) -> Ran {
    let dir = Dir::new();
    let policy = format!(
        "extends = [\"base\"]\n[fs]\nread = [\"/\"]\nexec = [\"/\"]\nwrite = {write:?}\n\
         deny = [\"*.secret\"]\n[limits]\nmemory = \"64MiB\"\n[process]\n{process}"
    );
    let policy = dir.write("policy.toml", policy);
    jail(["--policy", &policy, "--"])
        .args(command)
        .cwd(write.first().unwrap_or(&"/"))
        .env("JAIL_CGROUP", mode)
        .output()
}

#[test]
fn names_links_and_attributes_in_memory_count() {
    for mode in cgroups() {
        let kinds = ["symlinks", "directories", "attributes"];
        for kind in kinds.into_iter().filter(|kind| can_be_made(kind)) {
            let Some(directory) = InMemory::new() else {
                return;
            };
            let path = directory.0.to_str().expect("UTF-8");
            let command = [probe(), "memory", kind, "160", path];
            run_in(mode, "", &[path], &command)
                .ends_with(124)
                .complains("more than 64MiB of memory");
        }
    }
}

#[test]
fn names_links_and_attributes_within_the_limit_are_made() {
    for mode in cgroups() {
        let kinds = ["symlinks", "directories", "nodes", "links", "attributes"];
        for kind in kinds.into_iter().filter(|kind| can_be_made(kind)) {
            let Some(directory) = InMemory::new() else {
                return;
            };
            let path = directory.0.to_str().expect("UTF-8");
            let command = [probe(), "memory", kind, "2", path];
            run_in(mode, "", &[path], &command).ends_with(0);
        }
    }
}

/// Modes, owners and errors are as without a jail.
#[test]
fn what_is_made_in_the_cgroup_is_made_as_by_the_command() {
    let script = "umask 027; mkdir made made/deep; mkfifo made/pipe; ln -s target made/link; : > made/file\n\
        ln made/file made/other; mv made/other made/moved; umask 077; mkdir made/private\n\
        mkdir made 2>&1; mv none made 2>&1; ln -s x /no-place/link 2>&1\n\
        cd made; stat -c '%n %F %a %h %u %g' * | sort; readlink link; rm -r ../made";
    let user = match nix::unistd::geteuid().is_root() {
        true => "user = \"65534:65534\"\n",
        false => "",
    };
    for mode in cgroups() {
        for process in ["", user] {
            let dir = Dir::new();
            let path = dir.path().to_str().expect("UTF-8");
            let own = plain(["chmod", "777", path]).output();
            own.ends_with(0);
            let command = ["bash", "-c", script];
            let expected = match process {
                "" => plain(command).cwd(path).output(),
                _ => {
                    let ids = [
                        "setpriv",
                        "--reuid=65534",
                        "--regid=65534",
                        "--clear-groups",
                    ];
                    plain(ids.iter().chain(&command)).cwd(path).output()
                }
            };
            let ran = run_in(mode, process, &[path], &command);
            assert_eq!(ran.out, expected.out, "{mode} {process}: {}", ran.err);
        }
    }
}

/// The process that makes them is in the command's cgroup, and out of the command's reach.
#[test]
fn the_process_that_makes_names_cannot_be_killed_by_the_command() {
    let script = "mkdir made\n\
        at=$(sed -n 's/^[0-9]*:memory:/\\/sys\\/fs\\/cgroup\\/memory/p; s/^0::/\\/sys\\/fs\\/cgroup/p' /proc/self/cgroup)\n\
        for place in $at; do [ -e $place/cgroup.procs ] || continue\n\
        while read pid; do pids=\"$pids $pid\"; done < $place/cgroup.procs; done\n\
        for pid in $pids; do [ $pid = $$ ] || { kill -9 $pid 2> /dev/null && echo killed; }; done\n\
        set -- $pids; [ $# -gt 1 ] && mkdir again && ls";
    for mode in cgroups() {
        let dir = Dir::new();
        let path = dir.path().to_str().expect("UTF-8");
        let ran = run_in(mode, "", &[path], &["bash", "-c", script]);
        assert_eq!(ran.out, "again\nmade\n", "{mode}: {}", ran.err);
    }
}
