//! What `jail explain` prints.

use super::*;
use crate::plan::{MemoryCgroup, ProcElsewhere};

const NET: &str = "\
default = \"deny\"

[syscalls]
\"@network-io\" = \"allow\"
socket = { action = \"deny\", why = \"no network\" }

[[rule]]
syscall = \"socket\"
when    = \"domain == AF_UNIX\"
action  = \"allow\"
";

const HOST: Host = Host {
    landlock_abi: 7,
    kernel: (6, 18),
    memory: MemoryCgroup::None,
    namespaces: true,
    memory_files: true,
    proc_elsewhere: ProcElsewhere::NOWHERE,
};

const PLAIN: View = View {
    color: false,
    width: None,
};

fn explained(text: &str, call: Option<&str>, view: View) -> Result<String, String> {
    explained_on(&HOST, text, call, view)
}

fn explained_on(host: &Host, text: &str, call: Option<&str>, view: View) -> Result<String, String> {
    explained_within(host, text, "", call, view)
}

/// `domain`: the name of the program's domain, if any.
fn explained_within(
    host: &Host,
    text: &str,
    domain: &str,
    call: Option<&str>,
    view: View,
) -> Result<String, String> {
    let policy = Policy::parse(text, "net.toml").unwrap_or_else(|problems| panic!("{problems}"));
    let domain = policy.domain(domain);
    let on = On {
        host: *host,
        name: None,
    };
    let requests: Vec<String> = call.map(str::to_owned).into_iter().collect();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = explain(
        &policy,
        (&on, domain.map_or(DomainSet::NONE, DomainSet::one)),
        &requests,
        Form::All,
        view,
        &mut out,
        &mut err,
    )
    .unwrap();
    match code {
        0 => Ok(String::from_utf8(out).unwrap()),
        _ => Err(String::from_utf8(err).unwrap().trim_end().to_owned()),
    }
}

#[test]
fn a_call_is_explained_by_what_decided_and_what_lost() {
    assert_eq!(
        explained(NET, Some("socket(AF_INET, SOCK_DGRAM, 0)"), PLAIN).unwrap(),
        "\
socket(AF_INET, SOCK_DGRAM, IPPROTO_IP)
verdict      denied with EPERM
decided by   net.toml:5 socket: no network
             socket = { action = \"deny\", why = \"no network\" }
enforced by  filter, supervisor; cost: 1 stop per call
also said    net.toml:7 socket when domain == AF_UNIX = \"allow\": its condition does not hold
             net.toml:4 \"@network-io\" = \"allow\": less specific
             net.toml:1 default = \"deny\": less specific

to allow: add to net.toml
[[rule]]
syscall = \"socket\"
when = \"domain == AF_INET\"
action = \"allow\"
"
    );
}

#[test]
fn an_allowed_call_needs_no_advice() {
    let text = explained(NET, Some("socket(AF_UNIX, SOCK_STREAM, 0)"), PLAIN).unwrap();
    assert!(text.contains("\nverdict      allowed\n"), "{text}");
    assert!(
        text.contains("net.toml:7 socket when domain == AF_UNIX\n"),
        "{text}"
    );
    assert!(!text.contains("to allow"), "{text}");
}

#[test]
fn a_call_aimed_at_another_process_tells_what_it_depends_on() {
    let text = explained("default = \"allow\"", Some("prlimit64(7)"), PLAIN).unwrap();
    assert!(text.contains("allowed for targets in the jail"), "{text}");
    assert!(text.contains("provided that"), "{text}");
    assert!(text.contains("no-foreign-limits"), "{text}");
}

#[test]
fn the_table_has_each_entry_with_its_line_action_and_enforcer() {
    let text = explained(NET, None, PLAIN).unwrap();
    let row = |start: &str| {
        let found = text.lines().find(|line| line.starts_with(start));
        let line = found.unwrap_or_else(|| panic!("no {start}:\n{text}"));
        line.split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        row("net.toml:5")[1..4],
        ["socket", "deny", "filter, supervisor"]
    );
    assert_eq!(
        row("net.toml:7")[1..4],
        ["socket when domain == AF_UNIX", "allow", "filter"]
    );
    assert_eq!(row("no-clone3")[1..4], ["clone3", "ENOSYS", "filter"]);
    assert_eq!(row("net.toml:1")[2..4], ["deny", "filter, supervisor"]);
    assert!(row("net.toml:4")[1].starts_with("@network-io ("), "{text}");
    assert!(text.contains("Linux 6.18 with Landlock 7"), "{text}");
}

const PORTS: &str = "\
extends = [\"base\"]

[fs]
read = [\"/usr\"]
write = [\"/usr/lib\"]

[net]
connect = [\"udp://*:53\", \"*:443\", \"unix:/usr/bin\"]
listen = [\"udp://*:5353\"]
";

#[test]
fn each_rule_names_the_landlock_abi_that_it_uses() {
    let rows = |abi| {
        let host = Host {
            landlock_abi: abi,
            ..Host::newest()
        };
        let text = explained_on(&host, PORTS, None, PLAIN).unwrap();
        let cells = |line: &str| {
            let cells = line.split("  ").map(str::trim);
            let cells: Vec<_> = cells.filter(|cell| !cell.is_empty()).collect();
            cells[1..].join(" | ")
        };
        let own = text.lines().filter(|line| line.starts_with("net.toml:"));
        own.map(cells).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        rows(11),
        "\
fs.read \"/usr\" | allow | Landlock 1 | a subtree | none
fs.write \"/usr/lib\" | allow | Landlock 3 | a subtree; the supervisor sees changes of metadata | 1 stop per chmod, chown, utimes
net.connect \"udp://*:53\" | allow | supervisor over Landlock 10 | Landlock alone decides about datagrams, by port | 1 stop per connect
net.connect \"*:443\" | allow | supervisor over Landlock 4 | addresses are in memory | 1 stop per connect
net.connect \"unix:/usr/bin\" | allow | supervisor over Landlock 9 | Landlock alone decides about datagrams, by directory | 1 stop per connect
net.listen \"udp://*:5353\" | allow | supervisor over Landlock 10 | addresses are in memory | 1 stop per bind or listen"
    );
    assert_eq!(
        rows(8),
        "\
fs.read \"/usr\" | allow | Landlock 1 | a subtree | none
fs.write \"/usr/lib\" | allow | Landlock 3 | a subtree; the supervisor sees changes of metadata | 1 stop per chmod, chown, utimes
net.connect \"udp://*:53\" | allow | supervisor | addresses are in memory | 1 stop per connect or sendmsg
net.connect \"*:443\" | allow | supervisor over Landlock 4 | addresses are in memory | 1 stop per connect or sendmsg
net.connect \"unix:/usr/bin\" | allow | supervisor over Landlock 6 | only the supervisor knows paths of sockets | 1 stop per connect or sendmsg
net.listen \"udp://*:5353\" | allow | supervisor | addresses are in memory | 1 stop per bind or listen"
    );
    let host = Host {
        landlock_abi: 10,
        ..Host::newest()
    };
    let open = "extends = [\"base\"]\n[net]\nconnect = [\"udp://*:53\", \"unix:*\"]\n";
    for (question, enforced) in [
        ("connect udp://192.0.2.1:53", "Landlock 10; cost: none"),
        ("kill(7, SIGTERM)", "Landlock 6; cost: none"),
    ] {
        let text = explained_on(&host, open, Some(question), PLAIN).unwrap();
        assert!(text.contains(&format!("enforced by  {enforced}")), "{text}");
    }
}

#[test]
fn a_terminal_gets_lines_that_fit_and_nothing_is_lost() {
    let narrow = explained(
        NET,
        None,
        View {
            width: Some(100),
            ..PLAIN
        },
    )
    .unwrap();
    let table = narrow
        .split("\n\n")
        .filter(|part| !part.contains("instructions, on"));
    for line in table.flat_map(str::lines) {
        assert!(line.chars().count() <= 100, "{line}");
    }
    let letters = |text: &str| {
        let mut letters: Vec<char> = text.chars().filter(|c| c.is_alphanumeric()).collect();
        letters.sort_unstable();
        letters
    };
    // The narrow table says `no cost` for `none`, and has its headings in one column less.
    let plain = explained(NET, None, PLAIN).unwrap();
    let missing = |c: &char| {
        letters(&narrow).iter().filter(|l| *l == c).count()
            < letters(&plain).iter().filter(|l| *l == c).count() / 2
    };
    assert!(!letters(&plain).iter().any(missing), "{narrow}");
}

#[test]
fn a_text_that_is_no_call_gets_a_caret() {
    let error = explained(NET, Some("socket(AF_IN)"), PLAIN).unwrap_err();
    assert!(error.starts_with("jail: not a request: "), "{error}");
    assert!(
        error.ends_with("    socket(AF_IN)\n           ^^^^^\n  did you mean `AF_IB`?"),
        "{error}"
    );
}

/// No table is wider than a terminal of 80 columns, whatever the preset.
#[test]
fn every_preset_fits_eighty_columns() {
    for preset in crate::policy::presets() {
        for abi in [0, 11] {
            for form in [Form::Brief, Form::All] {
                let text = preset_explained(preset.name, abi, form);
                let wide = text.lines().find(|line| line.chars().count() > 80);
                assert_eq!(wide, None, "{}:\n{text}", preset.name);
            }
        }
    }
}

#[test]
fn every_preset_is_explained_at_a_glance() {
    for preset in crate::policy::presets() {
        for abi in [0, 7, 11] {
            let text = preset_explained(preset.name, abi, Form::Brief);
            let policy =
                Policy::preset(preset.name).unwrap_or_else(|problems| panic!("{problems}"));
            let (lines, most) = (text.lines().count(), 60 + 6 * policy.domains.len());
            assert!(lines <= most, "{}: {lines} lines:\n{text}", preset.name);
        }
    }
}

fn preset_explained(name: &str, landlock_abi: u32, form: Form) -> String {
    let view = View {
        color: false,
        width: Some(80),
    };
    let policy = Policy::preset(name).unwrap_or_else(|problems| panic!("{problems}"));
    let host = Host {
        landlock_abi,
        ..HOST
    };
    let on = On { host, name: None };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let on = (&on, DomainSet::NONE);
    explain(&policy, on, &[], form, view, &mut out, &mut err).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn in_brief_what_is_enforced_alike_has_one_row_and_nothing_is_left_out() {
    let long = "n".repeat(100);
    let names: Vec<String> = (0..30).map(|n| format!("\"/srv/{n}\"")).collect();
    let text = format!(
        "extends = [\"base\"]\n[fs]\nread = [{}]\nexec = [\"/usr/{long}\"]\n[net]\nconnect = [\"*:443\"]\n",
        names.join(", ")
    );
    let policy = Policy::parse(&text, "net.toml").unwrap_or_else(|problems| panic!("{problems}"));
    let on = On {
        host: HOST,
        name: None,
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let on = (&on, DomainSet::NONE);
    explain(&policy, on, &[], Form::Brief, PLAIN, &mut out, &mut err).unwrap();
    let text = String::from_utf8(out).unwrap();
    let row = |part: &str| {
        let mut rows = text.lines().filter(|line| line.contains(part));
        let row = rows.next().unwrap_or_else(|| panic!("no {part}:\n{text}"));
        assert_eq!(rows.next(), None, "{text}");
        let cells = row.split("  ").map(str::trim);
        cells.filter(|cell| !cell.is_empty()).collect::<Vec<_>>()
    };
    let [entries, how] = row("\"/srv/0\"")[..] else {
        panic!("{text}")
    };
    assert!(
        entries.starts_with("fs.read, ") && entries.ends_with("\"/srv/1\", …"),
        "{text}"
    );
    assert!(how.contains("Landlock 1; "), "{how}");
    assert!(row("\"/usr/nnn")[0].ends_with("n…"), "{text}");
    assert!(
        row("net.connect: \"*:443\"")[1].starts_with("supervisor"),
        "{text}"
    );
    // The rules of the baseline by their names.
    assert!(text.contains(": no-ptrace, "), "{text}");
    assert!(text.contains("jail explain --all"), "{text}");
}

#[test]
fn inherited_entries_are_joined_by_file_and_own_ones_are_not() {
    let text = explained(
        "extends = [\"base\"]\n[fs]\nread = [\"/usr\"]\nexec = [\"/usr/bin\"]\n",
        None,
        PLAIN,
    )
    .unwrap();
    let own = text.lines().filter(|line| line.starts_with("net.toml:"));
    assert_eq!(own.count(), 2, "{text}");
    assert!(text.contains("\n[fs], inherited from base\n"), "{text}");
    let joined = text
        .lines()
        .find(|line| line.starts_with("base:") && line.contains("fs.read, "));
    let joined = joined.unwrap_or_else(|| panic!("{text}"));
    assert!(joined.contains("\"/usr\", \"/bin\""), "{joined}");
}

/// Other entries that match are named, with why they did not decide.
#[test]
fn what_matches_and_lost_is_named() {
    let policy = "\
extends = [\"base\"]
[fs]
read = [\"/srv\"]
write = [\"/srv/w\"]
deny = [\"/srv/w/secret\"]
[net]
connect = [\"*:443\"]
deny = [\"10.0.0.0/8\"]
";
    for (request, decided, also) in [
        (
            "read /srv/w/secret/x",
            "decided by   net.toml:5 fs.deny \"/srv/w/secret\"",
            "also said    net.toml:3 fs.read \"/srv\": deny takes precedence over allow",
        ),
        (
            "read /srv/w/x",
            "decided by   net.toml:3 fs.read \"/srv\"",
            "also said    net.toml:4 fs.write \"/srv/w\": it allows the same",
        ),
        (
            "connect 10.1.2.3:443",
            "decided by   net.toml:8 net.deny \"10.0.0.0/8\"",
            "also said    net.toml:7 net.connect \"*:443\": deny takes precedence over allow",
        ),
    ] {
        let text = explained(policy, Some(request), PLAIN).unwrap();
        assert!(text.contains(decided), "{text}");
        assert!(text.contains(also), "{text}");
    }
}

#[test]
fn an_entry_that_holds_in_any_case_decides_before_one_with_a_condition() {
    for entries in [
        "\"public:443\", \"93.184.216.34:443\"",
        "\"93.184.216.34:443\", \"public:443\"",
    ] {
        let policy = format!("extends = [\"base\"]\n[net]\nconnect = [{entries}]\n");
        let text = explained(&policy, Some("connect 93.184.216.34:443"), PLAIN).unwrap();
        assert!(
            text.contains("decided by   net.toml:3 net.connect \"93.184.216.34:443\""),
            "{text}"
        );
        assert!(!text.contains("provided that"), "{text}");
        let also = "also said    net.toml:3 net.connect \"public:443\": it allows the same";
        assert!(text.contains(also), "{text}");
    }
}

#[test]
fn a_program_is_decided_with_its_arguments() {
    let policy = "\
extends = [\"base\"]
[[rule]]
syscall = \"execve\"
argv = [\"*git\", \"push\", \"**\"]
action = \"kill\"
why = \"nothing leaves\"
";
    let text = explained(policy, Some("exec /usr/bin/git push origin"), PLAIN).unwrap();
    assert!(
        text.contains("exec /usr/bin/git push origin\nverdict      kills"),
        "{text}"
    );
    assert!(text.contains("net.toml:2"), "{text}");
    assert!(
        text.contains("note         execveat(2) is allowed"),
        "{text}"
    );
    let text = explained(policy, Some("exec /usr/bin/git status"), PLAIN).unwrap();
    assert!(text.contains("verdict      allowed"), "{text}");
}

const DOMAINS: &str = "\
extends = [\"base\"]
[fs]
read = [\"/srv\"]
deny = [\"/srv/no\"]
[net]
connect = [\"*:443\"]
deny = [\"10.0.0.0/8\"]
[domain.build]
on-exec = [\"/x/build-*\", { path = \"/x/sh\", argv = [\"sh\", \"-c\", \"**\"] }]
net = { connect = [] }
syscalls = { sync = \"deny\" }
[domain.build.fs]
read = [\"/srv/build\"]
deny = [\"/srv/build/secret\"]
";

/// What decided is looked up in the domain, and what the main policy says is told beside it.
#[test]
fn a_request_of_a_program_in_a_domain_names_the_entries_of_both() {
    for (request, decided, also) in [
        (
            "read /srv/build/secret",
            "decided by   domain build: net.toml:14 fs.deny \"/srv/build/secret\"",
            "\
also said    net.toml:13 fs.read \"/srv/build\": deny takes precedence over allow
             net.toml:3 fs.read \"/srv\": the domain allows less
",
        ),
        (
            "connect 192.0.2.1:443",
            "decided by   domain build: net.toml:8: nothing in [net] allows it",
            "also said    net.toml:6 net.connect \"*:443\": the domain allows less\n",
        ),
        (
            "sync()",
            "decided by   domain build: net.toml:11 sync",
            "also said    base:5 \"@system-service\" = \"allow\": the domain allows less\n",
        ),
    ] {
        let text = explained_within(&HOST, DOMAINS, "build", Some(request), PLAIN).unwrap();
        let head = format!("{request}\nin domain    build\nverdict      denied with");
        assert!(text.starts_with(&head), "{text}");
        assert!(text.contains(decided), "{text}");
        assert!(text.contains(also), "{text}");
        assert!(!text.contains("default ="), "{text}");
    }
    let text = explained_within(&HOST, DOMAINS, "build", Some("read /srv/no"), PLAIN).unwrap();
    let main = "decided by   net.toml:4 fs.deny \"/srv/no\"";
    assert!(text.contains(main), "{text}");
}

#[test]
fn the_tables_have_the_entries_of_each_domain() {
    let text = explained(DOMAINS, None, PLAIN).unwrap();
    let rest = "\
[domain.build]: [syscalls] and [[rule]] in net.toml
line         entry  action  enforced by         because                                cost
net.toml:11  sync   deny    filter, supervisor  only it knows the domain of a program  1 stop if denied

[domain.build]: [fs] in net.toml
line         entry                        action  enforced by  because                                cost
net.toml:13  fs.read \"/srv/build\"         allow   supervisor   only it knows the domain of a program  1 stop per open or change
net.toml:14  fs.deny \"/srv/build/secret\"  deny    supervisor   only it knows the domain of a program  1 stop per open or change
";
    assert!(text.contains(rest), "{text}");
    let programs =
        "net.toml:8  build   /x/build-*, /x/sh [\"sh\", \"-c\", \"**\"]  fs.write, net.connect\n";
    assert!(text.contains(programs), "{text}");
    // What a domain has in common with the main policy is not repeated.
    let both = "extends = [\"protect-credentials\"]\ndefault = \"allow\"\n[domain.b]\non-exec = [\"/x\"]\nextends = [\"protect-credentials\"]\n";
    let text = explained(both, None, PLAIN).unwrap();
    assert!(!text.contains("[domain.b]:"), "{text}");
}
