//! Servers in a jail: they listen where the policy says, and are reached from outside.

use super::scene::{
    Policy, Scene, User, denied, free_port, program, python, silent, unhindered, users,
};
use crate::support::{Ran, Running};
use nix::sys::signal::Signal;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// What a server answers to a text that its end follows.
fn ask(mut stream: impl Read + Write, question: &str) -> String {
    let mut answer = Vec::new();
    let asked = stream.write_all(question.as_bytes());
    asked
        .and_then(|()| stream.read_to_end(&mut answer).map(drop))
        .expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(port: u16) -> String {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("a server");
    ask(stream, "GET /page HTTP/1.0\r\n\r\n")
}

/// Stops a server as its administrator would.
fn stop(running: Running) -> Ran {
    running.signal(Signal::SIGTERM);
    running.finish()
}

/// A server may listen on the one and not on the other.
fn policy(scene: &Scene, port: u16) -> Policy {
    scene.policy(&format!(
        "listen = [\"127.0.0.1:{port}\"]\ndeny = [\n  {{ on = \"127.0.0.2\", why = \"not there\" }},\n]"
    ))
}

#[test]
fn pythons_server_listens_where_the_policy_says() {
    let Some(python) = python() else { return };
    let scene = Scene::new();
    scene.write("page", "content");
    // Port 0: whichever the kernel chooses.
    let policy = policy(&scene, 0);
    let serve = |host| [&python, "-u", "-m", "http.server", "--bind", host, "0"].map(str::to_owned);
    for user in users() {
        let mut running = scene.within(user, &policy, &serve("127.0.0.1")).start();
        let said = running.line("Serving HTTP on 127.0.0.1 port ");
        let port = said
            .split_whitespace()
            .next()
            .and_then(|port| port.parse().ok());
        for _ in 0..20 {
            let answer = get(port.expect("a port"));
            assert!(answer.ends_with("\r\n\r\ncontent"), "{answer}");
        }
        unhindered(&stop(running));
        let mut free = scene.outside(user, &serve("127.0.0.2")).start();
        free.line("Serving HTTP on 127.0.0.2 port ");
        stop(free);
        let ran = scene.within(user, &policy, &serve("127.0.0.2")).output();
        let ran = ran.ends_with(1).complains("PermissionError");
        denied(&ran, "listen on 127.0.0.2:0", &policy.line("not there"));
    }
}

#[test]
fn a_server_that_was_not_bound_listens_nowhere() {
    let Some(python) = python() else { return };
    let scene = Scene::new();
    let policy = policy(&scene, 0);
    // The kernel binds it, to all addresses.
    let script = "import socket; s = socket.socket(); s.listen(); print('listens')";
    let command = [&python, "-c", script];
    for user in users() {
        let free = scene.outside(user, &command).output();
        free.ends_with(0).says("listens\n");
        let ran = scene.within(user, &policy, &command).output();
        let ran = ran.ends_with(1).says("").complains("PermissionError");
        // Which are the denied one, too. The port is whichever the kernel has chosen.
        let line = format!("[{} ", policy.line("not there"));
        let mut lines = ran.err.lines();
        if !lines
            .any(|said| said.starts_with("jail: denied listen on 0.0.0.0:") && said.contains(&line))
        {
            ran.fail("should have reported the listen");
        }
    }
}

#[test]
fn nginx_listens_where_the_policy_says() {
    let Some(nginx) = program("nginx") else {
        return;
    };
    let scene = Scene::new();
    scene.write("site/page", "content");
    let port = free_port();
    let policy = policy(&scene, port);
    // As root it would give its directories to another user, which takes a capability.
    let user = match crate::support::is_root() {
        true => "user root;\n",
        false => "",
    };
    let configured = |host: &str| {
        let text = format!(
            "{user}daemon off;\nmaster_process off;\npid @/nginx.pid;\nerror_log stderr;\nevents {{ }}\nhttp {{\n  \
             access_log off;\n  client_body_temp_path @/t1;\n  proxy_temp_path @/t2;\n  fastcgi_temp_path @/t3;\n  \
             uwsgi_temp_path @/t4;\n  scgi_temp_path @/t5;\n  \
             server {{ listen {host}:{port}; root @/site; }}\n}}\n"
        );
        let file = scene.write(&format!("{host}.conf"), &text);
        [
            nginx.clone(),
            "-e".into(),
            "stderr".into(),
            "-c".into(),
            file,
        ]
    };
    let command = configured("127.0.0.1");
    let mut running = scene.within(User::Caller, &policy, &command).start();
    running.until("an answer", |_| {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    for _ in 0..20 {
        let answer = get(port);
        assert!(answer.ends_with("\r\n\r\ncontent"), "{answer}");
    }
    unhindered(&stop(running));
    let command = configured("127.0.0.2");
    let ran = scene.within(User::Caller, &policy, &command).output();
    denied(
        &ran.ends_with(1),
        &format!("listen on 127.0.0.2:{port}"),
        &policy.line("not there"),
    );
}

#[test]
fn redis_is_reached_by_address_and_by_path() {
    let Some(server) = program("redis-server") else {
        return;
    };
    let scene = Scene::new();
    let (port, socket) = (free_port(), scene.at("redis.sock"));
    let server_policy = policy(&scene, port);
    let text = port.to_string();
    let serve = |host| {
        let directory = scene.at("");
        let options = ["--bind", host, "--port", &text, "--unixsocket", &socket];
        let more = ["--save", "", "--dir", &directory];
        let words = [server.as_str()].into_iter().chain(options).chain(more);
        words.map(str::to_owned).collect::<Vec<String>>()
    };
    let command = serve("127.0.0.1");
    let mut running = scene.within(User::Caller, &server_policy, &command).start();
    running.until("an answer", |_| {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    let question = "PING\r\nQUIT\r\n";
    let by_address = TcpStream::connect(("127.0.0.1", port)).expect("the server");
    assert_eq!(ask(by_address, question), "+PONG\r\n+OK\r\n");
    let by_path = UnixStream::connect(&socket).expect("the server");
    assert_eq!(ask(by_path, question), "+PONG\r\n+OK\r\n");
    if let Some(client) = program("redis-cli") {
        let clients = scene.whole_policy(
            "clients.toml",
            &format!("extends = [\"base\"]\n[net]\nconnect = [\"127.0.0.1:{port}\"]\ndeny = [\n  {{ to = \"unix:@/redis.sock\" }},\n]\n"),
        );
        for user in users() {
            let command = [&client, "-h", "127.0.0.1", "-p", &text, "ping"];
            let ran = scene.within(user, &clients, &command).output();
            silent(&ran.ends_with(0).says("PONG\n"));
            let command = [&client, "-s", &socket, "ping"];
            let ran = scene.within(user, &clients, &command).output();
            let peer = format!("connect to unix:{socket}");
            denied(&ran, &peer, &clients.line("redis.sock"));
        }
    }
    unhindered(&stop(running));
    let command = serve("127.0.0.2");
    let run = scene.within(User::Caller, &server_policy, &command);
    let ran = run.timeout(Duration::from_secs(20)).output();
    denied(
        &ran,
        &format!("listen on 127.0.0.2:{port}"),
        &server_policy.line("not there"),
    );
}
