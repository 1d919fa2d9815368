//! The table against the newest headers of which there is a list: `linux.txt` has the system calls and the
//! constants of linux-libc-dev, and the kernel that brought each call. So a machine with old headers tests
//! the newest calls, too; and headers that are newer than the list make these tests fail until the list and
//! the table have what is new.
//!
//! `tests/compat/headers` fetches the newest headers and runs these tests on them (JAIL_HEADERS). With
//! BLESS=1 it writes the list anew: then judge what is new, and add it to the table.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use jail::internal::syscalls;
use jail::internal::syscalls::arch::{Arch, NATIVE};

use super::{defines, header, include_dirs, literal, missing, numbers, same};

/// A kernel: major and minor.
type Version = (u32, u32);

/// A call of the list: its numbers, and the kernel that brought it (0.0: one before 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Call {
    x86_64: Option<u32>,
    aarch64: Option<u32>,
    since: Version,
}

/// What a list says.
#[derive(Debug, Default)]
struct List {
    version: Version,
    calls: BTreeMap<String, Call>,
    constants: BTreeMap<String, i64>,
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/filter/table/linux.txt")
}

fn version(text: &str) -> Version {
    let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
    let number = |text: &str| text.parse().unwrap_or(0);
    (number(major), number(minor))
}

/// The committed list.
fn list() -> List {
    let text = std::fs::read_to_string(path()).expect("the list");
    let mut list = List::default();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words.as_slice() {
            ["linux", found] => list.version = version(found),
            ["call", name, x86_64, aarch64, since] => {
                let call = Call {
                    x86_64: x86_64.parse().ok(),
                    aarch64: aarch64.parse().ok(),
                    since: version(since),
                };
                list.calls.insert((*name).to_owned(), call);
            }
            ["constant", name, value] => {
                let value = literal(value).expect("a number");
                list.constants.insert((*name).to_owned(), value);
            }
            [] => {}
            _ => panic!("a line of the list: {line}"),
        }
    }
    list
}

/// The headers whose constants the table has, with what their names begin with; those that begin with one of
/// the last list are values of other things, or of memory: no argument takes them, or policies do not need
/// them.
type Family = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

#[rustfmt::skip]
const FAMILIES: &[Family] = &[
    ("asm-generic/fcntl.h",       &["F_", "O_"],
        // Four flags differ between architectures, and one of them is a part of O_TMPFILE.
        &["F_EXLCK", "F_GETLK64", "F_LINUX_", "F_OWNER_", "F_SETLK64", "F_SETLKW64", "F_SHLCK",
          "O_DIRECT", "O_LARGEFILE", "O_NOFOLLOW", "O_SYNC"]),
    ("asm-generic/mman-common.h", &["MADV_", "MAP_", "MLOCK_", "PKEY_", "PROT_"], &[]),
    ("asm-generic/mman.h",        &["MAP_", "MCL_", "SHADOW_STACK_"], &[]),
    ("asm-generic/socket.h",      &["SO_"], &["SO_TIMESTAMP_OLD"]),
    ("linux/capability.h",        &["CAP_"], &[]),
    ("linux/close_range.h",       &["CLOSE_RANGE_"], &[]),
    ("linux/falloc.h",            &["FALLOC_FL_"], &["FALLOC_FL_ALLOCATE_RANGE"]),
    ("linux/fanotify.h",          &["FAN_"],
        &["FAN_ALLOW", "FAN_AUDIT", "FAN_DENY", "FAN_EPIDFD", "FAN_ERRNO_", "FAN_EVENT_INFO_", "FAN_INFO",
          "FAN_MARK_INODE", "FAN_NOFD", "FAN_RESPONSE_"]),
    ("linux/fcntl.h",             &["AT_", "F_", "FD_", "PIDFD_SELF"],
        &["AT_RENAME_", "AT_STATX_SYNC_"]),
    ("linux/fs.h",                &["RENAME_", "RWF_", "SEEK_"], &[]),
    ("linux/futex.h",             &["FUTEX"],
        &["FUTEX2_SIZE_MASK", "FUTEX_32", "FUTEX_BITSET_", "FUTEX_NO_NODE", "FUTEX_OP_", "FUTEX_OWNER_DIED",
          "FUTEX_ROBUST_MOD_", "FUTEX_TID_MASK", "FUTEX_WAITERS", "FUTEX_WAITV_MAX"]),
    ("linux/keyctl.h",            &["KEYCTL_", "KEY_SPEC_"],
        &["KEYCTL_CAPS", "KEYCTL_MOVE_EXCL", "KEYCTL_SUPPORTS_"]),
    ("linux/landlock.h",          &["LANDLOCK_"], &[]),
    ("linux/memfd.h",             &["MFD_"], &[]),
    ("linux/mman.h",              &["MAP_", "MREMAP_"], &[]),
    ("linux/mount.h",             &["FSMOUNT_", "FSOPEN_", "FSPICK_", "LISTMOUNT_", "MOUNT_ATTR_",
                                    "MOVE_MOUNT_", "MS_", "OPEN_TREE_", "STATMOUNT_BY_FD"],
        &["MOUNT_ATTR_SIZE_", "MOVE_MOUNT__MASK", "MS_MGC_"]),
    ("linux/openat2.h",           &["OPENAT2_", "RESOLVE_"], &[]),
    ("linux/prctl.h",             &["PR_"],
        &["PR_ENDIAN_", "PR_FPEMU_", "PR_FP_EXC_", "PR_MDWE_", "PR_MTE_", "PR_PAC_AP", "PR_PMLEN_",
          "PR_PPC_DEXCR_", "PR_RISCV_CTX_", "PR_RISCV_SCOPE_", "PR_RISCV_V_VSTATE_", "PR_SCHED_CORE_MAX",
          "PR_SHADOW_STACK_", "PR_SME_SET_VL_ONEXEC", "PR_SME_VL_", "PR_SPEC_", "PR_SVE_SET_VL_ONEXEC",
          "PR_SVE_VL_", "PR_SYS_DISPATCH_", "PR_TAGGED_ADDR_ENABLE", "PR_TIMING_", "PR_TSC_",
          "PR_UNALIGN_"]),
    ("linux/sched.h",             &["CLONE_", "SCHED_GETATTR_", "UNSHARE_"], &["CLONE_ARGS_SIZE_"]),
    ("linux/seccomp.h",           &["SECCOMP_FILTER_FLAG_", "SECCOMP_GET_", "SECCOMP_MODE_", "SECCOMP_RET_",
                                    "SECCOMP_SET_"], &[]),
    ("linux/stat.h",              &["STATX_"], &["STATX_ATTR_", "STATX__RESERVED"]),
    ("linux/tcp.h",               &["TCP_"],
        &["TCP_ACCECN_OPT_", "TCP_AO_KEYF_", "TCP_AO_MAXKEYLEN", "TCP_MD5SIG_FLAG_", "TCP_MD5SIG_MAXKEYLEN",
          "TCP_MSS_", "TCP_RECEIVE_ZEROCOPY_", "TCP_REPAIR_O", "TCP_S_DATA_"]),
    ("linux/time.h",              &["CLOCK_"], &[]),
    ("linux/userfaultfd.h",       &["UFFD_USER_MODE_ONLY"], &[]),
    ("linux/xattr.h",             &["XATTR_CREATE", "XATTR_REPLACE"], &[]),
];

/// The constants of these families, of which the value is a number.
fn constants() -> BTreeMap<String, i64> {
    let mut found = BTreeMap::new();
    for (file, prefixes, others) in FAMILIES {
        let begins = |name: &str, with: &[&str]| with.iter().any(|with| name.starts_with(with));
        let text = include_dirs().into_iter();
        let text = text.filter_map(|dir| std::fs::read_to_string(dir.join(file)).ok());
        for (name, value) in defines(&text.collect::<String>()) {
            if begins(name, prefixes)
                && !begins(name, others)
                && let Some(value) = literal(value)
            {
                found.insert(name.to_owned(), value);
            }
        }
    }
    found
}

/// The version of the headers. `None`: there are none, which is said.
fn installed() -> Option<Version> {
    let text = header("linux/version.h")?;
    let number = |wanted: &str| {
        let mut all = defines(&text);
        let found = all.find_map(|(name, value)| (name == wanted).then(|| literal(value)));
        found
            .flatten()
            .and_then(|number| u32::try_from(number).ok())
    };
    let found = number("LINUX_VERSION_MAJOR").zip(number("LINUX_VERSION_PATCHLEVEL"));
    if found.is_none() {
        missing("a linux/version.h with a version");
    }
    found
}

/// The calls of x86-64 and of aarch64 in the headers, as far as they are there.
fn calls() -> [Option<BTreeMap<String, u32>>; 2] {
    let generic = || header("asm-generic/unistd.h").map(|text| numbers(&text));
    let native = |arch, triple: &str| {
        let file = format!("{triple}/asm/unistd_64.h");
        let own = if NATIVE == arch {
            "asm/unistd_64.h"
        } else {
            file.as_str()
        };
        let mut dirs = include_dirs().into_iter();
        let text = dirs.find_map(|dir| std::fs::read_to_string(dir.join(own)).ok());
        text.map(|text| numbers(&text))
    };
    [
        native(Arch::X86_64, "x86_64-linux-gnu"),
        native(Arch::Aarch64, "aarch64-linux-gnu").or_else(generic),
    ]
}

#[test]
fn the_table_has_the_calls_of_the_newest_kernel_and_no_others() {
    let list = list();
    let mut wrong = Vec::new();
    for row in syscalls::all() {
        let numbers = list
            .calls
            .get(row.name)
            .map(|call| (call.x86_64, call.aarch64));
        let ours = (row.x86_64, row.aarch64);
        if numbers != Some(ours) {
            wrong.push(format!(
                "{}: the table says {ours:?}, the list {numbers:?}",
                row.name
            ));
        }
    }
    let names = list.calls.keys();
    let lacks = names.filter(|name| syscalls::by_name(name).is_none());
    wrong.extend(lacks.map(|name| format!("{name}: the table lacks it")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_has_the_constants_of_the_newest_kernel() {
    let list = list();
    assert!(list.constants.len() > 500, "{}", list.constants.len());
    let mut wrong = Vec::new();
    for (name, value) in &list.constants {
        match syscalls::constant(name) {
            Some(ours) if same(ours as i64, *value) => {}
            ours => wrong.push(format!(
                "{name}: the list says {value:#x}, the table {ours:x?}"
            )),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The list against the headers of this machine, or of JAIL_HEADERS.
#[test]
fn the_list_knows_what_the_headers_have() {
    let Some(version) = installed() else { return };
    if std::env::var_os("BLESS").is_some() {
        return bless(version);
    }
    let list = list();
    let mut wrong = Vec::new();
    let columns: [fn(&Call) -> Option<u32>; 2] = [|call| call.x86_64, |call| call.aarch64];
    for (found, column) in calls().into_iter().zip(columns) {
        let Some(found) = found else { continue };
        for (name, number) in &found {
            let known = list.calls.get(name).and_then(column);
            if known != Some(*number) {
                wrong.push(format!(
                    "{name}: the headers say {number}, the list {known:?}"
                ));
            }
        }
        for (name, call) in &list.calls {
            let is_old = call.since <= version;
            if is_old && column(call).is_some() && !found.contains_key(name) {
                wrong.push(format!("{name}: the headers of {version:?} lack it"));
            }
        }
    }
    for (name, value) in constants() {
        match list.constants.get(&name) {
            Some(known) if same(*known, value) => {}
            known => wrong.push(format!(
                "{name}: the headers say {value:#x}, the list {known:x?}"
            )),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Writes the list anew from these headers. Calls that it did not have are this version's.
fn bless(version: Version) {
    let old = list();
    assert!(
        version >= old.version,
        "headers of {version:?} are older than the list"
    );
    let [x86_64, aarch64] = calls().map(|calls| calls.expect("both architectures"));
    let mut names: Vec<&String> = x86_64.keys().chain(aarch64.keys()).collect();
    names.sort();
    names.dedup();
    let number = |number: Option<u32>| number.map_or("-".to_owned(), |number| number.to_string());
    let mut text = std::fs::read_to_string(path()).expect("the list");
    let head = text
        .lines()
        .take_while(|line| line.starts_with('#'))
        .count();
    text = text
        .lines()
        .take(head)
        .map(|line| format!("{line}\n"))
        .collect();
    let _ = writeln!(text, "linux {}.{}", version.0, version.1);
    for name in names {
        let numbers = [&x86_64, &aarch64].map(|calls| number(calls.get(name).copied()));
        let since = old.calls.get(name).map_or(version, |call| call.since);
        let [x86_64, aarch64] = numbers;
        let _ = match since {
            (0, _) => writeln!(text, "call {name} {x86_64} {aarch64} -"),
            (major, minor) => writeln!(text, "call {name} {x86_64} {aarch64} {major}.{minor}"),
        };
    }
    for (name, value) in constants() {
        let _ = match value {
            ..0 => writeln!(text, "constant {name} {value}"),
            _ => writeln!(text, "constant {name} {value:#x}"),
        };
    }
    std::fs::write(path(), text).expect("the list can be written");
}
