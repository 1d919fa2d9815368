//! Many opens that wait at one time.

use super::scene::Scene;
use crate::support::installed;

/// Each thread opens a FIFO of its own, which waits until something opens the other end.
const OPENS: &str = r#"
import collections, errno, os, threading, time
most = 600
answers = []
def one(name):
    try:
        os.close(os.open(name, os.O_WRONLY))
        answers.append("ok")
    except OSError as error:
        answers.append(errno.errorcode[error.errno])
names = [f"fifo-{number}" for number in range(most)]
for name in names:
    os.mkfifo(name)
threading.stack_size(128 << 10)
threads = [threading.Thread(target=one, args=[name]) for name in names]
for thread in threads:
    thread.start()
time.sleep(1)
print(dict(collections.Counter(answers)))
readers = [os.open(name, os.O_RDONLY | os.O_NONBLOCK) for name in names]
for thread in threads:
    thread.join()
print(dict(collections.Counter(answers)))
"#;

#[test]
fn hundreds_of_judged_opens_of_one_process_wait() {
    if !installed("python3") {
        return;
    }
    let scene = Scene::new();
    scene.write("w/opens.py", OPENS);
    let command = ["sh", "-c", "ulimit -n 2048; python3 opens.py && rm fifo-*"];
    let says = "{}\n{'ok': 600}\n";
    scene.outside(&command).output().ends_with(0).says(says);
    let policy = scene.policy("write = [\"@/w\"]\ndeny = [\"**/secret\"]");
    scene
        .within(None, &policy, &command)
        .output()
        .ends_with(0)
        .says(says);
}
