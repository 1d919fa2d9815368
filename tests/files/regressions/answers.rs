//! Calls that answered what they must not.

use crate::scene::{SUBTREES, Scene, open};
use crate::steps;
use crate::support::is_root;
use crate::support::landlock::{abi, lacks, landlocks};
use libc::{O_CREAT, O_NONBLOCK, O_RDONLY, O_TRUNC, O_WRONLY, RESOLVE_BENEATH, RESOLVE_IN_ROOT};
use libc::{RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{Uid, chown, mkfifo};

#[test]
fn openat2_creates_no_denied_name_however_it_resolves() {
    let scene = Scene::new();
    let flags = O_CREAT | O_WRONLY;
    let restrictions = [
        0,
        RESOLVE_NO_XDEV,
        RESOLVE_NO_MAGICLINKS,
        RESOLVE_NO_SYMLINKS,
        RESOLVE_BENEATH,
        RESOLVE_IN_ROOT,
    ];
    let create = |name: &str, resolve: u64| {
        // What begins with a slash is beneath nothing, and crosses a mount where /tmp is one.
        let path = match resolve {
            RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_NO_XDEV => name.to_owned(),
            _ => scene.at(&format!("w/{name}")),
        };
        let how = format!("words:{flags},384,{resolve}");
        format!("{} -100 :{path} {how} 24", libc::SYS_openat2)
    };
    // Alone, and after there has been a child.
    for first in ["child".to_owned(), libc::SYS_getpid.to_string()] {
        let steps = |name: &str| {
            let creations =
                restrictions.map(|resolve| create(&format!("{name}-{resolve}"), resolve));
            [vec![first.clone()], creations.to_vec()].concat()
        };
        assert_eq!(scene.steps_outside(&steps("denied")), ["ok"; 7]);
        for resolve in restrictions {
            let path = scene.at(&format!("w/denied-{resolve}"));
            std::fs::remove_file(path).expect("what was made outside");
        }
        let by_name = scene.policy_file(
            "by-name.toml",
            "default = \"allow\"\n[fs]\ndeny = [\"@/w/denied*\"]\n",
        );
        let lists = scene.policy(&format!("{SUBTREES}deny = [\"@/w/denied*\"]\n"));
        for landlock in landlocks() {
            for policy in [&by_name, &lists] {
                let mut found = scene.steps_within(landlock, policy, &steps("denied"));
                assert_eq!(found.remove(0), "ok");
                assert_eq!(found, ["EACCES"; 6], "{first}, {landlock:?}");
                for resolve in restrictions {
                    assert!(!scene.exists(&format!("w/denied-{resolve}")));
                }
                let found = scene.steps_within(landlock, policy, &steps("allowed"));
                assert_eq!(found, ["ok"; 7], "{first}, {landlock:?}");
            }
        }
    }
}

#[test]
fn a_program_that_confines_itself_is_not_helped_to_what_it_denies_itself() {
    if lacks(None) {
        return;
    }
    // What the first version of Landlock and the two after it hold.
    let held = match abi() {
        1 => 0x1fff,
        2 => 0x3fff,
        _ => 0x7fff,
    };
    let truncates = held == 0x7fff;
    if !truncates {
        println!("NOT TRIED HERE: truncate: this kernel's Landlock does not hold it");
    }
    let scene = Scene::new();
    let policy = scene.policy(SUBTREES);
    let calls = |scene: &Scene| {
        let mut steps = steps![scene;
            format!("{} :@/w/made 448", crate::old::SYS_mkdir),
            format!("{} :a :@/w/sym", crate::old::SYS_symlink),
            format!("{} :@/w/file :@/w/hard", crate::old::SYS_link),
            format!("{} :@/w/moved :@/w/moved-2", crate::old::SYS_rename),
            format!("{} :@/w/gone", crate::old::SYS_unlink),
            format!("{} :@/w/empty", crate::old::SYS_rmdir),
            open("@/w/new", O_CREAT | O_WRONLY),
            format!("{} :@/w/fifo 4480 0", crate::old::SYS_mknod),
        ]
        .to_vec();
        if truncates {
            let file = scene.at("w/file");
            steps.push(format!("{} :{file} 3", libc::SYS_truncate));
        }
        steps
    };
    let number = calls(&scene).len();
    let set_up = || {
        for name in ["file", "moved", "gone"] {
            scene.write(&format!("w/{name}"), "content");
        }
        for name in ["made", "empty"] {
            let _ = std::fs::remove_dir(scene.at(&format!("w/{name}")));
        }
        for name in ["sym", "hard", "moved-2", "new", "fifo"] {
            let _ = std::fs::remove_file(scene.at(&format!("w/{name}")));
        }
        std::fs::create_dir(scene.at("w/empty")).expect("an empty directory");
    };
    let confined = [
        vec![
            format!("{} {} 1 0 0 0", libc::SYS_prctl, libc::PR_SET_NO_NEW_PRIVS),
            format!("{} words:{held} 8 0", libc::SYS_landlock_create_ruleset),
            format!("{} {{1}} 0", libc::SYS_landlock_restrict_self),
        ],
        calls(&scene),
    ]
    .concat();
    set_up();
    let outside = scene.steps_outside(&confined);
    assert_eq!(outside[..3], ["ok"; 3], "Landlock confines nothing here");
    assert_eq!(outside[3..], vec!["EACCES"; number]);
    for landlock in landlocks() {
        set_up();
        let free = scene.steps_within(landlock, &policy, &calls(&scene));
        assert_eq!(free, vec!["ok"; number], "{landlock:?}");
        set_up();
        let found = scene.steps_within(landlock, &policy, &confined);
        assert_eq!(found, outside, "{landlock:?}");
        assert_eq!(scene.content("w/file"), "content");
        assert!(!scene.exists("w/made") && scene.exists("w/gone"));
    }
}

#[test]
fn a_fifo_or_a_device_that_may_not_be_read_is_not_opened_to_be_truncated() {
    let scene = Scene::new();
    std::fs::create_dir(scene.at("places")).expect("a directory");
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    let mut names = vec!["fifo"];
    mkfifo(scene.at("places/fifo").as_str(), mode).expect("a FIFO");
    mkfifo(scene.at("places/open-fifo").as_str(), mode).expect("a FIFO");
    // The null device, by another name.
    let device = scene.at("places/device");
    match mknod(device.as_str(), SFlag::S_IFCHR, mode, makedev(1, 3)) {
        Ok(()) => names.push("device"),
        Err(errno) => println!("NOT TRIED HERE: a device: mknod: {errno}"),
    }
    let policy = scene.policy("read = [\"@/places/open*\"]\n");
    let attack: Vec<String> = names
        .iter()
        .flat_map(|name| {
            let path = scene.at(&format!("places/{name}"));
            [0, O_TRUNC].map(|flags| open(&path, O_RDONLY | O_NONBLOCK | flags))
        })
        .collect();
    let outside = scene.steps_outside(&attack);
    // A device is not one where the file system has none.
    if !outside.iter().all(|answer| answer == "ok") {
        println!("outside: {outside:?}");
    }
    assert_eq!(outside[..2], ["ok"; 2]);
    let allowed = steps![scene; open("@/places/open-fifo", O_RDONLY | O_NONBLOCK)];
    for landlock in landlocks() {
        let found = scene.steps_within(landlock, &policy, &attack);
        assert!(
            found.iter().all(|answer| answer == "EACCES"),
            "{landlock:?}: {found:?}"
        );
        let found = scene.steps_within(landlock, &policy, &allowed);
        assert_eq!(found, ["ok"], "{landlock:?}");
    }
}

#[test]
fn rules_about_paths_lend_no_capability() {
    let scene = Scene::new();
    let policy = scene.policy_file(
        "rules.toml",
        r#"default = "allow"
[[rule]]
syscall = ["chown", "fchownat", "lchown", "chmod", "fchmodat", "mknod", "mknodat", "unlink", "unlinkat", "setxattr"]
path = "@/none"
action = "deny"
"#,
    );
    let mut attack = steps![scene;
        format!("{} :@/w/file 1234 1234", crate::old::SYS_chown),
        format!("{} :@/w/device {} {}", crate::old::SYS_mknod, libc::S_IFCHR | 0o600, makedev(1, 3)),
        format!("{} :@/w/file :trusted.x :1 1 0", libc::SYS_setxattr),
    ]
    .to_vec();
    if is_root() {
        // What another one has.
        let directory = scene.at("w/other");
        std::fs::create_dir(&directory).expect("a directory");
        scene.write("w/other/file", "other");
        scene.write("w/foreign", "foreign");
        for name in ["w/foreign", "w/other"] {
            chown(scene.at(name).as_str(), Some(Uid::from_raw(1234)), None).expect("chown");
        }
        attack.extend(steps![scene;
            format!("{} :@/w/foreign 511", crate::old::SYS_chmod),
            format!("{} :@/w/other/file", crate::old::SYS_unlink),
        ]);
    } else {
        println!("NOT TRIED HERE: what a supervisor of root could do: not root");
    }
    let outside = scene.steps_outside(&attack);
    assert_eq!(outside[..2], ["EPERM"; 2]);
    assert!(outside.iter().all(|answer| answer != "ok"), "{outside:?}");
    for landlock in landlocks() {
        let found = scene.steps_within(landlock, &policy, &attack);
        assert_eq!(found, outside, "{landlock:?}");
        assert!(!scene.exists("w/device"));
        // The rule itself holds, and what the owner may do goes on.
        let own = steps![scene;
            format!("{} :@/w/file 384", crate::old::SYS_chmod),
            format!("{} :@/none/file 384", crate::old::SYS_chmod),
        ];
        let found = scene.steps_within(landlock, &policy, &own);
        assert_eq!(found, ["ok", "EPERM"], "{landlock:?}");
    }
}
