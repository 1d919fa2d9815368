//! For tests, which show that each attack works: the attacks on the same scenes, started as the caller says.

use super::kind::{Aim, Attack};
use super::list::ATTACKS;
use super::openly::{OUTPUT, PROCESSES, WALL};
use super::scene::Scene;
use super::suite::{self, Outcome, Start};
use super::workers::on_threads;
use crate::launch::Temporary;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;

/// What came of an attack.
#[derive(Debug)]
pub enum Rehearsed {
    /// What it reached.
    Reached(String),
    /// What stopped it.
    Stopped(String),
    /// Why this host does not let it be tried.
    Impossible(String),
}

/// Runs each attack for this long, if it is a race, with the targets beneath `base`. The error is a message.
pub fn rehearse(
    program: &Path,
    base: &Path,
    seconds: f64,
    start: Start<'_>,
) -> Result<Vec<(&'static str, Rehearsed)>, String> {
    let all: Vec<&'static Attack> = ATTACKS.iter().collect();
    let make = || {
        let made = Temporary::make(base, None, None);
        made.map_err(|error| format!("cannot make a directory: {error}"))
    };
    let rows = on_threads(&all, make, |place, attack| {
        let mut scene = Scene::make(place.path(), program, Some(attack))?;
        scene.given.seconds = seconds;
        match set(attack, &mut scene) {
            Some(why) => Ok(Outcome::NotApplicable(why)),
            None => suite::attack(attack, &mut scene, program, &[], start),
        }
    })?;
    let named = rows.into_iter().map(|row| {
        let rehearsed = match row.outcome {
            Outcome::Escaped(what) => Rehearsed::Reached(what),
            Outcome::Contained(why) | Outcome::Unstarted(why) => Rehearsed::Stopped(why),
            Outcome::NotApplicable(why) => Rehearsed::Impossible(why),
        };
        (row.attack.name, rehearsed)
    });
    Ok(named.collect())
}

/// Sets what a policy would say; why this host does not let the attack be tried.
fn set(attack: &Attack, scene: &mut Scene) -> Option<String> {
    match attack.aim {
        Aim::Processes => scene.given.limit = PROCESSES,
        Aim::Output => scene.given.limit = OUTPUT,
        Aim::Wall => scene.given.limit = WALL.as_millis() as u64,
        Aim::Name => {
            let address = SocketAddrV4::new(Ipv4Addr::new(127, 87, 1, 2), scene.given.tcp);
            if let Err(why) = scene.forge("registry.example", address) {
                return Some(why);
            }
        }
        _ => {}
    }
    scene
        .lacks(attack.aim)
        .map(str::to_owned)
        .or_else(attack.host)
}
