use super::*;
use crate::net::{Endpoint, Parsed, Reach, To};
use crate::paths::Pattern;
use crate::policy::{PathContext, locate};
use proptest::prelude::*;
use std::ffi::OsString;
use std::path::Path;

const HOME: &str = "/data0/users/u";
const CACHE: &str = "/data0/users/u/.cache";

/// A run in `/work/p`, of a user whose home exists nowhere.
pub fn scene() -> Scene {
    Scene {
        run: Run {
            home: Some(HOME.into()),
            directory: Some("/work0/p".into()),
            processes: vec![4711],
            nameservers: vec![[10, 0, 0, 2].into()],
            ..Run::default()
        },
        directories: BTreeSet::new(),
        made: BTreeSet::new(),
        caches: BTreeSet::new(),
        gone: BTreeSet::new(),
        led: BTreeSet::new(),
        refused: BTreeSet::new(),
        beside: BTreeMap::new(),
        databases: BTreeSet::new(),
        synced: BTreeSet::new(),
        programs: vec!["/opt/cargo/bin".into()],
        tools: vec!["/opt/tool".into()],
        variables: vec![("XDG_CACHE_HOME".to_owned(), CACHE.into())],
        ephemeral: 32768..=60999,
    }
}

fn recording(paths: &[(Access, &str)]) -> Recording {
    let mut recording = Recording::new();
    for (access, path) in paths {
        let request = Request::Path(*access, path.as_bytes().to_vec());
        recording.entry(request).or_default().add("tool");
    }
    recording
}

fn texts(learned: &Learned) -> Vec<String> {
    let text = |entry: &Entry| format!("{} {}", entry.section.key().1, entry.text);
    learned.entries.iter().map(text).collect()
}

#[track_caller]
fn check(level: Level, scene: &Scene, paths: &[(Access, &str)], expected: &[&str]) {
    let learned = generalize(&recording(paths), scene, level);
    assert_eq!(texts(&learned), expected);
}

use Access::{Exec, Read, Write};

/// The next run may find no cache, and makes it.
#[test]
fn what_changes_in_a_cache_opens_the_cache() {
    let mut scene = scene();
    scene.caches.insert(b"/work0/p/.cache".to_vec());
    let paths = [
        (Write, "/work0/p/.cache/v/nodeids"),
        (Write, "/work0/p/out/x"),
    ];
    for level in [Level::Directories, Level::Patterns] {
        let learned = generalize(&recording(&paths), &scene, level);
        let of_cache = |entry: &&Entry| entry.text == "./.cache";
        let cache = learned.entries.iter().find(of_cache).expect("an entry");
        assert_eq!((cache.why, cache.beyond), (Some(MADE), Beyond::Beneath));
        assert!(
            learned
                .entries
                .iter()
                .all(|entry| !entry.text.contains("nodeids"))
        );
    }
    check(
        Level::Exact,
        &scene,
        &paths[..1],
        &["write ./.cache/v/nodeids"],
    );
}

/// A command chooses its names.
#[test]
fn a_pattern_opens_nothing_that_was_there() {
    let mut scene = scene();
    let names = [
        ".config",
        ".cargo",
        ".bashrc",
        "obj.zQ3vXq",
        "data.db",
        "data.db-wal",
        "data.db-x",
    ];
    let names = names.map(|name| name.as_bytes().to_vec());
    let home = HOME.as_bytes().to_vec();
    scene
        .beside
        .insert(home.clone(), Some(BTreeSet::from(names)));
    for (name, expected) in [
        (".con1.20.3", "~/.con1.20.3"),
        (".bas2026-11-30", "~/.bas2026-11-30"),
        (".app1.20.3", "~/.app*"),
        // Another of the same kind.
        ("obj.Ab3dXq", "~/obj.*"),
    ] {
        let path = format!("{HOME}/{name}");
        let expected = format!("write {expected}");
        check(Level::Patterns, &scene, &[(Write, &path)], &[&expected]);
    }
    let database = format!("{HOME}/data.db");
    scene.databases.insert(database.clone().into_bytes());
    let paths = [(Write, database.as_str())];
    check(Level::Patterns, &scene, &paths, &["write ~/data.db"]);
    let beside = scene.beside.get_mut(&home).and_then(Option::as_mut);
    beside.expect("names").remove(&b"data.db-x"[..]);
    check(Level::Patterns, &scene, &paths, &["write ~/data.db*"]);
    scene.beside.insert(home, None);
    check(Level::Patterns, &scene, &paths, &["write ~/data.db"]);
}

/// Neither by a name that no pattern is narrow enough for, nor by one that is no text.
#[test]
fn one_name_opens_no_directory_of_many_programs() {
    for directory in [
        ".config",
        ".local/share",
        ".cargo",
        ".mozilla/x/.y",
        "documents",
    ] {
        for level in Level::Broad.down() {
            let random = format!("{HOME}/{directory}/3f9a8b7c6d5e4f1a2b3c4d5e6f708192");
            let mut odd = format!("{HOME}/{directory}/").into_bytes();
            odd.push(0xff);
            let mut recording = recording(&[(Write, &random)]);
            recording
                .entry(Request::Path(Write, odd))
                .or_default()
                .add("tool");
            let learned = generalize(&recording, &scene(), level);
            let expected = match level >= Level::Patterns {
                true => vec![format!("write ~/{directory}/[! -~]")],
                false => vec![
                    format!("write ~/{directory}/3f9a8b7c6d5e4f1a2b3c4d5e6f708192"),
                    format!("write ~/{directory}/[! -~]"),
                ],
            };
            assert_eq!(texts(&learned), expected, "{directory} {level:?}");
        }
    }
    // That of one tool.
    let path = format!("{HOME}/.local/share/tool/3f9a8b7c6d5e4f1a2b3c4d5e6f708192");
    check(
        Level::Patterns,
        &scene(),
        &[(Write, &path)],
        &["write ~/.local/share/tool"],
    );
    let project = "/work0/p/3f9a8b7c6d5e4f1a2b3c4d5e6f708192";
    check(Level::Patterns, &scene(), &[(Write, project)], &["write ."]);
}

const BUILD: &[(Access, &str)] = &[
    (Read, "/work0/p/src/a.rs"),
    (Read, "/work0/p/src/b.rs"),
    (Read, "/work0/p/src/c.rs"),
    (Read, "/work0/p/Cargo.toml"),
    (Write, "/work0/p/target/debug/a.o"),
    (Write, "/work0/p/target/debug/b.o"),
    (Write, "/work0/p/target/debug/c.o"),
    (Write, "/work0/p/Cargo.lock"),
    (Exec, "/work0/p/target/debug/c.o"),
    (Write, "/data0/users/u/.tool/lock"),
    (Write, "/data0/users/u/.tool/state"),
    (Write, "/data0/users/u/.tool/more"),
];

/// A fresh home has none of them, so that the first tool makes them: what it has in them is opened, and no more.
#[test]
fn directories_of_a_home_that_many_programs_share_are_not_opened_as_a_whole() {
    let mut scene = scene();
    for directory in [".cache", ".cache/tool", ".config"] {
        let directory = format!("{HOME}/{directory}").into_bytes();
        scene.directories.insert(directory.clone());
        scene.made.insert(directory);
    }
    let paths = [
        (Write, CACHE),
        (Write, "/data0/users/u/.cache/tool"),
        (Write, "/data0/users/u/.cache/tool/x"),
        (Read, "/data0/users/u/.config"),
    ];
    let learned = generalize(&recording(&paths), &scene, Level::Patterns);
    assert_eq!(texts(&learned), ["write $XDG_CACHE_HOME/tool"]);
    let left: Vec<&Request> = learned.left.iter().map(|(request, _)| request).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn the_levels_of_a_build() {
    check(
        Level::Patterns,
        &scene(),
        BUILD,
        &[
            "read .",
            "write ./Cargo.lock",
            "write ./target/debug",
            "write ~/.tool/lock",
            "write ~/.tool/more",
            "write ~/.tool/state",
            "exec ./target/debug",
        ],
    );
    check(
        Level::Directories,
        &scene(),
        BUILD,
        &[
            "read ./Cargo.toml",
            "read ./src",
            "write ./Cargo.lock",
            "write ./target/debug",
            "write ~/.tool/lock",
            "write ~/.tool/more",
            "write ~/.tool/state",
            "exec ./target/debug",
        ],
    );
    let exact = generalize(&recording(BUILD), &scene(), Level::Exact);
    assert_eq!(exact.entries.len(), BUILD.len());
}

#[test]
fn a_directory_that_the_run_made_stands_for_what_lies_in_it() {
    let mut scene = scene();
    let made: &[u8] = b"/work0/p/out";
    scene.made.insert(made.to_vec());
    scene.directories.insert(made.to_vec());
    let paths = &[
        (Write, "/work0/p/out"),
        (Write, "/work0/p/out/a"),
        (Read, "/work0/p/out/a"),
        (Exec, "/work0/p/out/a"),
    ];
    check(
        Level::Patterns,
        &scene,
        paths,
        &["write ./out", "exec ./out"],
    );
    let learned = generalize(&recording(paths), &scene, Level::Patterns);
    assert!(learned.entries.iter().all(|entry| entry.why == Some(MADE)));
}

#[test]
fn a_name_that_is_removed_again_is_a_pattern_of_what_stays() {
    let mut scene = scene();
    for made in ["/work0/p/out", "/work0/p/outk3xq9a"] {
        scene.made.insert(made.as_bytes().to_vec());
    }
    scene.gone.insert(b"/work0/p/outk3xq9a".to_vec());
    let paths = &[(Write, "/work0/p/out"), (Write, "/work0/p/outk3xq9a")];
    check(Level::Patterns, &scene, paths, &["write ./out*"]);
    check(
        Level::Directories,
        &scene,
        paths,
        &["write ./out", "write ./outk3xq9a"],
    );
}

#[test]
fn a_directory_that_holds_programs_is_not_written_as_a_whole() {
    let paths = &[
        (Write, "/opt/cargo/.package-cache"),
        (Write, "/opt/cargo/.global-cache"),
        (Write, "/opt/cargo/.lock"),
        (Write, "/opt/other/a"),
        (Write, "/opt/other/b"),
        (Write, "/opt/other/c"),
    ];
    let expected = &[
        "write /opt/cargo/.global-cache",
        "write /opt/cargo/.lock",
        "write /opt/cargo/.package-cache",
        "write /opt/other",
    ];
    check(Level::Patterns, &scene(), paths, expected);
}

#[test]
fn a_database_of_sqlite_has_its_journals_beside_it() {
    let mut scene = scene();
    scene.databases.insert(b"/srv/tool/app.db".to_vec());
    scene.synced.insert(b"/srv/tool".to_vec());
    let paths = &[(Write, "/srv/tool/app.db"), (Read, "/srv/tool")];
    let learned = generalize(&recording(paths), &scene, Level::Patterns);
    assert_eq!(texts(&learned), ["write /srv/tool/app.db*"]);
    assert_eq!(learned.left.len(), 1);
    let exact = &["read /srv/tool", "write /srv/tool/app.db"];
    check(Level::Exact, &scene, paths, exact);
}

#[test]
fn no_entry_is_written_for_a_place_of_the_system_as_a_whole() {
    let paths = &[
        (Read, "/"),
        (Read, "/etc"),
        (Read, HOME),
        (Read, "/work0"),
        (Write, "/tmp/Ab3dXq7Y"),
        (Write, "/proc/4711/comm"),
        (Write, "/dev/pts/3"),
    ];
    let learned = generalize(&recording(paths), &scene(), Level::Broad);
    assert_eq!(texts(&learned), Vec::<String>::new());
    assert_eq!(learned.left.len(), paths.len());
}

#[test]
fn files_of_the_system_are_not_folded_into_their_directory() {
    let paths = &[
        (Read, "/etc/tool/a"),
        (Read, "/etc/tool/b"),
        (Read, "/etc/tool/c"),
        (Read, "/data0/users/u/.config/a"),
        (Read, "/data0/users/u/.config/b"),
        (Read, "/data0/users/u/.config/c"),
    ];
    let learned = generalize(&recording(paths), &scene(), Level::Patterns);
    assert_eq!(learned.entries.len(), paths.len());
}

fn inet(way: Way, protocol: Protocol, name: Option<&str>, ip: &str, port: u16) -> Request {
    Request::Inet(Inet {
        way,
        protocol,
        name: name.map(str::to_owned),
        ip: ip.parse().expect(ip),
        port,
    })
}

#[test]
fn peers_are_named_where_a_name_is_known() {
    use Protocol::{Tcp, Udp};
    use Way::{Connect, Listen};
    let requests = [
        inet(Connect, Tcp, Some("registry.example"), "93.184.216.34", 443),
        inet(Connect, Tcp, Some("../x\n"), "93.184.216.35", 443),
        inet(Connect, Udp, None, "10.0.0.2", 53),
        inet(Connect, Tcp, None, "127.0.0.1", 40000),
        inet(Connect, Tcp, None, "127.0.0.1", 40001),
        inet(Connect, Tcp, None, "::1", 8080),
        inet(Listen, Tcp, None, "127.0.0.1", 0),
        inet(Listen, Tcp, None, "0.0.0.0", 8080),
        Request::Unix(Connect, b"/run/app.sock".to_vec()),
        Request::Abstract(Connect, b"/tmp/dbus-Ab3dX9Qx".to_vec()),
    ];
    let recording: Recording = requests
        .into_iter()
        .map(|r| (r, Evidence::default()))
        .collect();
    let learned = generalize(&recording, &scene(), Level::Patterns);
    assert_eq!(
        texts(&learned),
        [
            "connect 127.0.0.1:32768-60999",
            "connect 93.184.216.35:443",
            "connect [::1]:8080",
            "connect registry.example:443",
            "connect udp://10.0.0.2:53",
            "connect unix:/run/app.sock",
            "connect unix:@/tmp/dbus-*",
            "listen 0.0.0.0:8080",
            "listen 127.0.0.1:0",
        ]
    );
    // Without a name any resolver will do.
    let mut nameless = recording.clone();
    nameless.retain(|request, _| !matches!(request, Request::Inet(Inet { name: Some(_), .. })));
    let nameless = texts(&generalize(&nameless, &scene(), Level::Patterns));
    assert!(
        nameless.contains(&"connect udp://*:53".to_owned()),
        "{nameless:?}"
    );
    let exact = texts(&generalize(&recording, &scene(), Level::Exact));
    assert!(
        exact.contains(&"connect udp://10.0.0.2:53".to_owned()),
        "{exact:?}"
    );
    assert!(
        exact.contains(&"connect 127.0.0.1:40001".to_owned()),
        "{exact:?}"
    );
}

#[test]
fn many_public_addresses_of_a_port_are_all_of_it() {
    let requests = |count: u8| -> Recording {
        let request = |last| {
            inet(
                Way::Connect,
                Protocol::Tcp,
                None,
                &format!("93.184.216.{last}"),
                443,
            )
        };
        (1..=count)
            .map(|last| (request(last), Evidence::default()))
            .collect()
    };
    let texts = |count, level| texts(&generalize(&requests(count), &scene(), level));
    assert_eq!(texts(4, Level::Patterns), ["connect public:443"]);
    assert_eq!(texts(3, Level::Patterns).len(), 3);
    assert_eq!(texts(1, Level::Broad), ["connect public:443"]);
}

#[test]
fn many_ports_of_an_address_are_all_of_it() {
    let requests = |way, first: u16, count: u16| -> Recording {
        let ports = (0..count).map(|number| first + 977 * number);
        let request = |port| inet(way, Protocol::Udp, None, "0.0.0.0", port);
        ports
            .map(|port| (request(port), Evidence::default()))
            .collect()
    };
    let texts = |recording: &Recording, level| texts(&generalize(recording, &scene(), level));
    let random = requests(Way::Listen, 5664, 8);
    assert_eq!(texts(&random, Level::Patterns), ["listen udp://0.0.0.0:*"]);
    assert_eq!(texts(&random, Level::Directories).len(), 8);
    let few = requests(Way::Listen, 5664, 7);
    assert_eq!(texts(&few, Level::Patterns).len(), 7);
    // Below 1024 a port belongs to a service, and is named.
    let mut mixed = requests(Way::Connect, 5664, 8);
    mixed.extend(requests(Way::Connect, 123, 1));
    assert_eq!(
        texts(&mixed, Level::Patterns),
        ["connect udp://0.0.0.0:*", "connect udp://0.0.0.0:123"]
    );
}

fn variable(name: &str) -> Option<OsString> {
    match name {
        "HOME" => Some(HOME.into()),
        "XDG_CACHE_HOME" => Some(CACHE.into()),
        _ => None,
    }
}

/// Whether an entry of a list that opens the access covers the path.
fn covered(
    learned: &Learned,
    patterns: &[(Section, Pattern)],
    access: Access,
    path: &[u8],
) -> bool {
    let opens = |section: Section| match access {
        Access::Read => matches!(section, Section::Read | Section::Write),
        Access::Write => section == Section::Write,
        _ => section == Section::Exec,
    };
    let left = |(request, _): &(Request, &str)| *request == Request::Path(access, path.to_vec());
    let mut patterns = patterns.iter();
    patterns.any(|(section, pattern)| opens(*section) && pattern.covers(path))
        || learned.left.iter().any(left)
}

const NAMES: &[&[u8]] = &[
    b"a",
    b"src",
    b"main.rs",
    b"x.Ab3dXq",
    b"tmpab12cd_8",
    b"lib-1.20.3",
    b"lock.4711",
    b"\xff\xfe",
    b"no\xfftext",
    b"[slug]",
    b"$x",
    b"a*b",
    b"**",
    b"{a,b}",
    b"~",
    b"Ab3dXq7Y",
    b"target",
    b"..a",
    b"a\\b",
    b"new\nline",
    b"deadbeef12345678",
    b"tmp.Zb3dX9.Yc4eW8",
];
const PLACES: &[&str] = &[
    "",
    "/etc",
    "/tmp",
    "/work0/p",
    "/work0",
    HOME,
    CACHE,
    "/data0/users/u/.tool",
    "/proc/self/task/12",
    "/usr/lib",
    "/var/lib/tool",
    "/dev/shm",
];

fn any_path() -> impl Strategy<Value = Vec<u8>> {
    let names = proptest::collection::vec(proptest::sample::select(NAMES), 1..5);
    (proptest::sample::select(PLACES), names).prop_map(|(place, names)| {
        let mut path = place.as_bytes().to_vec();
        for name in names {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        path
    })
}

fn any_access() -> impl Strategy<Value = Access> {
    proptest::sample::select(&[Read, Write, Exec][..])
}

proptest! {
    #[test]
    fn nothing_that_was_seen_is_dropped(
        seen in proptest::collection::vec((any_access(), any_path(), any::<[bool; 3]>()), 1..120),
        level in 0u8..=3,
    ) {
        let mut scene = scene();
        let mut recording = Recording::new();
        for (access, path, [directory, made, gone]) in &seen {
            let request = Request::Path(*access, path.clone());
            recording.entry(request).or_default().add("tool");
            let sets = [
                (directory, &mut scene.directories),
                (made, &mut scene.made),
                (gone, &mut scene.gone),
            ];
            for (_, set) in sets.into_iter().filter(|(is, _)| **is) {
                set.insert(path.clone());
            }
        }
        let level = Level::from_number(level).expect("a level");
        let learned = generalize(&recording, &scene, level);
        let mut around = PathContext::at(Path::new("/work0/p"));
        around.variable = variable;
        let mut patterns = Vec::new();
        for entry in &learned.entries {
            let located = locate(&entry.text, &around);
            let located = located.map_err(|error| TestCaseError::fail(format!("{} {error:?}", entry.text)))?;
            // No entry opens a place of the system or a home as a whole.
            let base = located.pattern.base_bytes();
            let whole = located.pattern.is_literal() && place::is_wide(&scene, base);
            prop_assert!(!whole, "{}", entry.text);
            patterns.push((entry.section, located.pattern));
        }
        for (access, path, _) in &seen {
            prop_assert!(
                covered(&learned, &patterns, *access, path),
                "{} {:?} {:?}", access, String::from_utf8_lossy(path), texts(&learned)
            );
        }
        // The same again adds nothing else.
        prop_assert_eq!(&learned, &generalize(&recording, &scene, level));
    }

    #[test]
    fn no_peer_that_was_seen_is_dropped(
        seen in proptest::collection::vec((any::<bool>(), any::<bool>(), any::<u32>(), any::<u16>()), 1..40),
        level in 0u8..=3,
    ) {
        let mut recording = Recording::new();
        for (connect, udp, ip, port) in &seen {
            let request = Request::Inet(Inet {
                way: if *connect { Way::Connect } else { Way::Listen },
                protocol: if *udp { Protocol::Udp } else { Protocol::Tcp },
                name: None,
                ip: std::net::Ipv4Addr::from(*ip).into(),
                port: *port,
            });
            recording.entry(request).or_default().add("tool");
        }
        let learned = generalize(&recording, &scene(), Level::from_number(level).expect("a level"));
        let endpoint = |entry: &Entry| match Endpoint::parse(&entry.text, false) {
            Ok(Parsed::Endpoint(endpoint)) => (entry.section, endpoint),
            _ => panic!("{}", entry.text),
        };
        let endpoints: Vec<(Section, Endpoint)> = learned.entries.iter().map(endpoint).collect();
        for request in recording.keys() {
            let Request::Inet(Inet { way, protocol, ip, port, .. }) = request else { continue };
            let to = To::Inet { protocol: *protocol, ip: Some(*ip), own: false, port: *port, names: &[] };
            let section = match way {
                Way::Connect => Section::Connect,
                Way::Listen => Section::Listen,
            };
            let covers = |(of, endpoint): &(Section, Endpoint)| {
                *of == section && endpoint.covers(&Reach { way: *way, to }, false)
            };
            prop_assert!(endpoints.iter().any(covers), "{:?} {:?}", request, texts(&learned));
        }
    }
}

/// As in `~/.tool`, files are named one by one, because programs may lie beside them.
#[test]
fn the_home_of_a_tool_is_not_opened_whole_wherever_it_is() {
    let files = [
        (Write, "/opt/tool/.lock"),
        (Write, "/opt/tool/.cache-a"),
        (Write, "/opt/tool/b"),
        (Write, "/opt/tool/registry/a"),
        (Write, "/opt/tool/registry/b"),
        (Write, "/opt/tool/registry/c"),
    ];
    let expected = [
        "write /opt/tool/.cache-a",
        "write /opt/tool/.lock",
        "write /opt/tool/b",
        "write /opt/tool/registry",
    ];
    check(Level::Patterns, &scene(), &files, &expected);
}

#[test]
fn what_file_permissions_deny_to_this_user_gets_no_entry() {
    let path = b"/var/lib/gems/3.1.0/cache".to_vec();
    let mut scene = scene();
    scene.refused.insert(path.clone());
    let files = [(Write, "/var/lib/gems/3.1.0/cache"), (Write, "/work0/p/x")];
    let learned = generalize(&recording(&files), &scene, Level::Patterns);
    assert_eq!(texts(&learned), ["write ./x"]);
    let left: Vec<&Request> = learned.left.iter().map(|(left, _)| left).collect();
    assert_eq!(left, [&Request::Path(Write, path)]);
}
