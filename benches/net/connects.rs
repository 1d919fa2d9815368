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
    let policy = |name: &str, more: &str| -> Result<String> {
        let path = programs.directory.join(name);
        let text = format!(
            "extends = [\"base\"]\n[fs]\nread = [\"/\"]\nexec = [\"/\"]\n[net]\nconnect = [\"127.0.0.1:{port}\"{more}]\nlisten = [\"127.0.0.1:{port}\"]\n"
        );
        std::fs::write(&path, text)?;
        Ok(path.to_str().ok_or("a path that is no text")?.to_owned())
    };
    let streams = policy("streams.toml", "")?;
    // A socket of UDP may take the place of one of TCP.
    let both = policy("both.toml", ", \"udp://127.0.0.2:53\"")?;
    let port = port.to_string();
    println!(
        "{CONNECTS} connections to a listener of the same program, socket, connect, accept and close, µs \
         each; what is added to the unjailed time as a ratio to what the floor adds\n"
    );
    for (company, of_streams, of_both) in [
        (
            "alone",
            "jail, TCP: judged, goes on as it is",
            "jail, TCP and UDP: judged by its socket, goes on as it is",
        ),
        (
            "thread",
            "jail, TCP: judged, goes on pinned",
            "jail, TCP and UDP: judged, made by the supervisor",
        ),
    ] {
        let probe = [&programs.this, "probe", "connect", company, &port, CONNECTS];
        let jail = |policy| vec![&programs.jail, "--quiet", "--policy", policy, "--"];
        let variants: [Vec<&str>; 4] = [
            vec![],
            vec![&programs.floor, "connect"],
            jail(&streams),
            jail(&both),
        ];
        let lines = [
            Line::new("unjailed", None),
            Line::new("floor: stop, read the address, continue", None),
            Line::new(of_streams, TARGET),
            Line::new(of_both, None),
        ];
        let rounds = Rounds::interleave(ROUNDS, variants.len(), |variant| {
            Ok(inner(&[&variants[variant], &probe[..]].concat())? / MICROSECOND)
        })?;
        let title = format!("connect, {company}, one CPU");
        table::print(&title, &rounds, Compare::Added, &lines);
    }
    Ok(())
}
