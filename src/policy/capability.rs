//! Capabilities by name, and those that no policy can let a command keep, because they could defeat the
//! jail. It never checks which ones the caller has.

use caps::Capability;

use super::{Action, Code, Diagnostic, NetEntry, Policy};
use crate::condition::nearest;

const PAST_KERNEL: &str = "with it code can be run in the kernel, past every filter";
const PAST_FILES: &str = "with it the same file can be reached under another name";
const ONE_USER: &str = "the supervisor acts for the command, as the one user that it starts as";
const PAST_MODULES: &str = "with it the host's other security modules can be overruled";

/// Each with the reason why a command cannot keep it.
const REFUSED: &[(Capability, &str)] = &[
    (Capability::CAP_BPF, PAST_KERNEL),
    (
        Capability::CAP_CHECKPOINT_RESTORE,
        "with it a process can say that it runs another program",
    ),
    (Capability::CAP_MAC_ADMIN, PAST_MODULES),
    (Capability::CAP_MAC_OVERRIDE, PAST_MODULES),
    (Capability::CAP_MKNOD, PAST_FILES),
    (Capability::CAP_PERFMON, PAST_KERNEL),
    (Capability::CAP_SETGID, ONE_USER),
    (Capability::CAP_SETUID, ONE_USER),
    (Capability::CAP_SYS_ADMIN, PAST_KERNEL),
    (Capability::CAP_SYS_BOOT, PAST_KERNEL),
    (Capability::CAP_SYS_CHROOT, PAST_FILES),
    (Capability::CAP_SYS_MODULE, PAST_KERNEL),
    (
        Capability::CAP_SYS_PTRACE,
        "with it every process can be taken over, the supervisor too",
    ),
    (Capability::CAP_SYS_RAWIO, PAST_KERNEL),
    (
        Capability::CAP_SYS_RESOURCE,
        "with it a process can lift its limits",
    ),
    (
        Capability::CAP_SYS_TTY_CONFIG,
        "with it the caller's terminal can be typed into",
    ),
];

/// Those that bypass `[net]`.
const NETWORK: &[Capability] = &[Capability::CAP_NET_ADMIN, Capability::CAP_NET_RAW];

/// Why no policy can keep it, if that is so.
pub(super) fn refused(capability: Capability) -> Option<&'static str> {
    REFUSED
        .iter()
        .find(|(refused, _)| *refused == capability)
        .map(|(_, reason)| *reason)
}

/// The capabilities of a policy that bypass its `[net]` and its rules about a `peer`.
pub(super) fn past_peers(policy: &Policy) -> Vec<Diagnostic> {
    let about_peers = |object: &super::Object| object.peer.is_some();
    let restricted = policy.default.action != Action::Allow
        || policy.peers.iter().any(NetEntry::closes)
        || policy
            .rules
            .iter()
            .any(|rule| rule.object.as_ref().is_some_and(about_peers));
    let kept = policy.process.capabilities.iter().flatten();
    kept.filter(|setting| restricted && NETWORK.contains(&setting.value))
        .map(|setting| {
            let message = format!(
                "{} cannot be kept where peers are restricted: with it the command bypasses [net]",
                setting.value
            );
            Diagnostic::error(Code::Baseline, message)
                .at(setting.origin.source, setting.span.clone())
                .help(
                    "remove it, or restrict no peers: `default = \"allow\"` and no denial in [net]",
                )
        })
        .collect()
}

/// The capability with that name, in upper or lower case, with or without `CAP_`; otherwise the nearest
/// name.
pub(super) fn named(text: &str) -> Result<Capability, Option<String>> {
    let upper = text.to_ascii_uppercase();
    let name = match upper.starts_with("CAP_") {
        true => upper,
        false => format!("CAP_{upper}"),
    };
    let known: Vec<(String, Capability)> = caps::all()
        .into_iter()
        .map(|capability| (capability.to_string(), capability))
        .collect();
    match known.iter().find(|(known, _)| *known == name) {
        Some((_, capability)) => Ok(*capability),
        None => {
            Err(nearest(&name, known.iter().map(|(known, _)| known.as_str())).map(str::to_owned))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_has_its_name_in_any_case_with_or_without_its_prefix() {
        for name in [
            "CAP_NET_BIND_SERVICE",
            "cap_net_bind_service",
            "NET_BIND_SERVICE",
            "net_bind_service",
        ] {
            assert_eq!(named(name), Ok(Capability::CAP_NET_BIND_SERVICE), "{name}");
        }
        let near = Some("CAP_NET_BIND_SERVICE".to_owned());
        assert_eq!(named("net_bind_servcie"), Err(near));
        assert_eq!(named(""), Err(None));
    }
}
