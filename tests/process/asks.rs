//! `--ask-socket`: what the policy leaves open is put to a program, and goes on by its answer.

use crate::scene::Scene;
use crate::support::schema::{fitting, fitting_lines};
use crate::support::{Ran, is_root, plain, probe};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What a test has the broker do with a line: lines to send back; `None`: it goes away.
type Answering = dyn FnMut(&Value) -> Option<Vec<Value>> + Send;

/// A program that answers, in a thread. It listens in a directory that the command may not change.
struct Broker {
    path: PathBuf,
    seen: Arc<Mutex<Vec<Value>>>,
    thread: Option<JoinHandle<()>>,
    _dir: crate::support::Dir,
}

impl Broker {
    fn new(mut answer: Box<Answering>) -> Self {
        let dir = crate::support::Dir::new();
        let path = PathBuf::from(dir.file("broker"));
        let listener = UnixListener::bind(&path).expect("a socket");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        for place in [dir.path(), &path] {
            std::fs::set_permissions(place, Clone::clone(&open)).expect("chmod");
        }
        let seen = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&seen);
        let thread = thread::spawn(move || {
            let (socket, _) = listener.accept().expect("jail");
            let mut to = socket.try_clone().expect("a socket");
            for line in BufReader::new(socket).lines().map_while(Result::ok) {
                let line: Value = serde_json::from_str(&line).expect(&line);
                into.lock().expect("no panic").push(line.clone());
                let Some(answers) = answer(&line) else {
                    let _ = to.shutdown(std::net::Shutdown::Both);
                    return;
                };
                for answer in answers {
                    send(&mut to, &answer);
                }
            }
        });
        Self {
            path,
            seen,
            thread: Some(thread),
            _dir: dir,
        }
    }

    /// Answers each question with the next of these words, the last one for ever.
    fn saying(words: &'static [&'static str]) -> Self {
        let mut asked = 0;
        Self::new(Box::new(move |line| {
            if line["type"] != "question" {
                return Some(Vec::new());
            }
            let word = words[asked.min(words.len() - 1)];
            asked += 1;
            Some(vec![json!({"id": line["id"], "answer": word})])
        }))
    }

    fn option(&self) -> [&str; 2] {
        ["--ask-socket", self.path.to_str().expect("text")]
    }

    /// Lines of this type, once jail has ended: the thread may read the last one later. All fit the schema.
    fn lines(&mut self, kind: &str) -> Vec<Value> {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the broker");
        }
        let seen = self.seen.lock().expect("no panic");
        for line in seen.iter() {
            fitting("ask", &line.to_string());
        }
        let of = seen.iter().filter(|line| line["type"] == kind);
        of.cloned().collect()
    }

    /// The requests that were asked about.
    fn requests(mut self) -> Vec<String> {
        let lines = self.lines("question");
        let text = |line: &Value| line["request"].as_str().unwrap_or_default().to_owned();
        lines.iter().map(text).collect()
    }
}

fn send(to: &mut UnixStream, line: &Value) {
    let text = match line {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    // Jail may have ended.
    let _ = to.write_all(format!("{text}\n").as_bytes());
}

/// A policy that leaves `open…` open, and denies `denied`.
fn scene() -> Scene {
    let scene = Scene::new(
        "extends = [\"base\"]\n[fs]\nread = [\"allowed\"]\nexec = [\"./\", \"/\"]\ndeny = [\"denied\"]\n[net]\nconnect = [\"192.0.2.1:1\"]\n",
    );
    for name in ["open", "open2", "allowed", "denied"] {
        scene.dir.write(name, "x");
    }
    scene
}

fn read(scene: &Scene, broker: &Broker, files: &[&str]) -> Ran {
    let mut command = vec![probe(), "border-read"];
    command.extend(files);
    scene.with(&broker.option(), &command).output()
}

#[test]
fn each_answer_is_as_long_as_it_says() {
    let twice = ["open", "open"];
    for (words, expected, asked) in [
        (&["once"][..], "open: read\nopen: read\n", 2),
        (&["once", "deny"], "open: read\nopen: 13\n", 2),
        (&["deny", "once"], "open: 13\nopen: read\n", 2),
        (&["run"], "open: read\nopen: read\n", 1),
        (&["deny-run"], "open: 13\nopen: 13\n", 1),
    ] {
        let (scene, broker) = (scene(), Broker::saying(words));
        read(&scene, &broker, &twice).says(expected).ends_with(0);
        let requests = broker.requests();
        assert_eq!(requests.len(), asked, "{words:?}: {requests:?}");
        assert!(requests[0].ends_with("/open"), "{requests:?}");
    }
    let (scene, broker) = (scene(), Broker::saying(&["kill"]));
    read(&scene, &broker, &twice).says("").ends_with(159);
}

#[test]
fn always_writes_the_entry_into_the_policy() {
    let (scene, broker) = (scene(), Broker::saying(&["always"]));
    let before = std::fs::read_to_string(scene.dir.file("policy.toml")).expect("a policy");
    read(&scene, &broker, &["open", "open"]).says("open: read\nopen: read\n");
    let requests = broker.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    let after = std::fs::read_to_string(scene.dir.file("policy.toml")).expect("a policy");
    assert!(after != before && after.contains("/open\""), "{after}");
    // The next run needs no answer.
    let broker = Broker::saying(&["deny"]);
    read(&scene, &broker, &["open"]).says("open: read\n");
    assert_eq!(broker.requests(), Vec::<String>::new());
    // A policy of the command line has no file.
    let broker = Broker::saying(&["always"]);
    let options = [&broker.option()[..], &["--allow-read", "allowed"]].concat();
    let command = [probe(), "border-read", "open2", "open2"];
    scene
        .with(&options, &command)
        .output()
        .says("open2: read\nopen2: read\n")
        .complains("for this run only");
}

#[test]
fn a_question_says_who_asks_for_what_and_why() {
    let (scene, mut broker) = (scene(), Broker::saying(&["deny"]));
    let script = format!("{} border-read open; true", probe());
    let (log, report) = (scene.dir.file("log"), scene.dir.file("report"));
    let denials = scene.dir.file("denials");
    let more = ["--log", &log, "--report", &report, "--denials", &denials];
    let options = [&broker.option()[..], &more].concat();
    scene
        .with(&options, &["sh", "-c", &script])
        .output()
        .says("open: 13\n")
        .complains("asked: denied once");
    let line = &broker.lines("question")[0];
    assert_eq!(line["ancestry"], json!(["sh", "probe"]));
    assert_eq!(line["syscall"], "openat");
    assert_eq!(line["path"]["access"], "read");
    assert_eq!(line["reason"]["kind"], "default");
    assert_eq!(line["timeout"], 60.0);
    let remedy = line["remedy"].as_str().expect("an entry");
    assert!(remedy.starts_with("[fs]\nread = ["), "{remedy}");
    assert_eq!(broker.lines("hello")[0]["version"], 1);
    let text = |file: &str| std::fs::read_to_string(file).expect("a file");
    let lines = [("log", text(&log)), ("denials", text(&denials))];
    for (name, lines) in &lines {
        let denied = lines.lines().find(|line| line.contains("/open\""));
        let denied = fitting(name, denied.expect(lines));
        assert_eq!(denied["asked"], "deny", "{denied}");
    }
    let report = fitting("report", &text(&report));
    assert_eq!(report["asked"][0]["answer"], "deny", "{report}");
    assert_eq!(report["denied"]["first"]["asked"], "deny");
}

#[test]
fn the_log_and_the_report_say_what_was_allowed_by_an_answer() {
    let (scene, broker) = (scene(), Broker::saying(&["once"]));
    let (log, report) = (scene.dir.file("log"), scene.dir.file("report"));
    let options = [&broker.option()[..], &["--log", &log, "--report", &report]].concat();
    let command = [probe(), "border-read", "open", "open"];
    let _ = scene.with(&options, &command).output().ends_with(0);
    let log = std::fs::read_to_string(log).expect("a log");
    let mut granted = fitting_lines("log", &log);
    granted.retain(|event| event["event"] == "granted");
    assert_eq!(granted.len(), 2, "{log}");
    assert_eq!(granted[0]["asked"], "once");
    let report = std::fs::read_to_string(report).expect("a report");
    let report = fitting("report", &report);
    assert_eq!(report["asked"][0]["times"], 2, "{report}");
    assert_eq!(report["denied"]["total"], 0);
}

#[test]
fn what_an_entry_or_jail_itself_denies_is_never_asked_about() {
    let scene = scene();
    let text = "extends = [\"base\"]\n[fs]\nread = [\"allowed\"]\nwrite = [\"guarded\"]\nexec = [\"/\"]\ndeny = [\"denied\"]\nhide = [\"hidden\"]\nprotect = [\"guarded/.git\"]\n[net]\ndeny = [\"127.0.0.1\"]\n[domain.narrow]\non-exec = [\"inside\"]\nfs = { deny = [\"allowed\"] }\n";
    scene.dir.write("policy.toml", text);
    scene.dir.write("hidden", "x");
    scene.dir.write("guarded/.git/config", "x");
    crate::support::copy(probe(), scene.dir.file("inside"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener
        .local_addr()
        .expect("an address")
        .port()
        .to_string();
    let script = format!(
        "cat denied; cat hidden; echo y > guarded/.git/config; cat policy.toml > /dev/null; echo y > policy.toml; \
         ./inside border-read allowed; {} border-connect {port}; cat missing; \
         cat /proc/1/mem; unshare -U true; echo call {} 0 0 0 0 0 0 | {} prove; true",
        probe(),
        libc::SYS_bpf,
        probe()
    );
    let broker = Broker::saying(&["run"]);
    let ran = scene
        .with(&broker.option(), &["sh", "-c", &script])
        .output();
    let requests = broker.requests();
    for part in [
        "/denied",
        "/hidden",
        "/.git",
        "127.0.0.1",
        "/missing",
        "/mem",
        "allowed",
        "bpf",
    ] {
        assert!(
            !requests.iter().any(|request| request.ends_with(part)),
            "{part}: {requests:?}\n{}",
            ran.err
        );
    }
    let wrote = |request: &String| request.starts_with("write") && request.contains("policy.toml");
    assert!(!requests.iter().any(wrote), "{requests:?}");
    let kept = std::fs::read_to_string(scene.dir.file("policy.toml")).expect("a policy");
    assert_eq!(kept, text);
    assert!(ran.out.contains("allowed: 13"), "{}{}", ran.out, ran.err);
    // A system call: the message says what to add by hand.
    assert!(ran.out.contains("EPERM"), "{}", ran.out);
    ran.complains("denied bpf(")
        .complains("bpf = \"allow\" to [syscalls]");
}

#[test]
fn peers_and_programs_are_asked_about_too() {
    let scene = scene();
    let text = "extends = [\"base\"]\n[fs]\nread = [\"/\"]\nexec = [\"/bin\", \"/usr\", \"/lib\", \"/lib64\"]\n[net]\ndeny = [\"192.0.2.9\"]\n";
    scene.dir.write("policy.toml", text);
    crate::support::copy(probe(), scene.dir.file("program"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let port = address.port();
    let script = format!("./program border-connect {port}; ./program border-connect {port}");
    let mut asked = Vec::new();
    // The program twice, each peer once: then it is denied.
    let broker = Broker::new(Box::new(move |line| {
        let request = line["request"].as_str().unwrap_or_default().to_owned();
        if line["type"] != "question" {
            return Some(Vec::new());
        }
        let peer = request.starts_with("connect");
        let word = if peer && asked.contains(&request) {
            "deny"
        } else {
            "once"
        };
        asked.push(request);
        Some(vec![json!({"id": line["id"], "answer": word})])
    }));
    let ran = scene
        .with(&broker.option(), &["sh", "-c", &script])
        .output();
    let requests = broker.requests();
    let count = |start: &str| requests.iter().filter(|it| it.starts_with(start)).count();
    assert_eq!(count("exec "), 2, "{requests:?}\n{}\n{}", ran.out, ran.err);
    assert_eq!(
        count("connect "),
        4,
        "{requests:?}\n{}\n{}",
        ran.out,
        ran.err
    );
    assert!(
        ran.err.contains(&format!("denied connect to {address}")),
        "{}",
        ran.err
    );
}

#[test]
fn a_call_that_names_two_paths_is_asked_about_both_once() {
    let (scene, broker) = (scene(), Broker::saying(&["once"]));
    let script = "mv open moved && cat moved; ln -s x link";
    let options = broker.option();
    let ran = scene.with(&options, &["sh", "-c", script]).output();
    let requests = broker.requests();
    let names = requests
        .iter()
        .filter_map(|request| request.rsplit('/').next());
    let names: Vec<&str> = names.collect();
    let expected = ["open", "moved", "moved", "link"];
    assert_eq!(names, expected, "{requests:?}\n{}", ran.err);
    assert_eq!(ran.out, "x");
}

#[test]
fn a_slow_broker_holds_up_only_the_task_that_asks() {
    let scene = scene();
    scene.dir.write("seen", "");
    let done = scene.dir.file("done");
    let waits = done.clone();
    // It answers once another process has gone on to its end.
    let broker = Broker::new(Box::new(move |line| {
        if line["type"] == "question" {
            while !std::path::Path::new(&waits).exists() {
                thread::sleep(Duration::from_millis(5));
            }
        }
        Some(vec![json!({"id": line["id"], "answer": "once"})])
    }));
    let text = std::fs::read_to_string(scene.dir.file("policy.toml")).expect("a policy");
    scene.dir.write(
        "policy.toml",
        text.replace("[net]", "write = [\"done\"]\n[net]"),
    );
    let script = "cat open & cat allowed; echo > done; wait";
    let ran = scene
        .with(&broker.option(), &["sh", "-c", script])
        .output()
        .ends_with(0);
    assert_eq!(ran.out, "xx");
}

#[test]
fn a_broker_that_is_gone_means_deny_and_that_is_said_once() {
    let scene = scene();
    let mut asked = 0;
    let broker = Broker::new(Box::new(move |line| {
        asked += usize::from(line["type"] == "question");
        (asked < 2).then(|| vec![json!({"id": line["id"], "answer": "once"})])
    }));
    let ran = read(
        &scene,
        &broker,
        &["open", "open", "open2", "allowed", "open"],
    );
    assert_eq!(
        ran.out,
        "open: read\nopen: 13\nopen2: 13\nallowed: read\nopen: 13\n"
    );
    let said = ran.err.matches("is denied from now on").count();
    assert_eq!(said, 1, "{}", ran.err);
}

#[test]
fn what_is_no_answer_denies_or_is_ignored() {
    let scene = scene();
    let mut asked = 0;
    let broker = Broker::new(Box::new(move |line| {
        asked += usize::from(line["type"] == "question");
        let id = &line["id"];
        Some(match asked {
            // To a known question: it is denied.
            1 => vec![json!({"id": id, "answer": "yes"})],
            // Of a question that was never asked, and no answer at all: ignored.
            2 => vec![
                json!({"id": 999, "answer": "run"}),
                json!("what?"),
                json!({"id": id, "answer": "once"}),
                json!({"id": id, "answer": "deny"}),
            ],
            _ => vec![],
        })
    }));
    let ran = read(&scene, &broker, &["open", "open"]).says("open: 13\nopen: read\n");
    for text in [
        "is denied: its answer is none of",
        "names question 999",
        "`what?` is no answer",
    ] {
        assert_eq!(ran.err.matches(text).count(), 1, "{}", ran.err);
    }
}

#[test]
fn what_is_not_answered_in_time_is_denied() {
    let scene = scene();
    let mut broker = Broker::new(Box::new(|_| Some(Vec::new())));
    let options = [&broker.option()[..], &["--ask-timeout", "50ms"]].concat();
    let ran = scene
        .with(&options, &[probe(), "border-read", "open", "open2"])
        .output()
        .says("open: 13\nopen2: 13\n")
        .complains("asked: no answer came in time");
    assert_eq!(
        ran.err.matches("denied, because no answer came").count(),
        1,
        "{}",
        ran.err
    );
    assert_eq!(broker.lines("withdrawn").len(), 2);
}

#[test]
fn a_task_that_is_killed_while_it_asks_withdraws_its_question() {
    let scene = scene();
    let mut broker = Broker::new(Box::new(|_| Some(Vec::new())));
    // Killed by another process, and stopped and continued before: neither waits for an answer.
    let script =
        "cat open & sleep 0.2; kill -STOP $!; kill -CONT $!; kill -KILL $!; wait $!; echo $?";
    scene
        .with(&broker.option(), &["sh", "-c", script])
        .output()
        .says("137\n");
    assert_eq!(broker.lines("withdrawn").len(), 1);
    // The time is up.
    let broker = Broker::new(Box::new(|_| Some(Vec::new())));
    let options = [&broker.option()[..], &["--set", "limits.wall=300ms"]].concat();
    let _ = scene
        .with(&options, &["cat", "open"])
        .output()
        .ends_with(124);
}

#[test]
fn a_thousand_questions_are_answered_in_any_order() {
    const FILES: usize = 1000;
    let scene = scene();
    for file in 0..FILES {
        scene.dir.write(&format!("many/{file}"), "");
    }
    let mut waiting: Vec<Value> = Vec::new();
    let mut random: usize = 7;
    let mut asked = 0;
    let broker = Broker::new(Box::new(move |line| {
        if line["type"] != "question" {
            return Some(Vec::new());
        }
        asked += 1;
        waiting.push(line.clone());
        // Of those that wait, in any order, until few are left. 40 tasks ask until the last files.
        let keep = if asked + 40 > FILES { 0 } else { 20 };
        let mut answers = Vec::new();
        while waiting.len() > keep {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let line = waiting.swap_remove((random >> 33) % waiting.len());
            let request = line["request"].as_str().unwrap_or_default();
            let file = request
                .rsplit('/')
                .next()
                .and_then(|name| name.parse::<usize>().ok());
            let even = file.is_some_and(|file| file % 2 == 0);
            let word = if even { "once" } else { "deny" };
            answers.push(json!({"id": line["id"], "answer": word}));
        }
        Some(answers)
    }));
    let options = [&broker.option()[..], &["--quiet"]].concat();
    scene
        .with(&options, &[probe(), "border-many", "many", "1000", "40"])
        .output()
        .says("500 of 1000\n");
    let requests = broker.requests();
    assert_eq!(requests.len(), FILES);
}

#[test]
fn the_same_question_of_several_tasks_is_asked_once() {
    let scene = scene();
    let broker = Broker::new(Box::new(|line| {
        // Until the others ask, too.
        thread::sleep(Duration::from_millis(500));
        Some(vec![json!({"id": line["id"], "answer": "once"})])
    }));
    let script = "for i in 1 2 3 4; do cat open & done; wait";
    let ran = scene.with(&broker.option(), &["sh", "-c", script]).output();
    assert_eq!(ran.out, "xxxx");
    assert!(broker.requests().len() < 4);
}

#[test]
fn a_socket_that_the_command_could_answer_is_refused() {
    let scene = scene();
    let path = scene.dir.file("own");
    let _listener = UnixListener::bind(&path).expect("a socket");
    let text = std::fs::read_to_string(scene.dir.file("policy.toml")).expect("a policy");
    scene.dir.write(
        "policy.toml",
        text.replace("[net]", "write = [\"./\"]\n[net]"),
    );
    for (option, message) in [
        (path.as_str(), "lets the command change this path"),
        ("nowhere", "start the program that answers first"),
        ("fd:1", "the command also has this descriptor"),
        ("fd:77", "no such open descriptor"),
    ] {
        scene
            .with(&["--ask-socket", option], &["true"])
            .output()
            .ends_with(125)
            .complains(message);
    }
    scene
        .with(&["--ask-timeout", "5s"], &["true"])
        .output()
        .ends_with(125)
        .complains("--ask-socket");
}

#[test]
fn an_ordinary_user_is_asked_too() {
    if !is_root() {
        println!("NOT TRIED HERE: the other tests are an ordinary user's");
        return;
    }
    let scene = scene();
    let broker = Broker::saying(&["once"]);
    let (jail, probe) = (scene.jail(), scene.probe());
    let words = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        &jail,
        "--policy",
        "policy.toml",
    ];
    let command = ["--", &probe, "border-read", "open", "denied"];
    let words = words
        .iter()
        .chain(&broker.option())
        .chain(&command)
        .copied()
        .collect::<Vec<_>>();
    plain(words)
        .cwd(scene.dir.path())
        .output()
        .says("open: read\ndenied: 13\n");
}
