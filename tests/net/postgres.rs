//! A database server in a jail, and its client in another.

use super::scene::{NOBODY, Scene, User, denied, free_port, program, silent, users};
use crate::not_tested;
use crate::support::is_root;
use nix::sys::signal::Signal;

#[test]
fn a_database_is_reached_by_address_and_by_path() {
    let programs = ["postgres", "initdb", "psql"].map(program);
    let [Some(postgres), Some(initdb), Some(psql)] = programs else {
        return;
    };
    // It refuses to be run by root.
    let owner = match users().last() {
        Some(User::Nobody) => User::Nobody,
        _ if is_root() => {
            not_tested!("postgres is not for root, and there is nobody else");
            return;
        }
        _ => User::Caller,
    };
    let scene = Scene::new();
    if scene.outside(owner, &["id", "-un"]).output().code() != Some(0) {
        not_tested!("postgres wants a user that has a name");
        return;
    }
    let (data, directory) = (scene.at("data"), scene.at(""));
    let directory = directory.trim_end_matches('/');
    std::fs::create_dir(&data).expect("a directory");
    if owner == User::Nobody {
        std::os::unix::fs::chown(&data, Some(NOBODY), Some(NOBODY)).expect("a directory's owner");
    }
    let made = [
        "-D",
        &data,
        "-A",
        "trust",
        "-U",
        "test",
        "-N",
        "--locale=C",
        "-E",
        "UTF8",
    ];
    let words: Vec<&str> = [initdb.as_str()].into_iter().chain(made).collect();
    scene.outside(owner, &words).output().ends_with(0);

    let port = free_port();
    let text = port.to_string();
    let listens = scene.policy(&format!(
        "connect = [\"unix:@\"]\nlisten = [\"127.0.0.1:{port}\"]\ndeny = [\n  {{ on = \"127.0.0.2\", why = \"not there\" }},\n]"
    ));
    let serve = |host: &str| {
        let options = ["-D", &data, "-h", host, "-p", &text, "-k", directory, "-F"];
        let words = [postgres.as_str()].into_iter().chain(options);
        let words: Vec<&str> = words.collect();
        scene.within(owner, &listens, &words)
    };
    let ran = serve("127.0.0.2").output().ends_with(1);
    let peer = format!("listen on 127.0.0.2:{port}");
    denied(&ran, &peer, &listens.line("not there"));

    let mut server = serve("127.0.0.1").start();
    server.until("a server", |server| {
        server.err().contains("ready to accept connections") || server.has_ended()
    });

    let socket = scene.at(&format!(".s.PGSQL.{port}"));
    let clients = |closed: &str| {
        scene.policy(&format!(
            "connect = [\"127.0.0.0/8\", \"unix:@\"]\ndeny = [\n  {{ to = \"{closed}\", why = \"not that one\" }},\n]"
        ))
    };
    for user in users() {
        let query = "select sum(n) from generate_series(1, 100000) n";
        let command = |host| {
            [
                &psql, "-X", "-At", "-U", "test", "-h", host, "-p", &text, "-c", query, "postgres",
            ]
        };
        let tries = [
            ("127.0.0.1", "127.0.0.1", format!("127.0.0.1:{port}")),
            (directory, &socket, format!("unix:{socket}")),
        ];
        for (host, closed, peer) in tries {
            let free = scene.outside(user, &command(host)).output();
            free.ends_with(0).says("5000050000\n");
            let open = clients("127.0.0.3");
            let ran = scene.within(user, &open, &command(host)).output();
            silent(&ran.ends_with(0).says("5000050000\n"));
            let closed = match host {
                "127.0.0.1" => closed.to_owned(),
                _ => format!("unix:{closed}"),
            };
            let closed = clients(&closed);
            let ran = scene.within(user, &closed, &command(host)).output();
            let ran = ran.ends_with(2).says("").complains("Permission denied");
            denied(
                &ran,
                &format!("connect to {peer}"),
                &closed.line("not that one"),
            );
        }
    }
    // A fast shutdown.
    server.signal(Signal::SIGINT);
    silent(&server.finish().ends_with(0));
}
