//! `tmpdir = "fresh"`, as a policy means it before and after a run has its directory.

use jail::internal::judge::Judge;
use jail::internal::paths::Access;
use jail::internal::plan::{Host, Plan};
use jail::internal::policy::{Action, Policy};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

fn judge(policy: &Policy) -> Judge {
    let plan = Plan::new(policy, &Host::newest());
    plan.expect("a plan").judge
}

#[test]
fn tmpdir_means_the_runs_own_directory_wherever_it_stands() {
    let text = "extends = [\"base\"]\n[fs]\ndeny = [\"$TMPDIR/keys/**\"]\nread = [\"$TMPDIR/x\"]\n\
        [net]\nconnect = [\"unix:$TMPDIR/s\"]\n[process]\ntmpdir = \"fresh\"\n\
        env = { set = { CACHE = \"$TMPDIR/cache\" } }\n[[test]]\nallow = [\"write $TMPDIR/a\"]\n";
    let mut policy = Policy::parse(text, "a.toml").expect("a policy");
    assert_eq!(policy.tests.len(), 1);
    assert!(
        policy
            .tests
            .iter()
            .all(|test| judge(&policy).about(&test.about).action == Action::Allow)
    );
    policy.settle_tmpdir(Path::new("/own/run"));
    let judge = judge(&policy);
    let action = |access, path: &str| {
        judge
            .path(access, Path::new(path).as_os_str().as_bytes())
            .action
    };
    for access in [Access::Read, Access::Write, Access::Exec] {
        assert_eq!(action(access, "/own/run/a"), Action::Allow, "{access}");
        assert_ne!(action(access, "/own/other"), Action::Allow, "{access}");
        assert_ne!(action(access, "/own/run/keys/a"), Action::Allow, "{access}");
    }
    assert_eq!(policy.process.set["CACHE"].value, "/own/run/cache");
    let peers: Vec<String> = policy
        .peers
        .iter()
        .map(|peer| format!("{:?}", peer.endpoint))
        .collect();
    assert!(
        peers.iter().any(|peer| peer.contains("/own/run/s")),
        "{peers:?}"
    );
}

#[test]
fn without_it_tmpdir_is_the_callers() {
    let policy = Policy::parse("extends = [\"base\"]\n", "a.toml").expect("a policy");
    assert_eq!(policy.tmpdir, None);
    assert!(policy.paths.iter().all(|entry| entry.text != "$TMPDIR"));
}
