//! The machine that the other filter tests trust: small programs with known answers.

use crate::cbpf::{Answer, Data, NATIVE, always_allowed, check, run};
use seccompiler::sock_filter;

const ALLOW: u32 = 0x7fff_0000;
const TRACE: u32 = 0x7ff0_0000 | jail::internal::plan::TRACE_DATA as u32;

fn op(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

fn load(k: u32) -> sock_filter {
    op(0x20, 0, 0, k)
}

fn ret(k: u32) -> sock_filter {
    op(0x06, 0, 0, k)
}

fn answer(program: &[sock_filter], nr: u32, args: [u64; 6]) -> Answer {
    check(program).unwrap();
    run(program, &Data::native(nr, args)).0
}

#[test]
fn every_jump_takes_its_two_ways() {
    for (code, below, at, above) in [
        (0x15, false, true, false), // JEQ
        (0x25, false, false, true), // JGT
        (0x35, false, true, true),  // JGE
    ] {
        let program = [load(0), op(code, 1, 0, 7), ret(TRACE), ret(ALLOW)];
        for (nr, taken) in [(6, below), (7, at), (8, above)] {
            let expected = if taken { Answer::Allow } else { Answer::Trace };
            assert_eq!(answer(&program, nr, [0; 6]), expected, "{code:#x} {nr}");
        }
    }
    let any_bit = [load(0), op(0x45, 1, 0, 6), ret(TRACE), ret(ALLOW)];
    assert_eq!(answer(&any_bit, 2, [0; 6]), Answer::Allow);
    assert_eq!(answer(&any_bit, 9, [0; 6]), Answer::Trace);
    let over = [op(0x05, 0, 0, 1), ret(TRACE), ret(ALLOW)];
    assert_eq!(answer(&over, 0, [0; 6]), Answer::Allow);
}

#[test]
fn arguments_are_read_in_halves_low_half_first() {
    let args = [0, 0, 0x1111_2222_3333_4444, 0, 0, 0];
    let low = [
        load(32),
        op(0x15, 0, 1, 0x3333_4444),
        ret(ALLOW),
        ret(TRACE),
    ];
    let high = [
        load(36),
        op(0x15, 0, 1, 0x1111_2222),
        ret(ALLOW),
        ret(TRACE),
    ];
    assert_eq!(answer(&low, 0, args), Answer::Allow);
    assert_eq!(answer(&high, 0, args), Answer::Allow);
    let masked = [
        load(32),
        op(0x54, 0, 0, 0xff00),
        op(0x15, 0, 1, 0x4400),
        ret(ALLOW),
        ret(TRACE),
    ];
    assert_eq!(answer(&masked, 0, args), Answer::Allow);
}

#[test]
fn the_architecture_is_at_its_offset() {
    let program = [
        load(4),
        op(0x15, 0, 1, NATIVE),
        ret(ALLOW),
        ret(0x0005_0026),
    ];
    assert_eq!(answer(&program, 0, [0; 6]), Answer::Allow);
    let foreign = Data {
        nr: 0,
        arch: crate::cbpf::I386,
        args: [0; 6],
    };
    assert_eq!(run(&program, &foreign).0, Answer::Errno(38));
}

#[test]
fn the_checker_refuses_what_the_kernel_refuses() {
    let refused: [&[sock_filter]; 7] = [
        &[],
        &[load(0)],
        &[op(0x05, 0, 0, 1), ret(ALLOW)],
        &[op(0x15, 0, 1, 7), ret(ALLOW)],
        &[load(2), ret(ALLOW)],
        &[load(64), ret(ALLOW)],
        &[op(0x07, 0, 0, 0), ret(ALLOW)],
    ];
    for program in refused {
        assert!(check(program).is_err(), "{program:?}");
    }
    assert!(check(&vec![ret(ALLOW); 4096]).is_ok());
    assert!(check(&vec![ret(ALLOW); 4097]).is_err());
}

#[test]
fn the_cache_follows_numbers_and_gives_up_at_arguments() {
    let by_number = [load(0), op(0x15, 0, 1, 39), ret(ALLOW), ret(TRACE)];
    assert!(always_allowed(&by_number, 39));
    assert!(!always_allowed(&by_number, 40));
    let by_argument = [load(16), op(0x15, 0, 1, 39), ret(ALLOW), ret(ALLOW)];
    assert!(!always_allowed(&by_argument, 39));
}
