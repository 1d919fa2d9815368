//! What a verdict says of memory is the command's, however much its host has.

use super::policy;
use crate::support::probe;
use jail::Jail;
use jail::internal::launch::{Withheld, probe as probed};
use jail::internal::plan::{Host, MemoryCgroup};

const MIB: u64 = 1 << 20;

/// The peak of a command, in MiB.
fn peak(more: &str, command: &[&str]) -> u64 {
    // Without a cgroup the supervisor adds up the memory.
    let host = Host {
        memory: MemoryCgroup::None,
        ..probed(&Withheld::default())
    };
    let jail = Jail::builder()
        .policy(policy(more))
        .command(command)
        .host(host);
    let verdict = jail.run().expect("an outcome").verdict;
    assert!(verdict.success(), "{verdict:?}");
    verdict.memory.expect("it was measured").peak / MIB
}

#[test]
fn the_peak_is_the_commands_and_not_its_hosts() {
    let host = std::hint::black_box(vec![1_u8; 256 << 20]);
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
    assert!(host.iter().all(|&byte| byte == 1));
}
