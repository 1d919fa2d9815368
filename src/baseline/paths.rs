//! Which calls the supervisor must see for paths, as far as registers tell: one rule per class of calls.
//! The plan decides which classes a jail needs; nothing here decides a path.

use super::terms::{EACH, any_of, is, masked, none_of, whole};
use super::{Answer, Check, Rule, Watch, When};
use crate::condition::Op;
use crate::syscalls::Errno;
use crate::syscalls::named::{AT_EMPTY_PATH, open_flags};
use open_flags::{O_ACCMODE, O_CREAT, O_PATH, O_TRUNC};

// asm-generic/ioctls.h
const TIOCGPTPEER: u64 = 0x5441;
// asm-generic/fcntl.h
const O_NOCTTY: u64 = 0o400;
const O_RDWR: u64 = 2;
/// How programs open the slave of a pseudoterminal that they have created; hardly any other open has
/// these flags.
const TERMINAL: u64 = O_RDWR | O_NOCTTY;
const TERMINAL_MASK: u64 = O_ACCMODE | O_NOCTTY | O_CREAT | O_TRUNC | O_PATH;

/// The flags by which an open changes something. O_TMPFILE needs a writing mode (open(2)).
const CHANGING: u64 = O_ACCMODE | O_CREAT | O_TRUNC;

const PATHS: Answer = Answer::Check(Check::Paths);

// linux/fs.h, linux/fsverity.h, linux/fscrypt.h: they change an inode through any descriptor.
const FS_IOC_SETFLAGS: u64 = 0x4008_6602;
const FS_IOC_SETVERSION: u64 = 0x4008_7602;
const FS_IOC_FSSETXATTR: u64 = 0x401c_5820;
const FS_IOC_ENABLE_VERITY: u64 = 0x4080_6685;
const FS_IOC_SET_ENCRYPTION_POLICY: u64 = 0x800c_6613;
// fs/ext4/ext4.h
const EXT4_IOC_SETVERSION: u64 = 0x4008_6604;
const EXT4_IOC_MIGRATE: u64 = 0x6609;
// linux/msdos_fs.h
const FAT_IOCTL_SET_ATTRIBUTES: u64 = 0x4004_7211;
// linux/btrfs.h: they create and remove trees through a descriptor of a directory.
const BTRFS_IOC_SNAP_CREATE: u64 = 0x5000_9401;
const BTRFS_IOC_SUBVOL_CREATE: u64 = 0x5000_940e;
const BTRFS_IOC_SNAP_DESTROY: u64 = 0x5000_940f;
const BTRFS_IOC_SNAP_CREATE_V2: u64 = 0x5000_9417;
const BTRFS_IOC_SUBVOL_CREATE_V2: u64 = 0x5000_9418;
const BTRFS_IOC_SUBVOL_SETFLAGS: u64 = 0x4008_941a;
const BTRFS_IOC_SNAP_DESTROY_V2: u64 = 0x5000_943f;
// fs/bcachefs/bcachefs_ioctl.h, fs/ocfs2/ocfs2_ioctl.h
const BCH_IOCTL_SUBVOLUME_CREATE: u64 = 0x4020_bc10;
const BCH_IOCTL_SUBVOLUME_DESTROY: u64 = 0x4020_bc11;
const OCFS2_IOC_REFLINK: u64 = 0x4018_6f04;
// linux/prctl.h
const PR_SET_DUMPABLE: u64 = 4;
const PR_SET_SECCOMP: u64 = 22;
// linux/seccomp.h
const SECCOMP_SET_MODE_FILTER: u64 = 1;
// linux/mman.h: MAP_SHARED_VALIDATE has this bit, too.
const MAP_SHARED: u64 = 1;
/// The supervisor does not see a call that gives back less than this. From this size on malloc(3) uses
/// mmap(2); below it uses a heap, whose end it gives back by brk(2).
const MUCH: u64 = 128 << 10;
// linux/mman.h
const MADV_DONTNEED: u64 = 4;
const MADV_DONTNEED_LOCKED: u64 = 24;
const REPLACES: u64 = (libc::MAP_FIXED | libc::MAP_ANONYMOUS) as u64;
const MADV_FREE: u64 = 8;
const MADV_COLLAPSE: u64 = 25;
/// linux/memfd.h: the file never gets a mode with which it can be executed (Linux 6.3).
const MFD_NOEXEC_SEAL: u64 = 8;
const S_IFMT: u64 = libc::S_IFMT as u64;
const S_IFREG: u64 = libc::S_IFREG as u64;
const MAP_TYPE: u64 = 0xf;
const MAP_DROPPABLE: u64 = 8;

const fn watch(
    id: &'static str,
    syscalls: &'static [&'static str],
    when: When,
    reason: &'static str,
) -> Rule {
    Rule {
        id,
        syscalls,
        when,
        answer: PATHS,
        reason,
        attack: "",
    }
}

const fn look(id: &'static str, syscalls: &'static [&'static str], when: When) -> Rule {
    Rule {
        id,
        syscalls,
        when,
        answer: Answer::Check(Check::Look),
        reason: "Landlock denies silently: the supervisor checks in order to report it",
        attack: "",
    }
}

const fn fills(id: &'static str, syscalls: &'static [&'static str], when: When) -> Rule {
    Rule {
        id,
        syscalls,
        when,
        answer: Answer::Check(Check::Filling),
        reason: "what is written to a file in memory is memory",
        attack: "",
    }
}

const fn releases(id: &'static str, syscalls: &'static [&'static str], when: When) -> Rule {
    Rule {
        id,
        syscalls,
        when,
        answer: Answer::Check(Check::Filling),
        reason: "memory is measured before much of it is given back",
        attack: "",
    }
}

const fn own_filter(id: &'static str, syscall: &'static [&'static str], when: When) -> Rule {
    Rule {
        id,
        syscalls: syscall,
        when,
        answer: Answer::Check(Check::OwnFilter),
        reason: "the supervisor must tell the stops of the jail's filter from those of another one",
        attack: "",
    }
}

/// No process may write into a tracee's memory: the supervisor keeps judged paths there, in pages that
/// nothing else can change.
pub static NO_MEMORY_FILES: Rule = Rule {
    id: "no-memory-files",
    syscalls: &[],
    when: EACH,
    answer: Answer::Deny(Errno::EACCES),
    reason: "the pages that hold judged paths are not to be changed",
    // proc(5): /proc/PID/mem writes through read-only mappings (FOLL_FORCE).
    attack: "a write to /proc/self/mem changes a path after it was judged",
};

#[rustfmt::skip]
pub(super) static WATCHED: &[(Watch, Rule)] = &[
    (Watch::READ, watch("reads-open", &["open"],
        When { text: "a reading open", any: &[&[none_of(1, O_ACCMODE | O_PATH)]] },
        "its path decides")),
    (Watch::READ, watch("reads-openat", &["openat"],
        When { text: "a reading open", any: &[&[none_of(2, O_ACCMODE | O_PATH)]] },
        "its path decides")),
    (Watch::WRITE, watch("writes-open", &["open"],
        When { text: "a writing open", any: &[&[any_of(1, CHANGING), none_of(1, O_PATH)]] }, "its path decides")),
    (Watch::WRITE, watch("writes-openat", &["openat"],
        When { text: "a writing open", any: &[&[any_of(2, CHANGING), none_of(2, O_PATH)]] }, "its path decides")),
    (Watch::WRITE, watch("writes-creat", &["creat"], EACH, "its path decides")),
    (Watch::HANDLE, watch("handles-open", &["open"],
        When { text: "O_PATH", any: &[&[any_of(1, O_PATH)]] }, "its path decides")),
    (Watch::HANDLE, watch("handles-openat", &["openat"],
        When { text: "O_PATH", any: &[&[any_of(2, O_PATH)]] }, "its path decides")),
    (Watch::TRUNCATING, watch("truncates-open", &["open"],
        When { text: "O_RDONLY with O_TRUNC", any: &[&[masked(1, O_ACCMODE | O_TRUNC | O_PATH, Op::Eq, O_TRUNC)]] },
        "this Landlock does not know of truncation")),
    (Watch::TRUNCATING, watch("truncates-openat", &["openat"],
        When { text: "O_RDONLY with O_TRUNC", any: &[&[masked(2, O_ACCMODE | O_TRUNC | O_PATH, Op::Eq, O_TRUNC)]] },
        "this Landlock does not know of truncation")),
    (Watch::MODE_3, watch("mode-3-open", &["open"],
        When { text: "access mode 3", any: &[&[masked(1, O_ACCMODE | O_PATH, Op::Eq, O_ACCMODE)]] },
        "Landlock does not know of this mode")),
    (Watch::MODE_3, watch("mode-3-openat", &["openat"],
        When { text: "access mode 3", any: &[&[masked(2, O_ACCMODE | O_PATH, Op::Eq, O_ACCMODE)]] },
        "Landlock does not know of this mode")),
    // Its flags are in memory (openat2(2), Linux 5.6).
    (Watch::READ.and(Watch::WRITE).and(Watch::HANDLE).and(Watch::TRUNCATING).and(Watch::MODE_3),
        watch("openat2", &["openat2"], EACH, "its flags are in memory")),
    (Watch::TERMINALS, watch("own-terminal", &["ioctl"],
        When { text: "request == TIOCGPTPEER", any: &[&[is(1, TIOCGPTPEER)]] },
        "Landlock cannot name a terminal that is created later")),
    (Watch::TERMINALS, watch("own-terminal-open", &["open"],
        When { text: "O_RDWR with O_NOCTTY", any: &[&[masked(1, TERMINAL_MASK, Op::Eq, TERMINAL)]] },
        "Landlock cannot name a terminal that is created later")),
    (Watch::TERMINALS, watch("own-terminal-openat", &["openat"],
        When { text: "O_RDWR with O_NOCTTY", any: &[&[masked(2, TERMINAL_MASK, Op::Eq, TERMINAL)]] },
        "Landlock cannot name a terminal that is created later")),
    (Watch::TRUNCATE, watch("truncates", &["truncate"], EACH, "its path decides")),
    (Watch::CHANGE, watch("makes-and-removes",
        &["mkdir", "mkdirat", "mknod", "mknodat", "rmdir", "symlink", "symlinkat", "unlink", "unlinkat", "bind"],
        EACH, "its path decides")),
    (Watch::MOVE, watch("moves",
        &["rename", "renameat", "renameat2", "link", "linkat"], EACH, "its paths decide")),
    (Watch::METADATA, watch("metadata",
        &["chmod", "fchmodat", "fchmodat2", "fchmod", "chown", "lchown", "fchownat", "fchown",
          "utime", "utimes", "futimesat", "utimensat", "setxattr", "lsetxattr", "fsetxattr", "setxattrat",
          "removexattr", "lremovexattr", "fremovexattr", "removexattrat", "file_setattr"],
        EACH, "no other mechanism restricts changes of metadata")),
    (Watch::METADATA, watch("metadata-ioctl", &["ioctl"],
        When {
            text: "request changes an inode",
            any: &[&[is(1, FS_IOC_SETFLAGS)], &[is(1, FS_IOC_SETVERSION)], &[is(1, FS_IOC_FSSETXATTR)],
                   &[is(1, FS_IOC_ENABLE_VERITY)], &[is(1, FS_IOC_SET_ENCRYPTION_POLICY)], &[is(1, FAT_IOCTL_SET_ATTRIBUTES)],
                   &[is(1, EXT4_IOC_SETVERSION)], &[is(1, EXT4_IOC_MIGRATE)],
                   &[is(1, BTRFS_IOC_SNAP_CREATE)], &[is(1, BTRFS_IOC_SUBVOL_CREATE)], &[is(1, BTRFS_IOC_SNAP_DESTROY)],
                   &[is(1, BTRFS_IOC_SNAP_CREATE_V2)], &[is(1, BTRFS_IOC_SUBVOL_CREATE_V2)],
                   &[is(1, BTRFS_IOC_SUBVOL_SETFLAGS)], &[is(1, BTRFS_IOC_SNAP_DESTROY_V2)]],
        },
        "no other mechanism restricts changes of metadata")),
    (Watch::STAT, watch("reads-metadata",
        &["stat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2", "readlink", "readlinkat",
          "chdir", "statfs", "getxattr", "lgetxattr", "getxattrat", "listxattr", "llistxattr", "listxattrat",
          "name_to_handle_at", "file_getattr"],
        EACH, "its path decides")),
    (Watch::NOTIFY, watch("notifies", &["inotify_add_watch", "fanotify_mark"], EACH, "its path decides")),
    (Watch::EXEC, watch("executes", &["execve", "execveat"], EACH, "its program decides")),
    (Watch::EXEC_OF_DESCRIPTOR, watch("executes-descriptor", &["execveat"],
        When { text: "(flags & AT_EMPTY_PATH) != 0", any: &[&[any_of(4, AT_EMPTY_PATH)]] },
        "what a descriptor is decides")),
    (Watch::MEMFD, Rule {
        id: "no-executable-memfd",
        syscalls: &["memfd_create"],
        when: When { text: "(flags & MFD_NOEXEC_SEAL) == 0", any: &[&[none_of(1, MFD_NOEXEC_SEAL)]] },
        answer: Answer::Deny(Errno::EPERM),
        reason: "a file in memory can be executed, and Landlock does not see it",
        attack: "execve(\"/proc/self/fd/3\") of a memfd executes what no entry of exec allows",
    }),
    // They need capabilities that hardly any program in a jail has, except open_by_handle_at since 6.13,
    // which may not need them, and fchroot (Linux 7.3), which takes any task with no_new_privs to
    // FD_FAILFS_ROOT, where no absolute path leads anywhere.
    (Watch::GOVERNED, Rule {
        id: "no-other-paths",
        syscalls: &["mount", "umount2", "pivot_root", "chroot", "fchroot", "move_mount", "mount_setattr", "fsmount", "fspick",
                    "swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "uselib", "open_by_handle_at"],
        when: EACH,
        answer: Answer::Deny(Errno::EPERM),
        reason: "it changes what paths mean, or bypasses them",
        attack: "a mount or another root gives a denied file an allowed path",
    }),
    (Watch::GOVERNED, Rule {
        id: "no-path-requests",
        syscalls: &["ioctl"],
        when: When {
            text: "request in {BCH_IOCTL_SUBVOLUME_CREATE, BCH_IOCTL_SUBVOLUME_DESTROY, OCFS2_IOC_REFLINK}",
            any: &[&[is(1, BCH_IOCTL_SUBVOLUME_CREATE)], &[is(1, BCH_IOCTL_SUBVOLUME_DESTROY)], &[is(1, OCFS2_IOC_REFLINK)]],
        },
        answer: Answer::Deny(Errno::EPERM),
        reason: "its paths are in memory, and no other mechanism restricts what it copies",
        attack: "a snapshot or a reflink copies a file that may not be read to where it may",
    }),
    (Watch::GOVERNED, Rule {
        id: "no-mount-copies",
        syscalls: &["open_tree", "open_tree_attr"],
        when: EACH,
        answer: Answer::Quiet(Errno::ENOSYS),
        reason: "it copies mounts",
        // open_tree(2): Linux 5.2; programs fall back if they get ENOSYS.
        attack: "a copy of a mount gives a denied file another path",
    }),
    // Landlock finds no path to a queue unless its file system is mounted (mq_overview(7)), and then
    // denies with EACCES without a report. It does not restrict mq_unlink.
    (Watch::NO_QUEUES, Rule {
        id: "no-queues",
        syscalls: &["mq_open", "mq_unlink"],
        when: EACH,
        answer: Answer::Close(Errno::EACCES),
        reason: "POSIX message queues are files of /dev/mqueue, which [fs] does not let the command change, or which does not exist",
        attack: "a queue of another program of the same user is removed",
    }),
    (Watch::MEMORY.and(Watch::DUMPABLE), watch("undumpable", &["prctl"],
        When { text: "option == PR_SET_DUMPABLE && arg2 == 0", any: &[&[is(0, PR_SET_DUMPABLE), is(1, 0)]] },
        "the supervisor reads the paths of calls from memory, and how much of it there is")),
    (Watch::MEMORY, watch("confines-itself", &["landlock_restrict_self"], EACH,
        "the supervisor must not do for a program what its own filter denies")),
    (Watch::MEMORY, watch("asynchronous", &["io_setup"], EACH, "it changes memory while its owner is stopped")),
    (Watch::OWN_FILTER, own_filter("own-filter", &["seccomp"],
        When { text: "operation == SECCOMP_SET_MODE_FILTER", any: &[&[is(0, SECCOMP_SET_MODE_FILTER)]] })),
    (Watch::OWN_FILTER, own_filter("own-filter-by-prctl", &["prctl"],
        When { text: "option == PR_SET_SECCOMP", any: &[&[is(0, PR_SET_SECCOMP)]] })),
    // madvise(2): Linux 4.5; older kernels answer EINVAL, and allocators fall back to MADV_DONTNEED,
    // which discards at once. The baseline denies process_madvise.
    (Watch::LAZY_MEMORY, Rule {
        id: "no-lazy-free",
        syscalls: &["madvise"],
        when: When { text: "advice == MADV_FREE", any: &[&[is(2, MADV_FREE)]] },
        answer: Answer::Quiet(Errno::EINVAL),
        reason: "the kernel would discard the page later: what was judged there would read as zeros",
        attack: "a name that continues in such a page becomes shorter after it was judged",
    }),
    // mmap(2): Linux 6.11; older kernels answer EINVAL. glibc's getrandom falls back to the system call.
    (Watch::LAZY_MEMORY, Rule {
        id: "no-droppable-memory",
        syscalls: &["mmap"],
        when: When { text: "(flags & 0xf) == MAP_DROPPABLE", any: &[&[masked(3, MAP_TYPE, Op::Eq, MAP_DROPPABLE)]] },
        answer: Answer::Quiet(Errno::EINVAL),
        reason: "the kernel would drop the page later: what was judged there would read as zeros",
        attack: "as MADV_FREE, for the whole mapping",
    }),
    // After the calls whose paths are judged.
    (Watch::LOOK_READ, look("looks-open", &["open"],
        When { text: "a reading open", any: &[&[none_of(1, CHANGING | O_PATH)]] })),
    (Watch::LOOK_READ, look("looks-openat", &["openat"],
        When { text: "a reading open", any: &[&[none_of(2, CHANGING | O_PATH)]] })),
    (Watch::LOOK_WRITE, look("looks-writing-open", &["open"],
        When { text: "a writing open", any: &[&[any_of(1, CHANGING), none_of(1, O_PATH)]] })),
    (Watch::LOOK_WRITE, look("looks-writing-openat", &["openat"],
        When { text: "a writing open", any: &[&[any_of(2, CHANGING), none_of(2, O_PATH)]] })),
    (Watch::LOOK_WRITE, look("looks-creat", &["creat"], EACH)),
    (Watch::LOOK_READ.and(Watch::LOOK_WRITE), look("looks-openat2", &["openat2"], EACH)),
    (Watch::LOOK_NAMES, look("looks-names",
        &["mkdir", "mkdirat", "mknod", "mknodat", "rmdir", "symlink", "symlinkat", "unlink", "unlinkat",
          "rename", "renameat", "renameat2", "link", "linkat", "truncate"], EACH)),
    (Watch::LOOK_EXEC, look("looks-exec", &["execve", "execveat"], EACH)),
    (Watch::LOOK, look("looks-directory", &["chdir", "fchdir"], EACH)),
    // After those that also judge its path.
    (Watch::FILL, fills("fills-open", &["open"],
        When { text: "a writing open", any: &[&[any_of(1, CHANGING), none_of(1, O_PATH)]] })),
    (Watch::FILL, fills("fills-openat", &["openat"],
        When { text: "a writing open", any: &[&[any_of(2, CHANGING), none_of(2, O_PATH)]] })),
    (Watch::FILL, fills("fills-creat", &["creat", "openat2"], EACH)),
    (Watch::FILL, fills("fills-memfd", &["memfd_create"], EACH)),
    (Watch::FILL, fills("fills-segment", &["shmget", "semget", "msgget"], EACH)),
    // The file may be /dev/zero, whose shared mappings are unnamed files in memory.
    (Watch::FILL, fills("fills-shared", &["mmap"],
        When { text: "(flags & MAP_SHARED) != 0", any: &[&[any_of(3, MAP_SHARED)]] })),
    (Watch::FILL, releases("releases-mapping", &["munmap"],
        When { text: "length >= 131072", any: &[&[whole(1, Op::Ge, MUCH)]] })),
    (Watch::FILL, releases("releases-part", &["mremap"],
        When { text: "old_size >= 131072 && new_size < 131072",
            any: &[&[whole(1, Op::Ge, MUCH), whole(2, Op::Lt, MUCH)]] })),
    (Watch::FILL, releases("releases-pages", &["madvise"],
        When { text: "advice in {MADV_DONTNEED, MADV_DONTNEED_LOCKED} && length >= 131072",
            any: &[&[is(2, MADV_DONTNEED), whole(1, Op::Ge, MUCH)],
                   &[is(2, MADV_DONTNEED_LOCKED), whole(1, Op::Ge, MUCH)]] })),
    (Watch::FILL, releases("releases-replaced", &["mmap"],
        When { text: "MAP_FIXED | MAP_ANONYMOUS && length >= 131072",
            any: &[&[masked(3, REPLACES, Op::Eq, REPLACES), whole(1, Op::Ge, MUCH)]] })),
    (Watch::FILL, releases("releases-heap", &["brk"],
        When { text: "addr != 0", any: &[&[whole(0, Op::Ne, 0)]] })),
    (Watch::FILL, releases("releases-program", &["execve", "execveat"], EACH)),
    (Watch::FILL, Rule {
        id: "no-unseen-memory",
        syscalls: &["memfd_secret", "vmsplice"],
        when: EACH,
        answer: Answer::Quiet(Errno::ENOSYS),
        reason: "the supervisor adds up memory, and cannot see how much of it this keeps",
        // A pipe that holds one byte of a huge page holds all of its 2 MiB.
        attack: "memory that is in no process, of any size",
    }),
    // mknod(2) creates a file that no call has opened for writing; truncate(2) makes it long, and
    // reading its mapping fills it. No type means a regular file.
    (Watch::FILL, Rule {
        id: "no-unseen-files",
        syscalls: &["mknod"],
        when: When { text: "(mode & S_IFMT) in {0, S_IFREG}",
            any: &[&[masked(1, S_IFMT, Op::Eq, 0)], &[masked(1, S_IFMT, Op::Eq, S_IFREG)]] },
        answer: Answer::Quiet(Errno::EPERM),
        reason: "what is in a file of a tmpfs is memory, and such a file is not seen",
        attack: "mknod, truncate, and a mapping that is read: the file is full, and was never opened for writing",
    }),
    (Watch::FILL, Rule {
        id: "no-unseen-files-at",
        syscalls: &["mknodat"],
        when: When { text: "(mode & S_IFMT) in {0, S_IFREG}",
            any: &[&[masked(2, S_IFMT, Op::Eq, 0)], &[masked(2, S_IFMT, Op::Eq, S_IFREG)]] },
        answer: Answer::Quiet(Errno::EPERM),
        reason: "what is in a file of a tmpfs is memory, and such a file is not seen",
        attack: "as mknod",
    }),
    // madvise(2): Linux 6.1; older kernels answer EINVAL.
    (Watch::FILL, Rule {
        id: "no-huge-pages-of-files",
        syscalls: &["madvise"],
        when: When { text: "advice == MADV_COLLAPSE", any: &[&[is(2, MADV_COLLAPSE)]] },
        answer: Answer::Quiet(Errno::EINVAL),
        reason: "a pipe that holds one byte of a huge page holds all of it, and is not counted",
        attack: "a byte of each huge page of a memfd is spliced into a pipe, and the memfd closed",
    }),
];

/// After the rules about the addresses of sockets.
#[rustfmt::skip]
pub(super) static LOOKED_LAST: &[(Watch, Rule)] = &[
    (Watch::LOOK_NAMES, look("looks-bind", &["bind"], EACH)),
];
