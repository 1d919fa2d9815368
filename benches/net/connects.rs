//! Short connections: each is judged once.

use crate::Result;
use crate::affinity::on_one_cpu;
use crate::pairs::{Rounds, inner};
use crate::programs::Programs;
use crate::table::{self, Compare, Line};
use std::net::{Ipv4Addr, TcpListener};

/// At most this times what the floor adds.
const TARGET: Option<f64> = Some(2.6);
const ROUNDS: usize = 15;
const CONNECTS: &str = "10000";
const MICROSECOND: f64 = 1e3;

pub fn print(programs: &Programs) -> Result<()> {
    on_one_cpu(|| measure(programs))
}

fn measure(programs: &Programs) -> Result<()> {
    // The probe listens itself: connections that pile up for another would be another measurement.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port();
    let policy = programs.directory.join("connects.toml");
    let policy = policy.to_str().ok_or("a path that is no text")?;
    std::fs::write(
        policy,
        format!(
            "extends = [\"base\"]\n[fs]\nread = [\"/\"]\nexec = [\"/\"]\n[net]\nconnect = [\"127.0.0.1:{port}\"]\nlisten = [\"127.0.0.1:{port}\"]\n"
        ),
    )?;
    let port = port.to_string();
    println!(
        "{CONNECTS} connections to a listener of the same program, socket, connect, accept and close, µs \
         each; what is added to the unjailed time as a ratio to what the floor adds\n"
    );
    for (company, how) in [
        ("alone", "jail: judged, goes on as it is"),
        ("thread", "jail: judged, made by the supervisor"),
    ] {
        let probe = [&programs.this, "probe", "connect", company, &port, CONNECTS];
        let variants: [Vec<&str>; 3] = [
            vec![],
            vec![&programs.floor, "connect"],
            vec![&programs.jail, "--quiet", "--policy", policy, "--"],
        ];
        let lines = [
            Line::new("unjailed", None),
            Line::new("floor: stop, read the address, continue", None),
            Line::new(how, TARGET),
        ];
        let rounds = Rounds::interleave(ROUNDS, variants.len(), |variant| {
            Ok(inner(&[&variants[variant], &probe[..]].concat())? / MICROSECOND)
        })?;
        let title = format!("connect, {company}, one CPU");
        table::print(&title, &rounds, Compare::Added, &lines);
    }
    Ok(())
}
