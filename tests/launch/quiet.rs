//! What Landlock denies in a jail is not written to the kernel's log, neither of the jail's own domain nor of one
//! that a program makes within it (Linux 6.15).

use super::support::landlock::lacks;
use super::support::{Dir, JAIL, is_root, plain, token};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;

/// Restricts itself by Landlock, and opens a file that it may not.
const RESTRICTED: &str = r#"
import ctypes, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
create, restrict, read_file, no_new_privs = 444, 446, 1 << 2, 38
attribute = struct.pack("Q", read_file)
ruleset = libc.syscall(create, attribute, len(attribute), 0)
assert ruleset >= 0 and libc.prctl(no_new_privs, 1, 0, 0, 0) == 0
assert libc.syscall(restrict, ruleset, 0) == 0
try:
    open(sys.argv[1])
except PermissionError:
    print("denied")
"#;

/// Whether the kernel's log names a file in a message of Landlock.
fn logged(name: &str) -> bool {
    let mut options = std::fs::OpenOptions::new();
    let log = options.read(true).custom_flags(libc::O_NONBLOCK);
    let mut log = log.open("/dev/kmsg").expect("the kernel's log");
    let mut record = [0; 8192];
    loop {
        match log.read(&mut record) {
            Ok(length) => {
                let text = String::from_utf8_lossy(&record[..length]);
                // AUDIT_LANDLOCK_ACCESS: `blockers=fs.read_file path="…"`.
                if text.contains("blockers=") && text.contains(name) {
                    return true;
                }
            }
            // Overwritten meanwhile: the next one is read.
            Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
            Err(_) => return false,
        }
    }
}

#[test]
fn denials_are_kept_out_of_the_kernels_log() {
    const PYTHON: &str = "/usr/bin/python3";
    if !is_root() || !std::path::Path::new(PYTHON).exists() {
        println!("NOT TRIED HERE: the kernel's log, which takes root, and {PYTHON}");
        return;
    }
    if lacks(Some("6")) {
        return;
    }
    let dir = Dir::new();
    let script = dir.write("restricted.py", RESTRICTED);
    let policy = format!(
        "extends = [\"base\"]\n[fs]\nread = [{:?}]\nexec = [\"/usr\"]\n",
        dir.path()
    );
    dir.write("net.toml", policy);
    let denied = |abi: Option<&str>| {
        let name = format!("secret-{}", token());
        let secret = dir.write(&name, "secret");
        let words = [JAIL, "--policy", "net.toml", "--", PYTHON, &script, &secret];
        let run = plain(words).cwd(dir.path());
        let run = match abi {
            Some(abi) => run.env("JAIL_LANDLOCK_ABI", abi),
            None => run,
        };
        run.output().ends_with(0).says("denied\n");
        logged(&name)
    };
    // As before Linux 6.15, where no flag exists.
    if !denied(Some("6")) {
        println!(
            "NOT TRIED HERE: this kernel logs no denials: it is older than 6.15, or runs without audit"
        );
        return;
    }
    assert!(!denied(None), "a denial was logged");
}
