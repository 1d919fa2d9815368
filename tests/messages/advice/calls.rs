//! Every system call, and every value of the argument that selects what one does, judged: nothing runs.

use super::merge::merge;
use super::paste::{Files, paste};
use jail::internal::baseline::Baseline;
use jail::internal::judge::remedy::{Denied, Object, Remedy, remedy};
use jail::internal::judge::varying::Run;
use jail::internal::judge::{Judge, Standing};
use jail::internal::policy::{Action, Policy};
use jail::internal::syscalls::{self, Call, Kind, Syscall};

/// Advices that one call may need, one after the other.
const MOST: usize = 4;

/// Calls of a system call: one for each value of its first argument that is an enumeration.
fn calls(syscall: &Syscall) -> Vec<Call> {
    let Some(nr) = syscall.number() else {
        return Vec::new();
    };
    let selects = |kind: Kind| matches!(kind, Kind::Enum(_) | Kind::Enum64(_));
    let place = syscall.args.iter().position(|arg| selects(arg.kind));
    let Some((place, set)) = place.and_then(|at| Some((at, syscall.args.get(at)?.kind.set()?)))
    else {
        return vec![Call { nr, args: [0; 6] }];
    };
    let set = set.resolve(&[0; 6]);
    let constants = set.map_or(&[][..], |set| set.constants);
    let values = constants.iter().map(|(_, value)| *value).chain([0x7e57]);
    values
        .map(|value| {
            let mut args = [0; 6];
            if let Some(arg) = args.get_mut(place) {
                *arg = value;
            }
            Call { nr, args }
        })
        .collect()
}

/// What is done about a denial.
type Change = dyn Fn(Files, &Remedy) -> Option<Files>;

/// Follows the advice for one call, then its remedies.
fn follow(text: &str, call: &Call) {
    follow_by(text, call, &|files, remedy| paste(files, &remedy.text));
    follow_by(text, call, &|files, remedy| {
        let patch = remedy.patch.as_deref()?;
        assert_eq!(remedy.standing, Standing::Askable, "{remedy:?}");
        Some(merge(files, patch))
    });
}

fn follow_by(text: &str, call: &Call, change: &Change) {
    let mut files = Files(vec![("net.toml".to_owned(), text.to_owned())]);
    let mut seen: Vec<String> = Vec::new();
    loop {
        let main = &files.0.first().expect("a policy").1;
        let policy = match Policy::parse(main, "net.toml") {
            Ok(policy) => policy,
            Err(problems) => panic!("{call}: {problems:?}\n{main}"),
        };
        let verdict = Judge::new(&policy, &Baseline::newest()).call(call);
        if verdict.action == Action::Allow {
            return;
        }
        let run = Run::default();
        let denied = Denied {
            call: Some(call),
            object: Object::Nothing,
            run: &run,
        };
        let advice = remedy(&policy, &denied, &verdict);
        let advice = advice.unwrap_or_else(|| panic!("no advice for {call}: {verdict:?}"));
        let found = advice;
        let advice = found.text.clone();
        assert!(
            !seen.contains(&advice) && seen.len() < MOST,
            "{call}: to no effect: {advice}\n{main}"
        );
        // A preset's rule: its copy is another file.
        if advice.contains("copy the preset") {
            return;
        }
        match change(files, &found) {
            Some(next) => files = next,
            None => return,
        }
        seen.push(advice);
    }
}

/// Every `step`th system call: all values of its argument, if that is every one.
fn each(step: usize, least: usize, text: impl Fn(&Syscall) -> String) {
    let mut tried = 0;
    let most = if step == 1 { usize::MAX } else { 1 };
    for syscall in syscalls::all().iter().step_by(step) {
        let text = text(syscall);
        if Policy::parse(&text, "net.toml").is_err() {
            // To allow or to deny it by name is an error that says why.
            continue;
        }
        for call in calls(syscall).into_iter().take(most) {
            follow(&text, &call);
            tried += 1;
        }
    }
    assert!(tried > least, "{tried}");
}

#[test]
fn what_the_default_closes_is_allowed_by_the_advice() {
    each(1, 300, |_| {
        "[syscalls]\nmmap = \"allow\"\nread = \"allow\"\nmprotect = \"allow\"\n".to_owned()
    });
}

#[test]
fn what_a_policy_without_base_lacks_is_allowed_by_the_advice() {
    // `base` takes its time to be read.
    each(7, 40, |_| String::new());
    each(7, 40, |_| "extends = [\"offline\"]\n".to_owned());
}

#[test]
fn what_an_entry_denies_by_name_is_allowed_by_the_advice() {
    each(1, 300, |syscall| {
        format!(
            "default = \"allow\"\n[syscalls]\n{} = \"deny\"\n",
            syscall.name
        )
    });
}

#[test]
fn what_a_rule_denies_is_allowed_by_the_advice() {
    // Of a pointer that is no condition.
    each(1, 100, |syscall| {
        let name = syscall.name;
        let when = "when = \"arg0 != 1\"";
        format!("default = \"allow\"\n[[rule]]\nsyscall = \"{name}\"\n{when}\naction = \"deny\"\n")
    });
}
