//! What the fuzzers of `fuzz/` run: each function reads untrusted bytes as jail reads them, and checks what must hold
//! whatever they are. The corpus that the fuzzers have found is run by this module's test.

use crate::baseline::Baseline;
use crate::condition::Condition;
use crate::journal::{Journal, Tree};
use crate::judge::Judge;
use crate::net::message::{self, Header};
use crate::net::{Address, Endpoint, Family, dns};
use crate::paths::{Pattern, Progress};
use crate::plan::{Host, Plan};
use crate::policy::{Policy, lint, render};
use crate::trace::{Exit, Wait};
use crate::{page, replay, syscalls};
use std::path::Path;

/// The text of a policy: it is accepted, planned for the newest and the oldest host and judged, or each problem
/// points into the text.
pub fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let policy = match Policy::parse(text, "any.toml") {
        Ok(policy) => policy,
        Err(problems) => {
            assert!(!problems.diagnostics.is_empty());
            for problem in &problems.diagnostics {
                let inside = text.get(problem.span.clone()).is_some();
                let elsewhere = problem.source != Some(0) || problem.code.name() == "toml";
                assert!(inside || elsewhere, "{problem:?}");
            }
            problems.render(true);
            return;
        }
    };
    render(&policy.sources, &lint(&policy), true);
    let old = Host {
        landlock_abi: 0,
        ..Host::newest()
    };
    for host in [Host::newest(), old] {
        // A plan may be impossible on a host, which is an error with a message.
        match Plan::new(&policy, &host) {
            Ok(_) => {}
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    let judge = Judge::new(&policy, &Baseline::newest());
    for nr in 0..512 {
        let args = [3, 0, u64::MAX, 0x8_0000, 1, 0];
        let call = syscalls::Call { nr, args };
        assert_eq!(judge.call(&call), judge.call(&call), "{call:?}");
    }
}

/// A call's number, then the text of a condition: its disjunctive normal form, which becomes the filter, holds for
/// the same arguments as it does.
pub fn condition(data: &[u8]) {
    let Some((place, text)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let all = syscalls::all();
    let syscall = &all[usize::from(*place) % all.len()];
    let condition = match Condition::parse(text, syscall) {
        Ok(condition) => condition,
        Err(error) => {
            assert!(text.get(error.range.clone()).is_some(), "{error:?}");
            return;
        }
    };
    let Ok(alternatives) = condition.alternatives() else {
        return;
    };
    let numbers = [0, 1, 2, 0x40, 0o100, 0x7fff_ffff, 0xffff_ffff, u64::MAX];
    for first in numbers {
        for second in numbers {
            let args = [first, second, first ^ second, second, first, first | second];
            let lowered = alternatives
                .iter()
                .any(|tests| tests.iter().all(|test| test.holds(&args)));
            assert_eq!(condition.holds(&args), lowered, "{text} for {args:x?}");
        }
    }
}

/// The text of an endpoint, as one that allows and as one that denies.
pub fn endpoint(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for closes in [false, true] {
        if let Err(error) = Endpoint::parse(text, closes) {
            assert!(text.get(error.range.clone()).is_some(), "{error:?}");
            assert!(!error.message.is_empty());
        }
    }
}

/// A glob, a zero byte, and a path: going down the path step by step leads as far as matching all of it.
pub fn pattern(data: &[u8]) {
    let Some(cut) = data.iter().position(|byte| *byte == 0) else {
        return;
    };
    let (Ok(glob), path) = (std::str::from_utf8(&data[..cut]), &data[cut + 1..]) else {
        return;
    };
    let Ok(pattern) = Pattern::glob(Path::new("/a/b"), glob) else {
        return;
    };
    let names = path.split(|byte| *byte == b'/');
    let names: Vec<&[u8]> = names.filter(|name| !name.is_empty()).take(80).collect();
    let mut whole = Vec::new();
    let mut progress = pattern.progress(b"/");
    for name in [b"a".as_slice(), b"b"].into_iter().chain(names) {
        whole.push(b'/');
        whole.extend_from_slice(name);
        progress = pattern.step(progress, name);
        let at_once = pattern.progress(&whole);
        assert_eq!(
            progress,
            at_once,
            "{glob:?} {:?}",
            whole.escape_ascii().to_string()
        );
        assert_eq!(pattern.covers(&whole), at_once == Progress::Covered);
    }
}

/// The bytes of a `struct sockaddr`: one that is settled stays as it is, and no longer names the unspecified address.
pub fn address(data: &[u8]) {
    for socket in [Family::V4, Family::V6, Family::Unix, Family::Other] {
        for keeps in [false, true] {
            let _ = Address::decode(data, socket, keeps);
        }
        let mut bytes = data.to_vec();
        let changed = Address::settle(&mut bytes, socket);
        assert_eq!(changed, bytes != data);
        assert!(!Address::settle(&mut bytes, socket));
    }
}

/// A message's header, a length, so much of a name, and control data: a copy of the header leads to all of them and
/// to the same pieces, and control data that is cut off has no route that the whole has not.
pub fn message(data: &[u8]) {
    let Some((header, rest)) = data.split_first_chunk::<{ Header::SIZE }>() else {
        return;
    };
    let Some((length, rest)) = rest.split_first() else {
        return;
    };
    let (name, control) = rest.split_at(usize::from(*length).min(128).min(rest.len()));
    let (given, at) = (Header::of(header), 0x1_0000);
    let copy = Header::copy(header, name, control, at);
    let found = Header::of(copy.first_chunk().expect("a header"));
    let part = |place: u64, length: u64| match length {
        0 => Some(&[][..]),
        _ => copy.get((place - at) as usize..(place - at + length) as usize),
    };
    assert_eq!(part(found.name, found.name_length.into()), Some(name));
    assert_eq!(part(found.control, found.control_length), Some(control));
    assert_eq!(
        (found.pieces, found.pieces_count),
        (given.pieces, given.pieces_count)
    );
    assert_eq!(found.name == 0, name.is_empty());
    let route = message::has_route(control);
    for end in 0..control.len() {
        assert!(route || !message::has_route(&control[..end]));
    }
}

/// Status words of wait(2), four bytes each.
pub fn status(data: &[u8]) {
    for word in data.chunks_exact(4).filter_map(|word| word.first_chunk()) {
        match Wait::decode(7, i32::from_ne_bytes(*word)) {
            Wait::Gone(7, Exit::Code(code)) => assert!((0..=255).contains(&code)),
            Wait::Gone(7, Exit::Signal(signal)) => assert!((1..=127).contains(&signal)),
            Wait::Stopped(stopped, _) => {
                assert_eq!(stopped.tid(), 7);
                drop(stopped);
            }
            Wait::Gone(..) | Wait::Interrupted => panic!("{word:?}"),
        }
    }
}

/// DNS messages, alone and in a stream: a question that is read can be asked and is read again, and no answer has
/// more addresses than there is room for.
pub fn names(data: &[u8]) {
    let (messages, taken) = dns::messages(data);
    assert!(taken <= data.len());
    for message in messages.into_iter().chain([data]) {
        let _ = dns::is_query(message);
        if let Some(question) = dns::question(message)
            && let Some(query) = dns::query(7, &question)
        {
            assert!(dns::is_query(&query));
            assert_eq!(dns::question(&query), Some(question));
        }
        if let Some(answer) = dns::answer(message) {
            // A record has 14 bytes at least.
            assert!(answer.addresses.len() <= message.len() / 14);
        }
    }
}

/// A log: it is shown as a page, in which it cannot end its script element, and as text without control characters;
/// and decided under a policy.
pub fn log(data: &[u8]) {
    let Ok(journal) = Journal::read(data) else {
        return;
    };
    assert!(Tree::new(&journal).order().len() <= journal.entries.len() + 1);
    let page = page::html(&journal);
    let ends = |page: &str| page.matches("</script").count();
    assert_eq!(ends(&page), ends(&page::html(&Journal::default())));
    for text in [page::text(&journal, Some(80)), page::markdown(&journal)] {
        let is_control = |character: char| character.is_control() && character != '\n';
        assert!(!text.contains(is_control), "{text:?}");
    }
    let _ = page::github(&journal);
    if let Ok(policy) = Policy::preset("workspace")
        && let Ok(plan) = Plan::new(&policy, &Host::newest())
    {
        let outcome = replay::replay(&journal, &policy, &plan);
        assert!(outcome.same <= outcome.calls);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;

    /// A fuzzer's name and what it runs.
    type Target = (&'static str, fn(&[u8]));

    /// All of them.
    const TARGETS: [Target; 9] = [
        ("policy", policy),
        ("condition", condition),
        ("endpoint", endpoint),
        ("pattern", pattern),
        ("address", address),
        ("message", message),
        ("status", status),
        ("dns", names),
        ("log", log),
    ];

    #[test]
    fn each_target_is_here_with_its_function() {
        let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
        let Ok(files) = fs::read_dir(targets) else {
            println!("NOT TRIED HERE: the package does not hold the fuzzers");
            return;
        };
        let files = files.map(|file| file.expect("a file").path());
        let names = |path: &Path| path.file_stem().map(|name| name.to_owned());
        let found: BTreeSet<_> = files.filter_map(|path| names(&path)).collect();
        let expected = TARGETS.iter().map(|(name, _)| (*name).into()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_the_fuzzers_have_found_holds() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        if !corpus.is_dir() {
            println!("NOT TRIED HERE: the package does not hold the corpus");
            return;
        }
        for (name, run) in TARGETS {
            let files = fs::read_dir(corpus.join(name)).expect("a folder for each target");
            let mut count = 0;
            for file in files {
                let file = file.expect("a file").path();
                println!("{}", file.display());
                run(&fs::read(&file).expect("readable"));
                count += 1;
            }
            assert!(count > 0, "{name} has no corpus");
        }
    }
}
