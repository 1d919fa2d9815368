//! What a verdict says of memory is the command's, however much its host has.

use super::policy;
use crate::support::probe;
use jail::internal::launch::{Withheld, probe as probed};
use jail::internal::plan::{Host, MemoryCgroup};
use jail::{Jail, Verdict};

const MIB: u64 = 1 << 20;

/// The peak of a command that succeeds, in MiB.
fn peak(more: &str, command: &[&str]) -> u64 {
    let verdict = verdict(more, command);
    assert!(verdict.success(), "{verdict:?}");
    verdict.memory.expect("it was measured").peak / MIB
}

fn verdict(more: &str, command: &[&str]) -> Verdict {
    // Without a cgroup the supervisor adds up the memory.
    let host = Host {
        memory: MemoryCgroup::None,
        ..probed(&Withheld::default())
    };
    let jail = Jail::builder()
        .policy(policy(more))
        .command(command)
        .host(host);
    jail.run().expect("an outcome").verdict
}

/// Memory of the host, every page of it touched.
fn large() -> Vec<u8> {
    let mut memory = vec![0_u8; 256 << 20];
    for page in memory.chunks_mut(4096) {
        page[0] = 1;
    }
    std::hint::black_box(memory)
}

#[test]
fn the_peak_is_the_commands_and_not_its_hosts() {
    let host = large();
    let size = (64 << 10).to_string();
    let more = "[limits]\nmemory = \"1GiB\"";
    let small = peak(more, &["true"]);
    assert!(small < 32, "{more}: {small}");
    // A process of its own, a child of it, and one that gives it back before it ends.
    for command in [
        [probe(), "peak", "ends", &size],
        [probe(), "peak", "forks", &size],
        [probe(), "peak", "unmaps", &size],
    ] {
        let large = peak(more, &command);
        assert!((64..160).contains(&large), "{command:?}: {more}: {large}");
    }
    // What a command becomes by an execve has a memory of its own.
    let script = format!("exec {} peak ends {size}", probe());
    let large = peak(more, &["bash", "-c", &script]);
    assert!((64..160).contains(&large), "{more}: {large}");
    drop(host);
}

/// It is the command's as well if it does not end by itself.
#[test]
fn the_peak_of_a_command_that_is_killed_is_its_own() {
    let host = large();
    const SPINS: &str = "trap '' TERM; while :; do :; done";
    for (more, script) in [
        ("", "kill -9 $$"),
        ("", "kill -11 $$"),
        ("wall = \"200ms\"\ngrace = \"10ms\"\n", SPINS),
        ("cpu = \"100ms\"\n", SPINS),
    ] {
        let more = format!("[limits]\nmemory = \"1GiB\"\n{more}");
        let verdict = verdict(&more, &["bash", "-c", script]);
        assert!(!verdict.success(), "{verdict:?}");
        let peak = verdict.memory.expect("it was measured").peak / MIB;
        assert!(peak < 32, "{script}: {peak}");
    }
    drop(host);
}
