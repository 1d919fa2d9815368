//! What this host's Landlock is, and what of it is tried.

use super::jail;
use super::schema::fitting;
use std::sync::OnceLock;

/// The newest ABI of this host's Landlock; 0 where it has none.
pub fn abi() -> u64 {
    static ABI: OnceLock<u64> = OnceLock::new();
    *ABI.get_or_init(|| {
        let ran = jail(["doctor", "--json"]).output();
        let document = fitting("doctor", &ran.out);
        document["landlock"]["abi"].as_u64().expect("a number")
    })
}

/// The values of `JAIL_LANDLOCK_ABI` that each claim is tried with, each of which differs from the others on
/// this host; `None`: all that it has.
pub fn landlocks() -> Vec<Option<&'static str>> {
    match abi() {
        0 => {
            lacks(None);
            vec![None]
        }
        1 => vec![None, Some("0")],
        _ => vec![None, Some("1"), Some("0")],
    }
}

/// Whether a claim about Landlock, with this value of `JAIL_LANDLOCK_ABI`, cannot be tried on this host; says so.
pub fn lacks(landlock: Option<&str>) -> bool {
    let lacks = landlock != Some("0") && abi() == 0;
    if lacks {
        println!("NOT TRIED HERE: with Landlock: this kernel has none");
    }
    lacks
}

/// Those of these values of `JAIL_LANDLOCK_ABI` that can be tried on this host; says which cannot.
pub fn tried<const N: usize>(abis: [&str; N]) -> Vec<&str> {
    let mut tried = abis.to_vec();
    tried.retain(|abi| !lacks(Some(abi)));
    tried
}
