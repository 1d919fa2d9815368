//! An entry as a flag of the command line, for a run whose policy has flags.

/// The sections that have a flag.
const FLAGS: [(&str, &str); 4] = [
    ("read in [fs]", "--allow-read"),
    ("write in [fs]", "--allow-write"),
    ("exec in [fs]", "--allow-exec"),
    ("connect in [net]", "--allow-net"),
];

/// The flag that adds a line to a section; `None`: there is none, or a shell would not read the line as TOML
/// does.
pub fn adding(line: &str, section: &str) -> Option<String> {
    if line.contains(['\\', '$', '`', '!']) {
        return None;
    }
    if let Some((_, flag)) = FLAGS.iter().find(|(name, _)| *name == section) {
        // An entry with a reason of its own is a table.
        return (!line.starts_with('{')).then(|| format!("{flag} {}", line.trim_end_matches(',')));
    }
    let key = section.strip_prefix('[')?.strip_suffix(']')?;
    let (name, value) = line.split_once(" = ")?;
    let value = value.strip_prefix('"')?.strip_suffix('"')?;
    let plain = |text: &str| {
        let mut bytes = text.bytes();
        bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-_@".contains(&byte))
    };
    (plain(name) && plain(value)).then(|| format!("--set {key}.{name}={value}"))
}

#[cfg(test)]
mod tests {
    use super::adding;

    #[test]
    fn an_entry_is_a_flag_where_a_shell_reads_it_as_it_is() {
        let flag = |line, section| adding(line, section).unwrap_or_default();
        let path = flag(r#""/a b/c""#, "read in [fs]");
        assert_eq!(path, r#"--allow-read "/a b/c""#);
        let net = flag(r#""10.0.0.1:80", or "x.example:80","#, "connect in [net]");
        assert_eq!(net, r#"--allow-net "10.0.0.1:80", or "x.example:80""#);
        let call = flag(r#"ptrace = "allow""#, "[syscalls]");
        assert_eq!(call, "--set syscalls.ptrace=allow");
        let own = flag(r#"tmpdir = "fresh""#, "[process]");
        assert_eq!(own, "--set process.tmpdir=fresh");
        for (line, section) in [
            (r#""/a/\\$x""#, "read in [fs]"),
            (r#""/a/$x""#, "write in [fs]"),
            (r#""/a!b""#, "exec in [fs]"),
            (r#"{ path = "/a", why = "..." }"#, "lift in [fs]"),
            (r#""127.0.0.1:80""#, "listen in [net]"),
            (r#"caps = ["CAP_CHOWN"]"#, "[process]"),
        ] {
            assert_eq!(adding(line, section), None, "{line}");
        }
    }
}
