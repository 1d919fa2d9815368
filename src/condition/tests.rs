//! Tests what conditions mean, what is refused, and that lowering and printing preserve the meaning.

use proptest::prelude::*;

use super::{Comparison, Condition, ConditionError, Op, Width, ones, sign_bit, truncate};
use crate::syscalls::{self, Syscall};

fn syscall(name: &str) -> &'static Syscall {
    syscalls::by_name(name).expect("a row of the table")
}

fn parse(name: &str, text: &str) -> Condition {
    Condition::parse(text, syscall(name)).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(name: &str, text: &str) -> ConditionError {
    match Condition::parse(text, syscall(name)) {
        Ok(condition) => panic!("{text} was read as {condition}"),
        Err(error) => error,
    }
}

/// Each row: a syscall, a condition, registers for which it holds, registers for which it does not.
#[rustfmt::skip]
const MEANINGS: &[(&str, &str, [u64; 3], [u64; 3])] = &[
    ("socket", "domain == AF_INET",                  [2, 0, 0],             [10, 0, 0]),
    ("socket", "domain != AF_INET",                  [10, 0, 0],            [2, 0, 0]),
    ("socket", "domain in {AF_UNIX, AF_INET6}",      [10, 0, 0],            [2, 0, 0]),
    ("socket", "domain in {AF_UNIX,}",               [1, 0, 0],             [2, 0, 0]),
    ("socket", "!(domain in {AF_UNIX, AF_INET6})",   [2, 0, 0],             [1, 0, 0]),
    ("socket", "(type & 0xf) == SOCK_STREAM",        [0, 0o2000001, 0],     [0, 2, 0]),
    ("socket", "(type & SOCK_CLOEXEC) != 0",         [0, 0o2000001, 0],     [0, 1, 0]),
    ("socket", "(type & ~SOCK_CLOEXEC) == 1",        [0, 0o2000001, 0],     [0, 3, 0]),
    ("socket", "(type & ~(SOCK_CLOEXEC|SOCK_NONBLOCK)) == 1", [0, 0o2004001, 0], [0, 3, 0]),
    ("socket", "(type & 0xf) in {1, 2}",             [0, 0o2000002, 0],     [0, 3, 0]),
    ("socket", "arg0 == 2 && arg1 == 1",             [2, 1, 0],             [2, 2, 0]),
    ("socket", "domain == 1 || domain == 2 && type == 1", [1, 9, 0],        [2, 9, 0]),
    ("socket", "(domain == 1 || domain == 2) && type == 1", [2, 1, 0],      [1, 9, 0]),
    ("socket", "!(!(domain == 1))",                  [1, 0, 0],             [2, 0, 0]),
    // A 32-bit argument is compared as 32 bits, whatever the upper half holds.
    ("socket", "domain == AF_INET",                  [0xdead_0000_0002, 0, 0], [0xdead_0000_0003, 0, 0]),
    ("socket", "(type & 0xf) == 1",                  [0, 0xffff_ffff_0000_0001, 0], [0, 0xffff_ffff_0000_0002, 0]),
    // Negative numbers, and negative constants.
    ("openat", "dirfd == AT_FDCWD",                  [0xffff_ff9c, 0, 0],   [3, 0, 0]),
    ("openat", "dirfd == AT_FDCWD",                  [0xffff_ffff_ffff_ff9c, 0, 0], [4, 0, 0]),
    ("openat", "dirfd == -100",                      [0x1_ffff_ff9c, 0, 0], [100, 0, 0]),
    ("openat", "dirfd < 0",                          [0xffff_ff9c, 0, 0],   [0x7fff_ffff, 0, 0]),
    ("openat", "dirfd >= 0",                         [0x1_0000_0000, 0, 0], [0x8000_0000, 0, 0]),
    ("openat", "dirfd > -101",                       [0xffff_ff9c, 0, 0],   [0xffff_ff00, 0, 0]),
    ("openat", "dirfd <= -100",                      [0x8000_0000, 0, 0],   [0, 0, 0]),
    // Unsigned ones have no sign.
    ("read",   "count < 0x8000000000000000",         [0, 0, 0x7fff_ffff_ffff_ffff], [0, 0, 0x8000_0000_0000_0000]),
    ("read",   "count > 010",                        [0, 0, 9],             [0, 0, 8]),
    ("read",   "count == 0o10 || count == 0b11",     [0, 0, 3],             [0, 0, 10]),
    ("setuid", "uid == -1",                          [0xffff_ffff, 0, 0],   [0, 0, 0]),
    ("setuid", "uid == ~0",                          [0xffff_ffff, 0, 0],   [0, 0, 0]),
    ("lseek",  "offset < 0",                         [0, u64::MAX, 0],      [0, 0xffff_ffff, 0]),
    // A pointer is 64 bits wide.
    ("read",   "buf == NULL",                        [0, 0, 0],             [0, 0x1_0000_0000, 0]),
    ("read",   "buf != NULL",                        [0, 0x1_0000_0000, 0], [0, 0, 0]),
];

#[test]
fn conditions_mean_what_they_say() {
    for (name, text, holds, fails) in MEANINGS {
        let condition = parse(name, text);
        let registers = |args: &[u64; 3]| [args[0], args[1], args[2], 0, 0, 0];
        assert!(
            condition.holds(&registers(holds)),
            "{text} must hold for {holds:x?}"
        );
        assert!(
            !condition.holds(&registers(fails)),
            "{text} must not hold for {fails:x?}"
        );
    }
}

/// Each row: a syscall, a condition, the part that the error marks, words of the message and the help.
#[rustfmt::skip]
const REFUSALS: &[(&str, &str, &str, &str, &str)] = &[
    ("socket", "",                              "",           "empty",                      "socket(domain, type, protocol)"),
    ("socket", "domian == 1",                   "domian",     "no argument `domian`",       "`domain`? its arguments: socket(domain, type, protocol)"),
    ("socket", "flags == 1",                    "flags",      "no argument `flags`",        "socket(domain, type, protocol)"),
    ("socket", "arg3 == 1",                     "arg3",       "no argument `arg3`",         ""),
    ("getpid", "arg0 == 1",                     "arg0",       "no argument `arg0`",         "getpid has no arguments"),
    ("socket", "domain == AF_INTE",             "AF_INTE",    "unknown constant `AF_INTE`", "did you mean `AF_INET`?"),
    ("socket", "AF_INET == domain",             "AF_INET",    "the argument comes first",   ""),
    ("socket", "2 == domain",                   "2",          "the argument comes first",   ""),
    ("socket", "domain == type",                "type",       "is an argument",             ""),
    ("socket", "domain",                        "domain",     "not compared",               "`domain != 0`"),
    ("socket", "(type & 3)",                    "(type & 3)", "not compared",               "`(type & 3) != 0`"),
    ("read",   "buf",                           "buf",        "not compared",               "`buf != NULL`"),
    ("socket", "type & 3",                      "&",          "parentheses",                "`(type & 3) != 0`"),
    ("socket", "type & 3 == 1",                 "&",          "parentheses",                "`(type & 3) == …`"),
    ("socket", "(type & 3 == 1)",               "&",          "parentheses",                "`(type & 3) == …`"),
    ("socket", "!type == 1",                    "!",          "in parentheses",             ""),
    ("socket", "!(type & 3) == 1",              "!",          "in parentheses",             ""),
    ("socket", "domain = 1",                    "=",          "does not compare",           "`==`"),
    ("socket", "domain == 1 and type == 1",     "and",        "`&&` and `||`",              "`&&`"),
    ("socket", "not domain == 1",               "not",        "negated by `!`",             "`!(…)`"),
    ("socket", "domain not in {1}",             "not",        "no `not in`",                "`!(domain in {…})`"),
    ("socket", "domain in 1",                   "1",          "expected `{`",               ""),
    ("socket", "domain in {}",                  "}",          "expected a number",          ""),
    ("socket", "domain in {1 2}",               "2",          "expected `,` or `}`",        ""),
    ("socket", "domain < 3 < 4",                "<",          "chained",                    ""),
    ("socket", "domain == 1)",                  ")",          "closes nothing",             ""),
    ("socket", "(domain == 1",                  "(",          "not closed",                 ""),
    ("socket", "domain == 1 &&",                "",           "ends too early",             ""),
    ("socket", "domain == 1 type == 2",         "type",       "expected `&&`",              ""),
    ("socket", "domain == 1 << 2",              "<<",         "shifts",                     "0x100"),
    ("socket", "domain == €",                   "€",          "`€` is not part",            ""),
    ("socket", "domain == 12abc",               "12abc",      "not a number",               "decimal"),
    ("socket", "domain == 09",                  "09",         "not a number",               "octal"),
    ("socket", "domain == 0x",                  "0x",         "not a number",               ""),
    ("socket", "domain == 0x10000000000000000", "0x10000000000000000", "64 bits",           ""),
    // Widths and signs.
    ("socket", "domain == 0x100000002",         "0x100000002", "32 bits of `domain`",       "upper half"),
    ("openat", "dirfd == -2147483649",          "-2147483649", "32 bits of `dirfd`",        ""),
    ("openat", "dirfd < 0xffffff9c",            "0xffffff9c", "`dirfd` is signed",          ""),
    ("read",   "count < -1",                    "-1",         "`count` is unsigned",        ""),
    // Masks that decide nothing.
    ("socket", "(type & 0xf) == 0x10",          "0x10",       "outside the mask (0x10)",    ""),
    ("socket", "(type & 0xf) != 0x10",          "0x10",       "outside the mask (0x10)",    ""),
    ("socket", "(type & 0) == 0",               "0",          "the mask is 0",              ""),
    ("socket", "(type & 0xf) < 2",              "(type & 0xf)", "`==` and `!=` only",       ""),
    // Pointers.
    ("read",   "buf == 0",                      "0",          "is a pointer",               "`buf == NULL`"),
    ("read",   "buf == 0x1000",                 "0x1000",     "is a pointer",               "`buf == NULL`"),
    ("read",   "buf < NULL",                    "buf",        "has no order",               "`buf == NULL`"),
    ("read",   "(buf & 7) == 0",                "&",          "is a pointer",               "`buf == NULL`"),
    ("read",   "fd == NULL",                    "NULL",       "not a pointer",                 "write 0"),
];

#[test]
fn what_would_mislead_is_refused_with_its_place_and_a_next_step() {
    for (name, text, blamed, message, help) in REFUSALS {
        let error = refused(name, text);
        assert_eq!(
            text.get(error.range.clone()),
            Some(*blamed),
            "{text}: {error}"
        );
        assert!(error.message.contains(message), "{text}: {error}");
        assert!(
            error.help.as_deref().unwrap_or_default().contains(help),
            "{text}: {error}"
        );
    }
}

#[test]
fn an_argument_that_a_syscall_lacks_is_told_apart_from_other_mistakes() {
    assert!(refused("socket", "flags == 1").unknown_argument);
    assert!(!refused("socket", "domain == AF_INTE").unknown_argument);
}

#[test]
fn nesting_without_end_is_refused_rather_than_followed() {
    for open in ["(", "!(", "!"] {
        let error = refused("socket", &(open.repeat(100_000) + "domain == 1"));
        assert!(
            error.message.contains("64 levels") || error.message.contains("in parentheses"),
            "{error}"
        );
    }
    for open in ["~", "("] {
        let error = refused(
            "socket",
            &("(type & ".to_owned() + &open.repeat(100_000) + "1"),
        );
        assert!(error.message.contains("64 levels"), "{error}");
    }
    let wide = vec!["domain == 1"; 100_000].join(" || ");
    assert_eq!(
        parse("socket", &wide).alternatives().map(|all| all.len()),
        Ok(1)
    );
}

#[test]
fn a_complement_stays_within_the_argument() {
    assert_eq!(
        parse("socket", "domain == ~0"),
        parse("socket", "domain == 0xffffffff")
    );
    assert_eq!(
        parse("socket", "(type & ~3) == 0"),
        parse("socket", "(type & 0xfffffffc) == 0")
    );
}

#[test]
fn a_man_page_name_wins_over_a_position() {
    // prctl's own second argument is called `arg2`.
    assert_eq!(parse("prctl", "arg2 == 1"), parse("prctl", "arg1 == 1"));
}

fn alternatives(name: &str, text: &str) -> Vec<String> {
    let alternatives = parse(name, text).alternatives().expect("few enough");
    let shown = |test: &super::Test| {
        let mask = test
            .mask
            .map(|mask| format!("&{mask:#x}"))
            .unwrap_or_default();
        format!("{}{mask} {} {:#x}", test.arg, test.op.text(), test.value)
    };
    alternatives
        .iter()
        .map(|tests| tests.iter().map(shown).collect::<Vec<_>>().join(", "))
        .collect()
}

#[test]
fn negation_goes_to_the_tests_and_contradictions_go_away() {
    assert_eq!(
        alternatives("socket", "!(domain in {1, 2})"),
        ["0 != 0x1, 0 != 0x2"]
    );
    assert_eq!(
        alternatives("socket", "!(domain == 1 && type == 2)"),
        ["0 != 0x1", "1 != 0x2"]
    );
    assert_eq!(
        alternatives("socket", "domain == 1 && domain == 2"),
        [""; 0]
    );
    assert_eq!(
        alternatives("socket", "domain in {1, 2} && domain in {2, 3}"),
        ["0 == 0x2"]
    );
    assert_eq!(alternatives("socket", "domain > 5 && domain < 3"), [""; 0]);
    assert_eq!(
        alternatives("socket", "(type & 3) == 1 && (type & 1) == 0"),
        [""; 0]
    );
    assert_eq!(alternatives("socket", "domain >= 0"), [""]);
    assert_eq!(alternatives("socket", "type == 1 || domain >= 0"), [""]);
}

#[test]
fn signed_order_becomes_unsigned_tests() {
    assert_eq!(alternatives("openat", "dirfd < 0"), ["0 >= 0x80000000"]);
    assert_eq!(alternatives("openat", "dirfd >= 0"), ["0 < 0x80000000"]);
    assert_eq!(
        alternatives("openat", "dirfd < 3"),
        ["0 >= 0x80000000", "0 < 0x3"]
    );
    assert_eq!(
        alternatives("openat", "dirfd > 2"),
        ["0 < 0x80000000, 0 > 0x2"]
    );
    assert_eq!(
        alternatives("openat", "dirfd < -100"),
        ["0 >= 0x80000000, 0 < 0xffffff9c"]
    );
    assert_eq!(
        alternatives("openat", "dirfd > -100"),
        ["0 < 0x80000000", "0 > 0xffffff9c"]
    );
    assert_eq!(alternatives("openat", "dirfd < -2147483648"), [""; 0]);
    assert_eq!(alternatives("openat", "dirfd <= 2147483647"), [""]);
}

#[test]
fn a_condition_too_large_for_a_filter_is_refused() {
    let set = |argument: &str| {
        let values: Vec<String> = (0..20).map(|value| value.to_string()).collect();
        format!("{argument} in {{{}}}", values.join(", "))
    };
    let product = format!("{} && {}", set("domain"), set("type"));
    assert!(parse("socket", &product).alternatives().is_err());
    assert!(parse("socket", &set("domain")).alternatives().is_ok());
}

/// Values around which comparisons change their result.
fn boundary(width: Width) -> impl Strategy<Value = u64> {
    let sign = sign_bit(width);
    let ones = ones(width);
    prop_oneof![
        0..4u64,
        (sign - 2..=sign + 2),
        (ones - 2..=ones),
        any::<u64>().prop_map(move |value| truncate(value, width)),
    ]
}

/// Comparisons over the arguments of mmap: a pointer, an unsigned and a signed 64-bit number, flags
/// of 32 bits and a signed descriptor.
fn comparison() -> impl Strategy<Value = Condition> {
    let args = syscall("mmap").args;
    (0..args.len()).prop_flat_map(move |index| {
        let kind = args[index].kind;
        let (width, signed, pointer) = (kind.width(), kind.is_signed(), kind.is_pointer());
        let op = prop_oneof![
            Just(Op::Eq),
            Just(Op::Ne),
            Just(Op::Lt),
            Just(Op::Le),
            Just(Op::Gt),
            Just(Op::Ge)
        ];
        (op, boundary(width), proptest::option::of(boundary(width))).prop_map(
            move |(op, value, mask)| {
                let mask = mask.filter(|mask| *mask != 0 && !pointer);
                let op = match op {
                    Op::Lt | Op::Gt if pointer || mask.is_some() => Op::Eq,
                    Op::Le | Op::Ge if pointer || mask.is_some() => Op::Ne,
                    op => op,
                };
                let value = if pointer {
                    0
                } else {
                    value & mask.unwrap_or(u64::MAX)
                };
                Condition::Compare(Comparison {
                    arg: index as u8,
                    width,
                    signed,
                    mask,
                    op,
                    value,
                })
            },
        )
    })
}

fn condition() -> impl Strategy<Value = Condition> {
    comparison().prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            inner
                .clone()
                .prop_map(|inner| Condition::Not(Box::new(inner))),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Condition::All),
            proptest::collection::vec(inner, 2..4).prop_map(Condition::Any),
        ]
    })
}

/// The values that a condition compares argument `arg` with.
fn values(condition: &Condition, arg: u8, found: &mut Vec<u64>) {
    match condition {
        Condition::Compare(comparison) if comparison.arg == arg => {
            found.extend([comparison.value, comparison.mask.unwrap_or(0)]);
        }
        Condition::Compare(_) => {}
        Condition::Not(inner) => values(inner, arg, found),
        Condition::All(inner) | Condition::Any(inner) => {
            inner
                .iter()
                .for_each(|condition| values(condition, arg, found));
        }
    }
}

/// Registers around the values that the condition compares with, their upper halves clean or dirty.
fn registers(condition: &Condition, choices: &[(usize, i8, bool); 6]) -> [u64; 6] {
    std::array::from_fn(|arg| {
        let mut interesting = vec![0, 1, 1 << 31, 1 << 63, 0xffff_ffff, u64::MAX];
        values(condition, arg as u8, &mut interesting);
        let (choice, step, dirty) = choices[arg];
        let value = interesting[choice % interesting.len()].wrapping_add_signed(step.into());
        if dirty {
            value ^ 0xdead_beef_0000_0000
        } else {
            value
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_alternatives_mean_what_the_condition_means(
        condition in condition(),
        choices in proptest::collection::vec(any::<[(usize, bool); 6]>(), 40),
    ) {
        let Ok(alternatives) = condition.alternatives() else { return Ok(()) };
        for (round, choice) in choices.iter().enumerate() {
            let step = [-1, 0, 0, 1][round % 4];
            let choice: [(usize, i8, bool); 6] = std::array::from_fn(|arg| (choice[arg].0, step, choice[arg].1));
            let args = registers(&condition, &choice);
            let lowered = alternatives.iter().any(|tests| tests.iter().all(|test| test.holds(&args)));
            prop_assert_eq!(condition.holds(&args), lowered, "{} for {:x?}", condition, args);
        }
    }

    #[test]
    fn a_condition_reads_back_as_it_was_printed(condition in condition()) {
        let mmap = syscall("mmap");
        let text = condition.describe(mmap).to_string();
        prop_assert_eq!(Condition::parse(&text, mmap), Ok(condition), "{}", text);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>(), name in 0..syscalls::COUNT) {
        let _ = Condition::parse(&text, &syscalls::all()[name]);
    }

    #[test]
    fn no_sequence_of_tokens_makes_the_parser_panic(
        tokens in proptest::collection::vec(
            proptest::sample::select(vec![
                "fd", "buf", "count", "arg0", "NULL", "O_CREAT", "AT_FDCWD", "in", "0", "-", "0x1ffffffff", "==",
                "!=", "<", "<=", ">", "&", "&&", "|", "||", "!", "~", "(", ")", "{", "}", ",", "é",
            ]),
            0..24,
        ),
    ) {
        let text = tokens.join(" ");
        if let Ok(condition) = Condition::parse(&text, syscall("read")) {
            let _ = condition.alternatives();
            prop_assert_eq!(
                Condition::parse(&condition.describe(syscall("read")).to_string(), syscall("read")),
                Ok(condition)
            );
        }
    }
}
