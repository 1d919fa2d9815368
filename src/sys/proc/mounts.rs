//! The mounts that this process sees: /proc/self/mountinfo of proc_pid_mountinfo(5).
//!
//! A line is `ID PARENT MAJOR:MINOR ROOT PLACE OPTIONS [TAG]... - TYPE SOURCE SUPEROPTIONS`. Names may hold any
//! byte. The kernel writes a space, a tab, a newline and a backslash in octal (show_mountinfo of
//! fs/proc_namespace.c), so a name can neither end its word nor its line.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Room for the mounts of most hosts, because files of /proc have no size.
const USUAL: usize = 8192;

/// All mounts, as they were when they were read.
#[derive(Debug, Clone, Default)]
pub struct Mounts(Vec<u8>);

impl Mounts {
    /// Those of this process.
    ///
    /// # Errors
    /// If they cannot be read, or not whole.
    pub fn own() -> io::Result<Mounts> {
        let mut lines = Vec::with_capacity(USUAL);
        // By `take` the size is not asked for.
        let mut file = File::open("/proc/self/mountinfo")?.take(u64::MAX);
        file.read_to_end(&mut lines)?;
        Ok(Mounts(lines))
    }

    /// Each, in the order of the kernel. A line that is none is left out.
    pub fn iter(&self) -> impl Iterator<Item = Mount<'_>> {
        self.0
            .split(|byte| *byte == b'\n')
            .filter_map(Mount::of_line)
    }
}

impl From<&str> for Mounts {
    fn from(lines: &str) -> Mounts {
        Mounts(lines.as_bytes().to_vec())
    }
}

/// One mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mount<'a> {
    root: &'a [u8],
    place: &'a [u8],
    options: &'a [u8],
    kind: &'a [u8],
    super_options: &'a [u8],
}

impl<'a> Mount<'a> {
    fn of_line(line: &'a [u8]) -> Option<Mount<'a>> {
        let mut words = line.split(|byte| *byte == b' ');
        let (root, place, options) = (words.nth(3)?, words.next()?, words.next()?);
        // The tags are `name` or `name:value`, and none is a hyphen.
        let mut system = words.skip_while(|word| *word != b"-");
        let (kind, super_options) = (system.nth(1)?, system.nth(1)?);
        Some(Mount {
            root,
            place,
            options,
            kind,
            super_options,
        })
    }

    /// The directory of the file system that is mounted.
    pub fn root(&self) -> PathBuf {
        path(self.root)
    }

    /// Where it is mounted.
    pub fn place(&self) -> PathBuf {
        path(self.place)
    }

    /// Whether it is of one of these file systems.
    pub fn is(&self, kinds: &[&str]) -> bool {
        kinds.iter().any(|kind| kind.as_bytes() == self.kind)
    }

    /// Whether nothing can be changed through this mount.
    pub fn is_read_only(&self) -> bool {
        has(self.options, "ro")
    }

    /// Whether the file system has this option.
    pub fn has_super_option(&self, option: &str) -> bool {
        has(self.super_options, option)
    }
}

fn has(options: &[u8], option: &str) -> bool {
    let mut options = options.split(|byte| *byte == b',');
    options.any(|one| one == option.as_bytes())
}

fn path(escaped: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(plain(escaped)))
}

/// Without octal escapes.
fn plain(mut escaped: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(escaped.len());
    while let Some((first, rest)) = escaped.split_first() {
        match (first, rest) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', left @ ..]) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                escaped = left;
            }
            _ => {
                bytes.push(*first);
                escaped = rest;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    fn one(line: &[u8]) -> Option<Mount<'_>> {
        Mount::of_line(line)
    }

    #[test]
    fn a_line_is_read_with_tags_and_without() {
        let line = b"35 31 0:32 /a /x rw,relatime shared:9 master:1 - cgroup c rw,memory";
        let mount = one(line).expect("a mount");
        assert_eq!(mount.root(), Path::new("/a"));
        assert_eq!(mount.place(), Path::new("/x"));
        assert!(mount.is(&["tmpfs", "cgroup"]) && !mount.is(&["cgroup2"]));
        assert!(mount.has_super_option("memory") && !mount.has_super_option("mem"));
        assert!(!mount.is_read_only());
        let line = b"22 1 0:21 / /proc ro - proc  ro";
        let mount = one(line).expect("a mount with a source that has no name");
        assert!(mount.is(&["proc"]) && mount.is_read_only());
    }

    #[test]
    fn what_is_no_line_is_no_mount() {
        for line in ["", "22 1 0:21 / /x", "22 1 0:21 / /x rw - tmpfs", "- - - -"] {
            assert_eq!(one(line.as_bytes()), None, "{line}");
        }
        let mounts = Mounts::from("\n22 1 0:21\n22 1 0:21 / /x rw - tmpfs t rw\n");
        assert_eq!(mounts.iter().count(), 1);
    }

    #[test]
    fn names_are_unescaped() {
        assert_eq!(plain(b"/a\\040b\\011\\012\\134\\040"), b"/a b\t\n\\ ");
        assert_eq!(plain(b"\\9\\04\\777\\"), b"\\9\\04\\777\\");
        assert_eq!(plain(b"\\134040"), b"\\040");
        assert_eq!(plain(b"/\xff\r"), b"/\xff\r");
    }

    #[test]
    fn this_process_has_a_root_and_a_proc() {
        let mounts = Mounts::own().expect("mounts");
        let has = |place: &str| mounts.iter().any(|mount| mount.place() == Path::new(place));
        assert!(has("/") && has("/proc"));
    }

    /// As seq_path of fs/seq_file.c writes a name.
    fn escaped(name: &[u8]) -> Vec<u8> {
        let escape = |byte: &u8| match byte {
            b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}").into_bytes(),
            byte => vec![*byte],
        };
        name.iter().flat_map(escape).collect()
    }

    /// A name, mostly of bytes that mean something in a line.
    fn name() -> impl Strategy<Value = Vec<u8>> {
        let special = prop::sample::select(&b" \t\n\\\r,:-0134/"[..]);
        prop::collection::vec(prop_oneof![3 => special, 1 => 1..=u8::MAX], 1..40)
    }

    proptest! {
        /// No name of a mount can end its line, or be taken for another part of it.
        #[test]
        fn any_name_is_read_as_it_is(root in name(), place in name(), source in name()) {
            let mut lines = b"22 1 0:21 ".to_vec();
            for part in [&escaped(&root)[..], b" ", &escaped(&place), b" rw shared:1 - tmpfs ",
                &escaped(&source), b" rw,size=4k\n23 1 0:22 / /last ro - proc proc rw\n"] {
                lines.extend_from_slice(part);
            }
            let mounts = Mounts(lines);
            let all: Vec<Mount<'_>> = mounts.iter().collect();
            prop_assert_eq!(all.len(), 2);
            let named = |name: &[u8]| PathBuf::from(OsString::from_vec(name.to_vec()));
            prop_assert_eq!(all[0].root().into_os_string(), named(&root).into_os_string());
            prop_assert_eq!(all[0].place().into_os_string(), named(&place).into_os_string());
            prop_assert!(all[0].is(&["tmpfs"]) && !all[0].is_read_only());
            prop_assert!(all[0].has_super_option("size=4k"));
            prop_assert!(all[1].place() == Path::new("/last") && all[1].is(&["proc"]));
        }

        /// Nothing makes the reader fail.
        #[test]
        fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for mount in Mounts(bytes).iter() {
                let _ = (mount.root(), mount.place());
            }
        }
    }
}
