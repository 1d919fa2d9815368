//! What a program starts with: arguments, descriptors, ports, securebits; and launchers that leave a
//! program something to start with.

use crate::raw;

/// `arguments …`: prints argv[0] and each argument, quoted, a line each.
pub fn arguments(_: &[String]) -> i32 {
    for argument in std::env::args_os() {
        println!("{argument:?}");
    }
    0
}

/// `descriptors`: prints the numbers of all open descriptors, on one line.
pub fn descriptors(_: &[String]) -> i32 {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return 1;
    };
    let entries: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    // The listing's own descriptor is closed by now, so its link cannot be read any more.
    let mut open: Vec<i32> = entries
        .iter()
        .filter(|path| path.read_link().is_ok())
        .filter_map(|path| path.file_name()?.to_str()?.parse().ok())
        .collect();
    open.sort_unstable();
    println!(
        "{}",
        open.iter()
            .map(i32::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    );
    0
}

/// `binds PORT`: prints `bound`, or why it cannot be listened on that TCP port.
pub fn binds(arguments: &[String]) -> i32 {
    let Some(port) = arguments.first().and_then(|port| port.parse().ok()) else {
        return 2;
    };
    match std::net::TcpListener::bind((std::net::Ipv4Addr::UNSPECIFIED, port)) {
        Ok(_) => println!("bound"),
        Err(error) => println!("{error}"),
    }
    0
}

/// `securebits`: prints them, in hexadecimal.
pub fn securebits(_: &[String]) -> i32 {
    match raw::securebits() {
        Ok(bits) => {
            println!("{bits:#x}");
            0
        }
        Err(errno) => {
            eprintln!("PR_GET_SECUREBITS: {errno}");
            1
        }
    }
}

/// `blocking SIGNAL,… PROGRAM …`: runs the program with these signals (numbers) blocked.
pub fn blocking(arguments: &[String]) -> i32 {
    let Some((signals, program)) = arguments.split_first() else {
        return 2;
    };
    let signals: Vec<i32> = signals
        .split(',')
        .filter_map(|signal| signal.parse().ok())
        .collect();
    require!(raw::block(&signals).is_ok(), "cannot block {signals:?}");
    eprintln!("{program:?}: {}", raw::exec(program));
    1
}

/// `leaking FD,… PROGRAM …`: runs the program with these descriptors open on /dev/null, and no
/// others past stderr.
pub fn leaking(arguments: &[String]) -> i32 {
    let Some((descriptors, program)) = arguments.split_first() else {
        return 2;
    };
    require!(
        raw::close_others().is_ok(),
        "cannot close what the caller leaks"
    );
    for fd in descriptors.split(',').filter_map(|fd| fd.parse().ok()) {
        require!(raw::leak(fd).is_ok(), "cannot open {fd}");
    }
    eprintln!("{program:?}: {}", raw::exec(program));
    1
}

/// `giving-up PROGRAM …`: runs the program without any ambient capability.
pub fn giving_up(program: &[String]) -> i32 {
    let cleared = caps::clear(None, caps::CapSet::Ambient);
    require!(cleared.is_ok(), "PR_CAP_AMBIENT_CLEAR_ALL: {cleared:?}");
    eprintln!("{program:?}: {}", raw::exec(program));
    1
}

/// The key that two probes mean.
const KEY: &std::ffi::CStr = c"jail-test-key";

/// `holding-key PROGRAM …`: runs the program with a key in its session keyring.
pub fn holding_key(program: &[String]) -> i32 {
    let held = raw::hold_key(KEY);
    require!(held.is_ok(), "no key: {held:?}");
    eprintln!("{program:?}: {}", raw::exec(program));
    1
}

/// `reads-key`: whether that key can be read.
pub fn reads_key(_: &[String]) -> i32 {
    match raw::read_key(KEY) {
        Ok(_) => println!("read"),
        Err(errno) => println!("{errno:?}"),
    }
    0
}

/// `lowered DIRECTORY FILE`: without effective capabilities, then with all that may be raised again:
/// opens, asks for and changes the file, makes a directory in the directory and reads its list, and
/// reads this program by /proc/self.
pub fn lowered(arguments: &[String]) -> i32 {
    let [directory, file] = arguments else {
        return 2;
    };
    let all = caps::read(None, caps::CapSet::Permitted).unwrap_or_default();
    let none = caps::CapsHashSet::new();
    for effective in [&none, &all, &none] {
        let set = caps::set(None, caps::CapSet::Effective, effective);
        require!(set.is_ok(), "capset: {set:?}");
        let made = std::path::Path::new(directory).join("made");
        let flags = nix::unistd::AccessFlags::R_OK;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o640);
        let tried = [
            std::fs::File::open(file).is_ok(),
            nix::unistd::access(file.as_str(), flags).is_ok(),
            std::fs::set_permissions(file, mode).is_ok(),
            std::fs::create_dir(&made).is_ok(),
            std::fs::read_dir(directory).is_ok(),
            std::fs::remove_dir(&made).is_ok(),
            std::fs::File::open("/proc/self/exe").is_ok(),
            std::fs::read_link("/proc/self/cwd").is_ok(),
            std::fs::metadata(".").is_ok(),
        ];
        println!("{}", tried.map(|did| if did { "+" } else { "-" }).concat());
    }
    0
}
