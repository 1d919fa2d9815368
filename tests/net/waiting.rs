//! Many connects that wait at one time, where jail is started with few descriptors.

use super::blocking::{MORE, NET, PRELUDE};
use super::scene::{Scene, python, silent};
use crate::support::{JAIL, plain};

/// The command has as many descriptors as jail itself was started with, and may see that.
const CONNECTS: &str = r#"
import collections, resource
print(resource.getrlimit(resource.RLIMIT_NOFILE))
print(next(line.split()[3:5] for line in open("/proc/self/limits") if line.startswith("Max open files")))
listener, waiting = full()
answers = []
def one(s):
    answers.append(connect(s, listener.getsockname()))
sockets = [socket.socket() for _ in range(220)]
for s in sockets:
    limit(s, 3)
all = [threading.Thread(target=one, args=[s]) for s in sockets]
for thread in all:
    thread.start()
for thread in all:
    thread.join()
print(dict(collections.Counter(answers)))
"#;

#[test]
fn as_many_connects_wait_as_the_command_has_descriptors() {
    let Some(python) = python() else { return };
    let scene = Scene::new();
    scene.policy(&NET.replace("connect = [", MORE));
    let script = scene.script("connects.py", &format!("{PRELUDE}\n{CONNECTS}"));
    const LIMITED: &str = "ulimit -Sn 256; ulimit -Hn 4096; exec \"$@\"";
    let says = "(256, 4096)\n['256', '4096']\n{'EINPROGRESS': 220}\n";
    let sh = ["sh", "-c", LIMITED, "sh"];
    let command = [python.as_str(), &script];
    let limited = |command: &[&str]| plain(sh.iter().chain(command)).cwd(scene.at("")).output();
    limited(&command).ends_with(0).says(says);
    let jail = [JAIL, "--policy", "net.toml", "--", command[0], command[1]];
    silent(&limited(&jail).ends_with(0).says(says));
}
