//! Findings of hosts that are not this one: what is printed, the message of each gap, the document.

use super::findings::{
    Cgroup, Hierarchy, Kernel, Landlock, Names, Namespace, Probed, Ptrace, Seccomp, Terminal,
    Tracer, Variable,
};
use super::*;
use crate::plan::{Host, MemoryCgroup, ProcElsewhere};
use crate::sys::Errno;
use serde_json::Value;

const MANUAL: &str = include_str!("../../../docs/doctor.md");
const VIEW: View = View {
    color: false,
    width: None,
};
const WORDS: [&str; 7] = ["user", "pid", "net", "ipc", "uts", "mount", "read-only"];
const CALLS: [&str; 7] = [
    "close_range",
    "openat2",
    "process_vm_readv",
    "pidfd_open",
    "pidfd_send_signal",
    "pidfd_getfd",
    "kcmp",
];
const ACTIONS: [&str; 8] = [
    "kill_process",
    "kill_thread",
    "trap",
    "errno",
    "user_notif",
    "trace",
    "log",
    "allow",
];

/// A host that lacks nothing.
fn whole() -> Findings {
    let host = Host {
        landlock_abi: 11,
        kernel: (7, 3),
        memory: MemoryCgroup::V2,
        namespaces: true,
        memory_files: true,
        proc_elsewhere: ProcElsewhere::NOWHERE,
    };
    Findings {
        reason: None,
        unsupervised: None,
        kernel: Kernel {
            release: "7.3.4-generic".to_owned(),
            architecture: "x86_64".to_owned(),
            version: (7, 3),
        },
        user: 1000,
        landlock: Landlock {
            abi: 11,
            used: 11,
            errno: None,
            errata: Some(vec![1, 2, 3, 4]),
        },
        seccomp: Seccomp {
            actions: Some(ACTIONS.to_vec()),
            filtered: false,
        },
        ptrace: Ptrace {
            tracer: None,
            yama: Some(1),
        },
        namespaces: Some(
            WORDS
                .map(|word| Namespace {
                    word,
                    reason: None,
                    help: "",
                })
                .into(),
        ),
        cgroup: Cgroup {
            memory: MemoryCgroup::V2,
            hierarchies: vec![Hierarchy {
                version: 2,
                own: "/sys/fs/cgroup/user.slice/run.scope".to_owned(),
                controller: true,
                writable: true,
            }],
        },
        mmap_min_addr: Some(65536),
        names: Names {
            programs: &[],
            missing: Vec::new(),
        },
        calls: CALLS.map(|name| Probed { name, errno: None }).into(),
        terminal: Terminal {
            stdin: true,
            stdout: true,
            stderr: true,
            columns: Some(80),
            term: Some("xterm".to_owned()),
            no_color: false,
        },
        environment: Vec::new(),
        host,
        all: host,
    }
}

fn lacks(findings: &mut Findings, calls: &[(&str, Errno)]) {
    for (name, errno) in calls {
        let mut all = findings.calls.iter_mut();
        let call = all.find(|call| call.name == *name).expect("a call");
        call.errno = Some(*errno);
    }
}

fn with_host(findings: &mut Findings, host: Host) {
    (findings.host, findings.all) = (host, host);
    findings.landlock.abi = host.landlock_abi;
    findings.landlock.used = host.landlock_abi;
    findings.cgroup.memory = host.memory;
}

/// Linux 5.10: no Landlock.
fn old() -> Findings {
    let mut findings = whole();
    findings.kernel.release = "5.10.0-35-amd64".to_owned();
    findings.kernel.version = (5, 10);
    let host = Host {
        landlock_abi: 0,
        kernel: (5, 10),
        ..findings.host
    };
    with_host(&mut findings, host);
    findings.landlock.errno = Some(Errno::ENOSYS);
    findings.landlock.errata = None;
    findings
}

/// A container of an engine with an older profile, on a newer kernel.
fn container() -> Findings {
    let mut findings = whole();
    findings.seccomp.filtered = true;
    let calls = ["pidfd_getfd", "kcmp", "process_vm_readv"];
    lacks(&mut findings, &calls.map(|call| (call, Errno::EPERM)));
    let host = Host {
        landlock_abi: 0,
        kernel: findings.host.kernel,
        memory: MemoryCgroup::None,
        namespaces: true,
        memory_files: true,
        proc_elsewhere: ProcElsewhere::NOWHERE,
    };
    with_host(&mut findings, host);
    findings.landlock.errno = Some(Errno::EPERM);
    findings.landlock.errata = None;
    findings.cgroup.hierarchies = Vec::new();
    for namespace in findings.namespaces.iter_mut().flatten() {
        namespace.reason = Some(
            "clone: Operation not permitted (EPERM): this container's seccomp profile forbids it"
                .to_owned(),
        );
        namespace.help = "allow `clone` and `mount` in it (docker: --security-opt seccomp=PROFILE), or remove `isolate`";
    }
    findings.terminal.stderr = false;
    findings
}

/// Under strace, where stdout is a file.
fn traced() -> Findings {
    let mut findings = whole();
    findings.unsupervised = Some(
        "cannot trace the command: it is already traced by strace (pid 4711), and Linux allows one tracer per process; run jail outside of that debugger, strace or other jail"
            .to_owned(),
    );
    findings.ptrace.tracer = Some(Tracer {
        pid: 4711,
        name: "strace".to_owned(),
    });
    findings.namespaces = None;
    findings.terminal.columns = None;
    findings.terminal.stdout = false;
    findings
}

/// No command can be traced, and none runs without a supervisor.
fn closed() -> Findings {
    let mut findings = traced();
    findings.reason = findings.unsupervised.take();
    findings.landlock.abi = 5;
    findings.landlock.used = 5;
    findings.landlock.errata = Some(vec![1, 3]);
    findings.host.landlock_abi = 5;
    findings.all.landlock_abi = 5;
    findings
}

/// As the manual's example: one call is missing.
fn example() -> Findings {
    let mut findings = whole();
    findings.seccomp.filtered = true;
    lacks(&mut findings, &[("pidfd_getfd", Errno::EPERM)]);
    findings
}

fn shown(findings: &Findings) -> String {
    let text = String::from_utf8(printed(findings, false, VIEW)).expect("text");
    text.replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

fn document(findings: &Findings) -> Value {
    let line = printed(findings, true, VIEW);
    assert_eq!(
        line.iter().position(|byte| *byte == b'\n'),
        Some(line.len() - 1)
    );
    serde_json::from_slice(&line).expect("JSON")
}

/// Compares with a file of `tests/golden/doctor`; with `BLESS` set, writes it instead.
#[track_caller]
fn golden(name: &str, actual: &str) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/doctor");
    let path = std::path::Path::new(folder).join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, actual).expect("the golden file can be written");
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == actual,
        "{name}: expected\n{expected}\ngot\n{actual}"
    );
}

#[test]
fn hosts_of_every_kind_are_told_on_80_columns() {
    for (name, findings) in [
        ("whole.txt", whole()),
        ("old.txt", old()),
        ("container.txt", container()),
        ("traced.txt", traced()),
        ("closed.txt", closed()),
    ] {
        let text = shown(&findings);
        let printed = text.replace("VERSION", env!("CARGO_PKG_VERSION"));
        let longest = printed.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(80), "{name}: {longest:?}\n{text}");
        assert!(!text.contains('\u{1b}'), "{name}");
        golden(name, &text);
    }
}

#[test]
fn a_host_that_lacks_nothing_fits_on_one_screen() {
    let text = shown(&whole());
    assert!(text.lines().count() <= 26, "{text}");
    assert!(text.ends_with("gaps  none\n"), "{text}");
}

#[test]
fn the_reason_why_nothing_or_not_everything_can_run_comes_first() {
    let text = shown(&closed());
    let first = "jail VERSION cannot run here: cannot trace the command: it is already";
    assert!(text.starts_with(first), "{text}");
    let text = shown(&traced());
    let first = "jail VERSION can run here only without a supervisor: cannot trace the";
    assert!(text.starts_with(first), "{text}");
    let document = |findings| -> [Value; 3] {
        let document = document(&findings);
        ["runs", "reason", "unsupervised"].map(|field| document[field].clone())
    };
    let [runs, reason, unsupervised] = document(closed());
    assert!(runs == false && reason.is_string() && unsupervised.is_null());
    let [runs, reason, unsupervised] = document(traced());
    assert!(runs == true && reason.is_null() && unsupervised.is_string());
    let [runs, reason, unsupervised] = document(whole());
    assert!(runs == true && reason.is_null() && unsupervised.is_null());
}

#[test]
fn colours_are_used_only_where_asked_for() {
    let color = View {
        color: true,
        ..VIEW
    };
    let text = String::from_utf8(printed(&old(), false, color)).expect("text");
    assert!(text.contains('\u{1b}'));
    let json = String::from_utf8(printed(&old(), true, color)).expect("text");
    assert!(!json.contains('\u{1b}'));
}

#[test]
fn text_from_outside_cannot_control_the_terminal() {
    let mut findings = closed();
    findings.reason = Some("traced by \u{1b}[2Jx".to_owned());
    findings.terminal.term = Some("\u{1b}]0;x\u{7}".to_owned());
    findings.environment = vec![Variable {
        name: "JAIL_CGROUP",
        value: "v1\n\u{202e}".to_owned(),
    }];
    for json in [false, true] {
        let text = String::from_utf8(printed(&findings, json, VIEW)).expect("text");
        let hostile = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!text.contains(hostile), "{text:?}");
    }
}

/// What a gap is about, and a part of each of its sentences.
struct Expected {
    change: fn(&mut Findings),
    id: &'static str,
    gap: &'static str,
    cost: &'static str,
    close: &'static str,
}

#[rustfmt::skip]
const EXPECTED: &[Expected] = &[
    Expected {
        change: |it| it.unsupervised = Some("it is already traced".to_owned()),
        id: "no-tracer", gap: "without a supervisor: it is already traced", cost: "[net] addresses: not available here", close: "outside of a debugger",
    },
    Expected {
        change: |it| it.seccomp.actions = None,
        id: "seccomp", gap: "seccomp(2) cannot be used", cost: "no command", close: "that has seccomp",
    },
    Expected {
        change: |it| { it.seccomp.actions = None; it.seccomp.filtered = true; },
        id: "seccomp", gap: "container's seccomp profile", cost: "no command", close: "allow seccomp in the profile",
    },
    Expected {
        change: |it| it.seccomp.actions = Some(vec!["errno", "allow"]),
        id: "seccomp", gap: "cannot return trace", cost: "no command", close: "Linux 4.8",
    },
    Expected {
        change: |it| { no_landlock(it, Errno::ENOSYS); it.kernel.version = (5, 10); },
        id: "no-landlock", gap: "it came with Linux 5.13", cost: "[fs] read, exec: supervisor (1 stop per open or change), otherwise Landlock", close: "use Linux 5.13 or newer",
    },
    Expected {
        change: |it| no_landlock(it, Errno::ENOSYS),
        id: "no-landlock", gap: "built without it", cost: "signals to outside: supervisor", close: "CONFIG_SECURITY_LANDLOCK",
    },
    Expected {
        change: |it| no_landlock(it, Errno::EOPNOTSUPP),
        id: "no-landlock", gap: "not enabled at boot", cost: "/proc of outsiders: not available here", close: "lsm=",
    },
    Expected {
        change: |it| { no_landlock(it, Errno::EPERM); it.seccomp.filtered = true; },
        id: "no-landlock", gap: "container's seccomp profile", cost: "[net] TCP ports", close: "allow landlock_create_ruleset, landlock_add_rule",
    },
    Expected {
        change: |it| with_host(it, Host { landlock_abi: 3, ..it.host }),
        id: "old-landlock", gap: "this kernel has Landlock 3", cost: "[net] TCP ports: supervisor", close: "use Linux 7.2 or newer",
    },
    Expected {
        change: |it| it.landlock.errata = Some(vec![1, 2]),
        id: "errata", gap: "bugs that newer ones fix", cost: "erratum 3", close: "of the same series",
    },
    Expected {
        change: |it| it.landlock.errata = None,
        id: "errata", gap: "does not say", cost: "erratum 1", close: "newer kernel",
    },
    Expected {
        change: |it| { with_host(it, Host { kernel: (5, 9), ..it.host }); it.kernel.version = (5, 9); },
        id: "racy", gap: "older than Linux 5.10", cost: "[fs] deny, patterns: supervisor, racy", close: "use Linux 5.10 or newer",
    },
    Expected {
        change: |it| { lacks(it, &[("pidfd_getfd", Errno::EPERM)]); it.seccomp.filtered = true; },
        id: "pidfd_getfd", gap: "pidfd_getfd(2) is missing (EPERM): a container's", cost: "stops with an error", close: "--cap-add=SYS_PTRACE",
    },
    Expected {
        change: |it| { lacks(it, &[("close_range", Errno::ENOSYS)]); it.kernel.version = (5, 8); },
        id: "close_range", gap: "came with Linux 5.9", cost: "no command can be run", close: "use Linux 5.9 or newer",
    },
    Expected {
        change: |it| lacks(it, &[("openat2", Errno::ENOSYS)]),
        id: "openat2", gap: "security module", cost: "no path can be opened", close: "that has openat2",
    },
    Expected {
        change: |it| lacks(it, &[("pidfd_open", Errno::ENOSYS)]),
        id: "pidfd_open", gap: "pidfd_open(2)", cost: "isolate", close: "that has pidfd_open",
    },
    Expected {
        change: |it| lacks(it, &[("pidfd_send_signal", Errno::ENOSYS)]),
        id: "pidfd_send_signal", gap: "pidfd_send_signal(2)", cost: "late", close: "that has pidfd_send_signal",
    },
    Expected {
        change: |it| lacks(it, &[("process_vm_readv", Errno::ENOSYS)]),
        id: "process_vm_readv", gap: "process_vm_readv(2)", cost: "/proc/PID/mem", close: "that has process_vm_readv",
    },
    Expected {
        change: |it| lacks(it, &[("kcmp", Errno::ENOSYS)]),
        id: "kcmp", gap: "kcmp(2)", cost: "one stop more", close: "that has kcmp",
    },
    Expected {
        change: |it| no_cgroup(it, &[]),
        id: "no-cgroup", gap: "no cgroups are mounted", cost: "[limits] memory: supervisor (50 timer stops", close: "mount them there",
    },
    Expected {
        change: |it| no_cgroup(it, &[(2, false, true)]),
        id: "no-cgroup", gap: "/own does not have the memory controller", cost: "[limits] memory", close: "Delegate=yes",
    },
    Expected {
        change: |it| no_cgroup(it, &[(2, true, false)]),
        id: "no-cgroup", gap: "this user may not write to /own", cost: "[limits] memory", close: "systemd-run",
    },
    Expected {
        change: |it| no_cgroup(it, &[(2, true, true)]),
        id: "no-cgroup", gap: "/own has other processes", cost: "[limits] memory", close: "systemd-run",
    },
    Expected {
        change: |it| no_cgroup(it, &[(2, false, false), (1, true, false)]),
        id: "no-cgroup", gap: "version 1", cost: "[limits] memory", close: "run jail as root",
    },
    Expected {
        change: |it| {
            for namespace in it.namespaces.iter_mut().flatten().take(2) {
                (namespace.reason, namespace.help) = (Some("it is off".to_owned()), "set it to 1");
            }
        },
        id: "namespaces", gap: "`isolate` cannot use user, pid: it is off", cost: "before anything runs", close: "set it to 1",
    },
    Expected {
        change: |it| it.names.missing = vec!["getent", "id"],
        id: "names", gap: "no getent and no id in PATH", cost: "by name have no address", close: "libc-bin",
    },
    Expected {
        change: |it| {
            it.host.landlock_abi = 2;
            it.environment = vec![Variable { name: "JAIL_LANDLOCK_ABI", value: "2".to_owned() }];
        },
        id: "environment", gap: "JAIL_LANDLOCK_ABI=2", cost: "[net] TCP ports: supervisor", close: "unset",
    },
    Expected {
        change: |it| {
            it.host.namespaces = false;
            it.environment = vec![Variable { name: "JAIL_NAMESPACES", value: "none".to_owned() }];
        },
        id: "environment", gap: "JAIL_NAMESPACES=none", cost: "`isolate`: not available", close: "unset",
    },
];

fn no_landlock(findings: &mut Findings, errno: Errno) {
    let host = Host {
        landlock_abi: 0,
        ..findings.host
    };
    with_host(findings, host);
    findings.landlock.errno = Some(errno);
    findings.landlock.errata = None;
}

fn no_cgroup(findings: &mut Findings, hierarchies: &[(u32, bool, bool)]) {
    let host = Host {
        memory: MemoryCgroup::None,
        ..findings.host
    };
    with_host(findings, host);
    let hierarchies = hierarchies.iter();
    findings.cgroup.hierarchies = hierarchies
        .map(|&(version, controller, writable)| Hierarchy {
            version,
            own: "/own".to_owned(),
            controller,
            writable,
        })
        .collect();
}

#[test]
fn every_gap_says_what_is_missing_what_it_costs_and_what_to_do() {
    let samples = Samples::new();
    assert!(gaps::gaps(&whole(), &samples).is_empty());
    for expected in EXPECTED {
        let mut findings = whole();
        (expected.change)(&mut findings);
        let found = gaps::gaps(&findings, &samples);
        let is = |gap: &&Gap| gap.id == expected.id;
        let Some(gap) = found.iter().find(is) else {
            panic!("no {}: {found:?}", expected.id);
        };
        assert!(gap.gap.contains(expected.gap), "{gap:?}");
        let costs = gap.costs.join("\n");
        assert!(costs.contains(expected.cost), "{gap:?}");
        assert!(gap.close.contains(expected.close), "{gap:?}");
        let others: Vec<&Gap> = found.iter().filter(|gap| gap.id != expected.id).collect();
        assert!(others.is_empty(), "{}: {others:?}", expected.id);
    }
}

#[test]
fn a_landlock_that_the_environment_lowers_is_told() {
    let mut findings = whole();
    findings.landlock.used = 2;
    findings.host.landlock_abi = 2;
    findings.environment = vec![Variable {
        name: "JAIL_LANDLOCK_ABI",
        value: "2".to_owned(),
    }];
    let text = shown(&findings);
    assert!(
        text.contains("ABI 11; used as ABI 2 (JAIL_LANDLOCK_ABI); errata fixed: 1, 2, 3"),
        "{text}"
    );
    assert!(
        text.contains("environment    JAIL_LANDLOCK_ABI=2\n"),
        "{text}"
    );
    assert_eq!(document(&findings)["landlock"]["used"], 2);
}

#[test]
fn the_example_of_the_manual_is_what_is_written() {
    let example_text = MANUAL.split("```json\n").nth(1).expect("an example");
    let example_text = example_text.split("\n```").next().unwrap_or_default();
    let mut manual: Value = serde_json::from_str(example_text).expect("JSON");
    // The version of jail changes.
    manual["jail"] = env!("CARGO_PKG_VERSION").into();
    let written = document(&example());
    assert_eq!(manual, written, "written:\n{written:#}");
}

#[test]
fn the_text_of_the_manual_is_what_is_printed() {
    let text = MANUAL.split("```text\n").nth(1).expect("an example");
    let text = text.split("```").next().unwrap_or_default();
    let text = text.replacen("jail 0.1.0", "jail VERSION", 1);
    let printed = shown(&old());
    assert!(text == printed, "printed:\n{printed}");
}

#[test]
fn every_field_and_every_gap_is_in_the_manual() {
    fn fields(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    found.push(key.clone());
                    fields(value, found);
                }
            }
            Value::Array(list) => list.iter().for_each(|one| fields(one, found)),
            _ => {}
        }
    }
    let mut findings = traced();
    findings.namespaces = whole().namespaces;
    findings.environment = vec![Variable {
        name: "JAIL_CGROUP",
        value: "none".to_owned(),
    }];
    lacks(&mut findings, &[("kcmp", Errno::EPERM)]);
    let mut found = Vec::new();
    fields(&document(&findings), &mut found);
    assert!(found.len() > 60, "{found:?}");
    let gaps = EXPECTED.iter().map(|expected| expected.id.to_owned());
    for name in found.into_iter().chain(gaps) {
        assert!(MANUAL.contains(&format!("| `{name}` |")), "{name}");
    }
}

/// A reader can rely on each field.
#[test]
fn a_field_is_always_there() {
    let keys = |findings: &Findings| -> Vec<String> {
        let document = document(findings);
        let object = document.as_object().expect("an object");
        object.keys().cloned().collect()
    };
    for findings in [old(), container(), traced()] {
        assert_eq!(keys(&findings), keys(&whole()));
    }
    assert!(document(&traced())["namespaces"].is_null());
    assert!(document(&container())["cgroup"]["memory"].is_null());
    assert_eq!(document(&container())["calls"][5]["errno"], "EPERM");
}
