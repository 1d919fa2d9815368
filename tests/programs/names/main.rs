//! A world of names, and a client in it.
//!
//! `names world COMMAND…` is a resolver on 127.0.0.53 and another on 127.0.0.54, over UDP and TCP, and
//! a server at port 8090 of every address; then it runs the command and ends as it does. It needs a
//! network namespace of its own, for it takes port 53.
//! `names do STEP…` is the client: `ask:HOW:RESOLVER:NAME[:AAAA]` and `connect:ADDRESS`, `sleep:MS`,
//! `thread`, `signalled:ADDRESS`, `beat:start` and `beat:stop`, `attack:HOW:ADDRESS` (see `attack`); it
//! prints one line a step. It must never rely on being jailed.

#![allow(unsafe_code)]

mod attack;
mod client;
mod race;
mod zone;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Command, ExitCode};
use std::thread::spawn;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((word, command)) if word == "world" => world(command),
        Some((word, steps)) if word == "do" => {
            for step in steps {
                println!("{step} {}", client::step(step));
            }
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("names world COMMAND… | do STEP…");
            ExitCode::from(2)
        }
    }
}

fn world(command: &[String]) -> ExitCode {
    // It takes questions and never answers.
    let silent = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 98), 53));
    for last in [53, 54] {
        let address = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 53));
        let udp = UdpSocket::bind(address).expect("port 53, which needs a namespace of its own");
        let tcp = TcpListener::bind(address).expect("port 53 of TCP");
        if last == 53 {
            spawn(move || zone::serve_udp(&udp, true));
        } else {
            zone::ROGUE.get_or_init(|| udp.try_clone().expect("a descriptor"));
            spawn(move || zone::serve_udp(&udp, false));
        }
        spawn(move || zone::serve_tcp(&tcp));
    }
    for address in ["0.0.0.0:8090", "[::1]:8090"] {
        let Ok(listener) = TcpListener::bind(address) else {
            eprintln!("names: no {address} here");
            continue;
        };
        spawn(move || {
            for peer in listener.incoming() {
                drop(peer)
            }
        });
    }
    let Some((program, arguments)) = command.split_first() else {
        return ExitCode::from(2);
    };
    let status = Command::new(program).args(arguments).status();
    drop(silent);
    let code = status.ok().and_then(|status| status.code()).unwrap_or(255);
    ExitCode::from(code as u8)
}
