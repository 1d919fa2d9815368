//! The addresses where the jail keeps the paths that it has judged: programs that are linked for them, and other
//! ways to their memory.

use super::scene::{SUBTREES, Scene, run};
use crate::support::landlock::{landlocks, tried};
use crate::support::{JAIL, is_root, plain};

/// The instructions of a program that opens a file for reading and ends with the errno, 0 if there is none. They
/// are at this address, and the path follows them.
#[cfg(target_arch = "x86_64")]
fn instructions(address: u64) -> Vec<u8> {
    #[rustfmt::skip]
    let mut code = vec![
        0xb8, 2, 0, 0, 0,                    // mov eax, SYS_open
        0x48, 0xbf, 0, 0, 0, 0, 0, 0, 0, 0,  // mov rdi, path
        0x31, 0xf6,                          // xor esi, esi
        0x0f, 0x05,                          // syscall
        0x31, 0xff,                          // xor edi, edi
        0x85, 0xc0,                          // test eax, eax
        0x79, 0x04,                          // jns to the exit
        0xf7, 0xd8,                          // neg eax
        0x89, 0xc7,                          // mov edi, eax
        0xb8, 231, 0, 0, 0,                  // mov eax, SYS_exit_group
        0x0f, 0x05,                          // syscall
    ];
    let path = address + code.len() as u64;
    code[7..15].copy_from_slice(&path.to_le_bytes());
    code
}

#[cfg(target_arch = "aarch64")]
fn instructions(_: u64) -> Vec<u8> {
    const CODE: [u32; 10] = [
        0x9280_0c60, // mov x0, AT_FDCWD
        0x1000_0121, // adr x1, path
        0xd280_0002, // mov x2, 0
        0xd280_0003, // mov x3, 0
        0xd280_0708, // mov x8, SYS_openat
        0xd400_0001, // svc 0
        0xf100_001f, // cmp x0, 0
        0xda80_a7e0, // csneg x0, xzr, x0, ge
        0xd280_0bc8, // mov x8, SYS_exit_group
        0xd400_0001, // svc 0
    ];
    CODE.iter().flat_map(|it| it.to_le_bytes()).collect()
}

/// EM_X86_64 or EM_AARCH64 of elf.h.
const MACHINE: u8 = if cfg!(target_arch = "aarch64") {
    183
} else {
    62
};

/// Where the pages are: the first addresses, and the last page.
const PLACES: [u64; 2] = match cfg!(target_arch = "aarch64") {
    true => [0x7fe1_0000, 0x7fff_f000],
    false => [0x1_0000, 0x1f_f000],
};
/// What the message says of them.
const SAID: &str = if cfg!(target_arch = "aarch64") {
    "below 0x80000000"
} else {
    "below 2 MiB"
};

/// Where programs that cannot be moved are linked: by lld and mold, by GNU ld; on aarch64 by Go.
const USUAL: &[u64] = match cfg!(target_arch = "aarch64") {
    true => &[0x20_0000, 0x40_0000, 0x1_0000],
    false => &[0x20_0000, 0x40_0000],
};

/// A static program at this address.
fn opener(base: u64, path: &str) -> Vec<u8> {
    const HEADERS: u64 = 64 + 56;
    let code = instructions(base + HEADERS);
    let size = HEADERS + code.len() as u64 + path.len() as u64 + 1;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    // ET_EXEC, version; entry, program headers, no sections; sizes and counts.
    file.extend([2, 0, MACHINE, 0, 1, 0, 0, 0]);
    file.extend(
        [base + HEADERS, 64, 0]
            .iter()
            .flat_map(|it| it.to_le_bytes()),
    );
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    // PT_LOAD, readable and executable.
    file.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    let segment = [0, base, base, size, size, 0x1000];
    file.extend(segment.iter().flat_map(|it| it.to_le_bytes()));
    file.extend(code);
    file.extend(path.bytes().chain([0]));
    file
}

fn scene(base: u64) -> (Scene, String) {
    let scene = Scene::new();
    let program = scene.at("none/program");
    std::fs::write(&program, opener(base, &scene.at("w/file"))).expect("cannot write it");
    let program = scene.copy(&program, "bin/opener");
    (scene, program)
}

fn lowest() -> u64 {
    let least = std::fs::read_to_string("/proc/sys/vm/mmap_min_addr").unwrap_or_default();
    least.trim().parse().unwrap_or(0)
}

#[test]
fn a_program_at_the_place_of_the_pages_is_denied_what_must_lie_there() {
    for base in PLACES {
        if base < lowest() {
            println!("NOT TRIED HERE: a program at {base:#x}: vm.mmap_min_addr is higher");
            continue;
        }
        let (scene, program) = scene(base);
        run(scene.outside(&[&program])).ends_with(0);
        for landlock in landlocks() {
            let denied = scene.policy(&format!("{SUBTREES}deny = [\"@/w/**/secret\"]"));
            let ran = run(scene.within(landlock, &denied, &[&program]));
            let ran = ran.ends_with(libc::EACCES);
            assert!(
                ran.err.contains("no-pages") && ran.err.contains(SAID),
                "{}",
                ran.err
            );
        }
        // No path is judged, so none is kept.
        let open = scene.policy_file("open.toml", "default = \"allow\"\n");
        run(scene.within(None, &open, &[&program])).ends_with(0);
    }
}

#[test]
fn a_program_linked_for_a_usual_address_opens_what_is_judged() {
    for base in USUAL.iter().copied() {
        let (scene, program) = scene(base);
        for landlock in landlocks() {
            let denied = scene.policy(&format!("{SUBTREES}deny = [\"@/w/**/secret\"]"));
            let ran = run(scene.within(landlock, &denied, &[&program]));
            assert_eq!(ran.ends_with(0).err, "");
            let denied = scene.policy(&format!("{SUBTREES}deny = [\"@/w/file\"]"));
            run(scene.within(landlock, &denied, &[&program])).ends_with(libc::EACCES);
        }
    }
}

#[test]
fn an_odd_layout_of_memory_leaves_room_for_the_pages() {
    let scene = Scene::new();
    let denied = scene.policy(&format!("{SUBTREES}deny = [\"@/w/**/secret\"]"));
    let file = scene.at("w/file");
    for layout in [
        "--addr-compat-layout",
        "--read-implies-exec",
        "--addr-no-randomize",
        "--mmap-page-zero",
        "--3gb",
    ] {
        // A child of a shell uses its copy of the pages.
        let script = "cat \"$0\" > copy && (cat < \"$0\") && rm copy";
        let command = [
            "setarch",
            std::env::consts::ARCH,
            layout,
            "sh",
            "-c",
            script,
            &file,
        ];
        run(scene.outside(&command)).ends_with(0).says("w");
        let ran = run(scene.within(None, &denied, &command)).ends_with(0);
        assert_eq!(ran.says("w").err, "", "{layout}");
    }
}

/// Linux 6.12 has kernels that keep a tracer from writing to read-only memory through /proc/PID/mem
/// (proc_mem.force_override=never). PTRACE_POKEDATA writes whole words.
#[test]
fn paths_are_kept_where_memory_cannot_be_written_through_a_file() {
    let scene = Scene::new();
    let denied = scene.policy(&format!("{SUBTREES}deny = [\"@/w/**/secret*\"]"));
    // Names of each length within a word, longer ones before shorter ones.
    let script = "for name in 87654321 7654321 654321 54321 4321 321 21 1; do \
                  echo \"$name\" > \"$name\" && cat \"$name\" && mv \"$name\" \"to-$name\" \
                  && ln \"to-$name\" \"$name\" && cat \"$name\" && rm \"$name\" \"to-$name\"; done; \
                  echo no > secret-1 || :; cat file";
    let says = "87654321\n87654321\n7654321\n7654321\n654321\n654321\n54321\n54321\n\
                4321\n4321\n321\n321\n21\n21\n1\n1\nw";
    for landlock in landlocks() {
        let command = ["sh", "-c", script];
        let jailed = scene.within(landlock, &denied, &command);
        let ran = run(jailed.env("JAIL_MEMORY_FILES", "none"));
        let ran = ran.ends_with(0).says(says);
        assert!(ran.err.contains("secret-1"), "{}", ran.err);
    }
}

/// The memory of a task can be written through every mount of the proc file system.
#[test]
fn memory_cannot_be_written_through_proc_that_is_mounted_elsewhere() {
    let scene = Scene::new();
    std::fs::create_dir(scene.at("w/proc")).expect("cannot create a directory");
    // Landlock alone would hold this policy, but for messages to sockets.
    let peers = format!("{SUBTREES}[net]\nconnect = [\"unix:@/w\"]\ndeny = [\"unix:@/w/bad\"]");
    let policy = scene.policy(&peers);
    let mount = format!(
        "mount --rbind /proc '{}' && exec \"$@\"",
        scene.at("w/proc")
    );
    let namespace = if is_root() { "-m" } else { "-rm" };
    let elsewhere = ["unshare", namespace, "sh", "-c", &mount, "sh"];
    let elsewhere = || plain(elsewhere).cwd(scene.at("w")).env("LC_ALL", "C");
    let attack = ["sh", "-c", "exec 3<> proc/self/mem && echo won"];
    let free = run(elsewhere().args(attack));
    if free.code() != Some(0) {
        println!("NOT TRIED HERE: a mount of proc: {}", free.err);
        return;
    }
    free.says("won\n");
    for abi in tried(["11", "1", "0"]) {
        let jail = [JAIL, "--policy", &policy, "--"];
        let ran = run(elsewhere()
            .args(jail)
            .args(attack)
            .env("JAIL_LANDLOCK_ABI", abi));
        assert!(
            ran.err.contains("no-memory-files"),
            "{abi}: {}{}",
            ran.out,
            ran.err
        );
        ran.says("");
    }
}
