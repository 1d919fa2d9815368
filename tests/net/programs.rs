//! Clients of HTTP: each reaches whom the policy names, and is told who decided where it does not.

use super::http::Http;
use super::scene::{Policy, Scene, User, denied, program, python, silent, unhindered, users};
use crate::support::plain;

/// One address and one socket may be reached, another address may not.
fn policy(scene: &Scene, http: &Http) -> Policy {
    scene.policy(&format!(
        r#"connect = ["127.0.0.1:{}", "unix:@/allowed.sock"]
deny = [
  {{ to = "unix:@/denied.sock", why = "not that one" }},
  {{ to = "127.0.0.2", why = "not that one" }},
]"#,
        http.port
    ))
}

/// A client reaches 127.0.0.1 and not 127.0.0.2, where the same answers. `command` takes the URL and
/// the name of a place for files; it writes `says`.
#[track_caller]
fn reaches(
    scene: &Scene,
    http: &Http,
    path: &str,
    says: &str,
    command: impl Fn(&str, &str) -> Vec<String>,
) {
    let policy = policy(scene, http);
    let (there, denied_there) = (http.url("127.0.0.1", path), http.url("127.0.0.2", path));
    http.asked();
    for user in users() {
        let place = |name: &str| scene.at(&format!("{name}-{user:?}"));
        let run = |url: &str, name| scene.outside(user, &command(url, &place(name)));
        let free = run(&denied_there, "free").output().ends_with(0).says(says);
        assert_ne!(http.asked(), [""; 0], "{}", free.err);
        for landlock in [None, Some("0")] {
            let run = |url: &str, name| {
                let run = scene.within(user, &policy, &command(url, &place(name)));
                match landlock {
                    Some(abi) => run.env("JAIL_LANDLOCK_ABI", abi),
                    None => run,
                }
            };
            let name = format!("within-{landlock:?}");
            let ran = run(&there, &name).output().ends_with(0).says(says);
            unhindered(&ran);
            let asked = http.asked();
            assert!(!asked.is_empty(), "{user:?}");
            let ran = run(&denied_there, &format!("denied-{landlock:?}")).output();
            if ran.code() == Some(0) || ran.out == says {
                ran.fail("should have failed");
            }
            let peer = format!("connect to 127.0.0.2:{}", http.port);
            denied(&ran, &peer, &policy.line("127.0.0.2"));
            assert_eq!(http.asked(), [""; 0], "{user:?}");
        }
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn hello() -> Http {
    Http::serve(&["127.0.0.1", "127.0.0.2"], |path| {
        (path == "/hello").then(|| b"hello\n".to_vec())
    })
}

#[test]
fn curl_reaches_the_peers_that_the_policy_names() {
    let Some(curl) = program("curl") else { return };
    let (scene, http) = (Scene::new(), hello());
    reaches(&scene, &http, "/hello", "hello\n", |url, _| {
        words(&[&curl, "-q", "-sS", "--noproxy", "*", url])
    });
}

#[test]
fn curl_reaches_the_unix_socket_that_the_policy_names() {
    let Some(curl) = program("curl") else { return };
    let (scene, http) = (Scene::new(), hello());
    http.serve_at(&scene.at("allowed.sock"));
    http.serve_at(&scene.at("denied.sock"));
    let policy = policy(&scene, &http);
    for user in users() {
        let run = |socket: &str| {
            let socket = scene.at(socket);
            let command = [
                &curl,
                "-q",
                "-sS",
                "--unix-socket",
                &socket,
                "http://x/hello",
            ];
            (
                scene.outside(user, &command),
                scene.within(user, &policy, &command),
            )
        };
        let (outside, within) = run("allowed.sock");
        outside.output().ends_with(0).says("hello\n");
        silent(&within.output().ends_with(0).says("hello\n"));
        let (outside, within) = run("denied.sock");
        outside.output().ends_with(0).says("hello\n");
        http.asked();
        let ran = within.output().ends_with(7).says("");
        let peer = format!("connect to unix:{}", scene.at("denied.sock"));
        denied(&ran, &peer, &policy.line("denied.sock"));
        assert_eq!(http.asked(), [""; 0]);
    }
}

#[test]
fn pythons_urllib_reaches_the_peers_that_the_policy_names() {
    let Some(python) = python() else { return };
    let (scene, http) = (Scene::new(), hello());
    let script = scene.script(
        "get.py",
        r#"
import sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
sys.stdout.write(opener.open(sys.argv[1]).read().decode())
"#,
    );
    reaches(&scene, &http, "/hello", "hello\n", |url, _| {
        words(&[&python, &script, url])
    });
}

#[test]
fn pythons_asyncio_reaches_the_peers_that_the_policy_names() {
    let Some(python) = python() else { return };
    let (scene, http) = (Scene::new(), hello());
    // A hundred at once.
    let script = scene.script(
        "get.py",
        r#"
import asyncio, sys, urllib.parse
url = urllib.parse.urlsplit(sys.argv[1])

async def get():
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(f"GET {url.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer.split(b"\r\n\r\n")[1].decode()

async def main():
    answers = await asyncio.gather(*(get() for _ in range(100)))
    sys.stdout.write(f"{len(answers)} {set(answers)}\n")

asyncio.run(main())
"#,
    );
    let says = "100 {'hello\\n'}\n";
    reaches(&scene, &http, "/hello", says, |url, _| {
        words(&[&python, &script, url])
    });
}

#[test]
fn git_clones_from_the_peers_that_the_policy_names() {
    let Some(git) = program("git") else { return };
    let scene = Scene::new();
    let made = scene.at("made");
    let bare = scene.at("bare.git");
    let script = r#"
git=$1; made=$2; bare=$3
$git init -q "$made"
echo content > "$made/file"
$git -C "$made" add file
$git -C "$made" -c user.name=a -c user.email=a@example.org commit -q -m message
$git clone -q --bare "$made" "$bare"
$git -C "$bare" update-server-info
"#;
    let words_of = ["sh", "-ec", script, "sh", &git, &made, &bare];
    scene.outside(User::Caller, &words_of).output().ends_with(0);
    let http = Http::serve(&["127.0.0.1", "127.0.0.2"], move |path| {
        let file = path.strip_prefix("/bare.git/")?;
        std::fs::read(format!("{bare}/{file}")).ok()
    });
    let clone = r#""$1" clone -q "$2" "$3" && cat "$3/file""#;
    reaches(&scene, &http, "/bare.git", "content\n", |url, place| {
        words(&["/bin/sh", "-c", clone, "sh", &git, url, place])
    });
}

#[test]
fn nodes_fetch_reaches_the_peers_that_the_policy_names() {
    let Some(node) = program("node") else { return };
    let (scene, http) = (Scene::new(), hello());
    let script = scene.script(
        "get.js",
        "fetch(process.argv[2]).then(answer => answer.text()).then(text => process.stdout.write(text))",
    );
    reaches(&scene, &http, "/hello", "hello\n", |url, _| {
        words(&[&node, &script, url])
    });
}

/// A container engine that knows its version.
fn engine(path: &str) -> Option<Vec<u8>> {
    match path {
        "/_ping" => Some(b"OK".to_vec()),
        "/v1.41/version" => Some(br#"{"Version": "hello", "ApiVersion": "1.41"}"#.to_vec()),
        _ => None,
    }
}

#[test]
fn a_static_go_program_reaches_the_peers_that_the_policy_names() {
    // A client of a container engine is one.
    let Some(docker) = program("docker") else {
        return;
    };
    let scene = Scene::new();
    let http = Http::serve(&["127.0.0.1", "127.0.0.2"], engine);
    let command = |to: &str| {
        let format = "{{.Server.Version}}";
        words(&[&docker, "-H", to, "version", "--format", format])
    };
    reaches(&scene, &http, "", "hello\n", |url, _| {
        command(&url.replace("http://", "tcp://"))
    });

    http.serve_at(&scene.at("allowed.sock"));
    http.serve_at(&scene.at("denied.sock"));
    let policy = policy(&scene, &http);
    let [allowed, closed] = ["allowed.sock", "denied.sock"].map(|name| scene.at(name));
    for user in users() {
        let run = |path: &str| scene.within(user, &policy, &command(&format!("unix://{path}")));
        silent(&run(&allowed).output().ends_with(0).says("hello\n"));
        http.asked();
        let ran = run(&closed).output().ends_with(1);
        let peer = format!("connect to unix:{closed}");
        denied(&ran, &peer, &policy.line("denied.sock"));
        assert_eq!(http.asked(), [""; 0]);
    }
}

#[test]
fn a_go_program_of_the_tests_own_reaches_the_peers_that_the_policy_names() {
    let Some(go) = program("go") else { return };
    let (scene, http) = (Scene::new(), hello());
    let source = scene.script(
        "get.go",
        r#"package main

import (
	"io"
	"net/http"
	"os"
)

func main() {
	answer, err := http.Get(os.Args[1])
	if err != nil {
		println(err.Error())
		os.Exit(1)
	}
	io.Copy(os.Stdout, answer.Body)
}
"#,
    );
    let get = scene.at("get");
    plain([&go, "build", "-o", &get, &source])
        .env("CGO_ENABLED", "0")
        .env("GOCACHE", scene.at("cache"))
        .env("GOFLAGS", "-mod=mod")
        .output()
        .ends_with(0);
    reaches(&scene, &http, "/hello", "hello\n", |url, _| {
        words(&[&get, url])
    });
}
