//! Races for peers: a call names an allowed peer, or a socket that may have it, while something
//! turns it into a denied one. Whoever starts them listens at all of them, and tells on stdin when
//! a denied one was reached.

mod acts;
mod held;
mod judge;
mod pages;
mod place;
mod scenes;
mod turn;

use crate::seconds::time;
use acts::Try;
use place::Place;
use std::process::ExitCode;
use std::time::Instant;

/// No attack tries more often.
const MOST_TRIES: u64 = 200_000;

/// `net [naive] ATTACK SECONDS PLACE…`, or `net list`.
pub fn run(words: &[&str]) -> ExitCode {
    match words {
        ["list"] => {
            for scene in scenes::ALL {
                println!("{} {}", scene.name, scene.needs.word());
            }
            for (name, _) in pages::TRICKS {
                println!("{name} pages");
            }
        }
        ["naive", name, seconds, place @ ..] => {
            let place = Place::new(place);
            let code = judge::supervise(&place, || {
                attack(name, seconds, &place);
                0
            });
            return ExitCode::from(code as u8);
        }
        [name, seconds, place @ ..] => attack(name, seconds, &Place::new(place)),
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}

fn attack(name: &str, seconds: &str, place: &Place) {
    let time = time(seconds);
    if name == "held-up" {
        return held::hold_up(place, time);
    }
    if let Some((_, trick)) = pages::TRICKS.iter().find(|row| row.0 == name) {
        return pages::race(name, *trick, place, time);
    }
    let scene = scenes::ALL.iter().find(|scene| scene.name == name);
    let scene = scene.expect("no such attack");
    let acting = (scene.make)(place, scene.shared);
    let start = Instant::now();
    let (mut tries, mut wins, mut passed) = (0, 0, 0);
    while tries < MOST_TRIES && start.elapsed() < time && wins == 0 {
        match acting.attempt(place) {
            Try::Denied => {}
            Try::Passed => passed += 1,
            Try::Won => wins += 1,
        }
        tries += 1;
        if tries % 8 == 0 && crate::raw::sockets::told() > 0 {
            break;
        }
    }
    drop(acting);
    println!("{name} tries {tries} wins {wins} passed {passed}");
}
