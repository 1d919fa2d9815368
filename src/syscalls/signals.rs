//! Signal numbers and their names, as on x86-64 and aarch64.

use std::borrow::Cow;

/// By number, from 1.
const NAMES: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

/// Aliases.
const ALIASES: [(&str, i32); 4] = [
    ("SIGIOT", 6),
    ("SIGCLD", 17),
    ("SIGPOLL", 29),
    ("SIGUNUSED", 31),
];

/// The first real-time signal of the C library, which reserves 32 and 33.
const SIGRTMIN: i32 = 34;
/// The last real-time signal.
const SIGRTMAX: i32 = 64;

/// The name of a signal that has one of its own: `SIGINT`.
pub fn signal_name(signal: i32) -> Option<&'static str> {
    let index = usize::try_from(signal.checked_sub(1)?).ok()?;
    NAMES.get(index).copied()
}

/// A signal as text, whatever its number. Real-time signals count from the C
/// library's `SIGRTMIN` (34) and, past the middle, back from `SIGRTMAX`, as a
/// shell's `kill -l` does; the two below it are `SIG32` and `SIG33`.
pub fn signal_display(signal: i32) -> Cow<'static, str> {
    if let Some(name) = signal_name(signal) {
        return Cow::Borrowed(name);
    }
    match signal {
        SIGRTMIN => Cow::Borrowed("SIGRTMIN"),
        35..=49 => Cow::Owned(format!("SIGRTMIN+{}", signal - SIGRTMIN)),
        50..=63 => Cow::Owned(format!("SIGRTMAX-{}", SIGRTMAX - signal)),
        SIGRTMAX => Cow::Borrowed("SIGRTMAX"),
        32 | 33 => Cow::Owned(format!("SIG{signal}")),
        _ => Cow::Owned(signal.to_string()),
    }
}

/// The number of a signal by name: `SIGINT`, `SIGRTMIN+3`, `SIGRTMAX-1`, `SIG32`.
pub fn signal_by_name(name: &str) -> Option<i32> {
    if let Some(index) = NAMES.iter().position(|known| *known == name) {
        return i32::try_from(index + 1).ok();
    }
    if let Some((_, signal)) = ALIASES.iter().find(|(known, _)| *known == name) {
        return Some(*signal);
    }
    let signal = if let Some(rest) = name.strip_prefix("SIGRTMIN") {
        SIGRTMIN + distance(rest, '+')?
    } else if let Some(rest) = name.strip_prefix("SIGRTMAX") {
        SIGRTMAX - distance(rest, '-')?
    } else {
        return match name {
            "SIG32" => Some(32),
            "SIG33" => Some(33),
            _ => None,
        };
    };
    (SIGRTMIN..=SIGRTMAX).contains(&signal).then_some(signal)
}

/// The 3 of `+3`; 0 for nothing.
fn distance(text: &str, sign: char) -> Option<i32> {
    if text.is_empty() {
        return Some(0);
    }
    let digits = text.strip_prefix(sign)?;
    let plain =
        !digits.is_empty() && digits.len() <= 2 && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_has_a_text_that_leads_back_to_it() {
        for signal in 1..=64 {
            assert_eq!(signal_by_name(&signal_display(signal)), Some(signal));
        }
    }

    #[test]
    fn real_time_signals_count_as_the_shell_does() {
        assert_eq!(signal_display(2), "SIGINT");
        assert_eq!(signal_display(33), "SIG33");
        assert_eq!(signal_display(37), "SIGRTMIN+3");
        assert_eq!(signal_display(49), "SIGRTMIN+15");
        assert_eq!(signal_display(50), "SIGRTMAX-14");
        assert_eq!(signal_display(63), "SIGRTMAX-1");
        assert_eq!(signal_display(0), "0");
        assert_eq!(signal_display(-1), "-1");
        assert_eq!(signal_display(65), "65");
    }

    #[test]
    fn what_is_no_signal_has_no_number() {
        for name in [
            "",
            "INT",
            "SIG",
            "SIGRTMIN+31",
            "SIGRTMIN+",
            "SIGRTMIN-1",
            "SIGRTMAX+1",
        ] {
            assert_eq!(signal_by_name(name), None, "{name}");
        }
        assert_eq!(signal_by_name("SIGRTMIN+30"), Some(64));
        assert_eq!(signal_by_name("SIGPOLL"), Some(29));
        assert_eq!(signal_name(i32::MIN), None);
    }
}
