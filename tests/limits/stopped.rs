//! A command stops its main process by a signal that seems to come from outside, and its other processes
//! go on: jail does not stop with it where it keeps limits.

use super::policy;
use crate::support::{Dir, LATE, jail, no_process_survives, token};

/// Python. Its arguments: code and sender of the signal, a word that names its processes. The child ends by
/// itself at last.
const SCRIPT: &str = r"
import ctypes, os, platform, signal, struct, sys, time
if os.fork() == 0:
    end = time.monotonic() + 15
    while time.monotonic() < end: pass
    os._exit(0)
time.sleep(0.1)
code, sender = int(sys.argv[1]), int(sys.argv[2])
info = ctypes.create_string_buffer(struct.pack('iiiii', signal.SIGSTOP, 0, code, 0, sender), 128)
rt_sigqueueinfo = 138 if platform.machine() == 'aarch64' else 129
ctypes.CDLL(None).syscall(rt_sigqueueinfo, os.getpid(), signal.SIGSTOP, info)
signal.pause()
";

#[test]
fn a_stop_that_seems_to_come_from_outside_holds_up_no_limit() {
    const SI_TIMER: &str = "-2";
    const SI_USER: &str = "0";
    const SI_KERNEL: &str = "128";
    for limit in ["wall", "cpu"] {
        for (code, sender) in [(SI_TIMER, "0"), (SI_USER, "1"), (SI_KERNEL, "0")] {
            let (dir, token) = (Dir::new(), token());
            let limits = format!("{limit} = \"700ms\"\ngrace = \"100ms\"");
            let file = policy(&dir, &limits);
            let ran = jail(["--policy", &file, "--", "/usr/bin/python3", "-c", SCRIPT])
                .args([code, sender, &token])
                .cwd(dir.path())
                .output();
            // A jail that has stopped would never end.
            ran.ends_with(124).complains(&format!("limits.{limit}"));
            no_process_survives(&token, LATE);
        }
    }
}
