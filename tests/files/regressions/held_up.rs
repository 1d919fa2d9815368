//! What could hold the supervisor up, or end it.

use crate::scene::{SUBTREES, Scene, files, run};
use crate::steps;
use crate::support::arena::Tree;
use crate::support::landlock::landlocks;
use crate::support::{JAIL, plain};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::time::{Duration, Instant};

/// How long something that waits for nobody may take, on a slow machine.
const SOON: Duration = Duration::from_secs(10);

fn fifo(path: &str) {
    mkfifo(path, Mode::S_IRWXU).expect("a FIFO");
}

#[test]
fn a_fifo_as_the_interpreter_of_a_script_blocks_no_process() {
    let scene = Scene::new();
    fifo(&scene.at("bin/pipe"));
    scene.program("bin/script", "#!@/bin/pipe\n");
    let attack = steps![scene; "exec :@/bin/script", "exec :@/bin/pipe"];
    assert_eq!(scene.steps_outside(&attack), ["EACCES"; 2]);
    let policy = scene.policy(SUBTREES);
    for landlock in landlocks() {
        let begin = Instant::now();
        let command = [&files(), "steps", &attack[0], &attack[1]].map(str::to_owned);
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let ran = run(scene.within(landlock, &policy, &command).timeout(SOON));
        ran.ends_with(0).says("EACCES\nEACCES\n");
        println!("{landlock:?}: {:?}", begin.elapsed());
    }
}

#[test]
fn a_fifo_as_the_loader_of_a_program_blocks_no_process() {
    let tree = Tree::new();
    fifo(&tree.text("@/w/pipe"));
    let policy = tree.lists("read = [\"@\"]\nwrite = [\"@/w\"]\nexec = [\"@/bin\", \"@/w\"]\n");
    let command = ["/bin/sh", "-c", &tree.text("@/bin/piped; exit $?")].map(str::to_owned);
    tree.unjailed(&command).ends_with(126);
    for landlock in landlocks() {
        let begin = Instant::now();
        tree.jailed(landlock, &policy, &command).ends_with(126);
        let took = begin.elapsed();
        assert!(took < SOON, "{landlock:?}: {took:?}");
    }
}

#[test]
fn a_lease_that_is_not_given_up_holds_no_third_process_up() {
    third_process_of_a_lease(&[]);
}

/// Such a program truncates by itself, under its own domain too, and nothing else is answered meanwhile.
#[test]
fn a_lease_that_a_confined_program_runs_into_holds_no_third_process_up() {
    /// LANDLOCK_ACCESS_FS_MAKE_BLOCK: nothing that is done here.
    const HELD: u64 = 1 << 11;
    third_process_of_a_lease(&[
        format!("{} {} 1 0 0 0", libc::SYS_prctl, libc::PR_SET_NO_NEW_PRIVS),
        format!("{} words:{HELD} 8 0", libc::SYS_landlock_create_ruleset),
        format!("{} {{1}} 0", libc::SYS_landlock_restrict_self),
    ]);
}

/// `first`: what the process does that truncates, before it does.
fn third_process_of_a_lease(first: &[String]) {
    let scene = Scene::new();
    let before: String = first.iter().map(|step| format!("'{step}' ")).collect();
    scene.write("w/leased", "0123456789");
    let ignore = format!(
        "{} {} words:1,0,0,0 null 8",
        libc::SYS_rt_sigaction,
        libc::SIGIO
    );
    let script = scene.text(&format!(
        r#"
: >@/w/holder # or the first look may be at no file, and be the last
'{files}' steps '{ignore}' '{open} :@/w/leased {rdwr}' '{fcntl} {{1}} {setlease} {wrlck}' '{sleep} words:30,0 null' >@/w/holder &
holder=$!
n=0; while [ "$(wc -l <@/w/holder)" -lt 3 ] && [ $n -lt 200 ]; do sleep 0.05; n=$((n+1)); done
'{files}' steps {before}'{truncate} :@/w/leased 3' >@/w/truncated &
sleep 0.5
cat @/w/holder
echo "truncated: $(tail -n +{after} @/w/truncated)"
begin=$(date +%s%N)
'{files}' steps '{mkdir} :@/w/made 448'
end=$(date +%s%N)
kill -9 $holder
wait 2>/dev/null
rmdir @/w/made
echo "waited $(( (end - begin) / 1000000 ))"
cat @/w/truncated
"#,
        after = first.len() + 1,
        files = scene.at("bin/files"),
        open = crate::old::SYS_open,
        rdwr = libc::O_RDWR,
        fcntl = libc::SYS_fcntl,
        setlease = libc::F_SETLEASE,
        wrlck = libc::F_WRLCK,
        sleep = libc::SYS_nanosleep,
        truncate = libc::SYS_truncate,
        mkdir = crate::old::SYS_mkdir,
    ));
    let policy = scene.policy(SUBTREES);
    let command = ["/bin/sh", "-c", &script];
    let check = |what: &str, out: &str| {
        println!("{what}: {out:?}");
        // The lease was taken, and held when the third process came.
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines[..3], ["ok"; 3], "{what}: {out}");
        assert_eq!(lines[4], "ok", "{what}: {out}");
        let waited = lines[5].strip_prefix("waited ").expect("a time");
        let waited: u64 = waited.parse().expect("milliseconds");
        assert!(waited < 1000, "{what}: {out}");
    };
    let outside = run(scene.outside(&command)).ends_with(0);
    check("outside", &outside.out);
    assert!(
        outside.out.contains("truncated: \n"),
        "the lease delays nobody"
    );
    for landlock in landlocks() {
        scene.write("w/leased", "0123456789");
        let ran = run(scene.within(landlock, &policy, &command)).ends_with(0);
        check(&format!("{landlock:?}"), &ran.out);
    }
}

#[test]
fn a_limit_of_file_sizes_below_the_commands_does_not_end_the_jail() {
    let scene = Scene::new();
    let policy = scene.policy(SUBTREES);
    let hard = getrlimit(Resource::RLIMIT_FSIZE).expect("a limit").1;
    let raise = format!(
        "{} 0 {} words:{hard},{hard} null",
        libc::SYS_prlimit64,
        libc::RLIMIT_FSIZE
    );
    let truncate = scene.text(&format!("{} :@/w/big 1048576", libc::SYS_truncate));
    let limited = ["/bin/sh", "-c", "ulimit -S -f 1 && exec \"$@\"", "sh"];
    let command = [&files(), "steps", &raise, &truncate].map(str::to_owned);
    scene.write("w/big", "");
    let outside = plain(limited).args(&command);
    run(outside).ends_with(0).says("ok\nok\n");
    for landlock in landlocks() {
        scene.write("w/big", "");
        let jail = [JAIL, "--quiet", "--policy", &policy, "--"];
        let inside = plain(limited).args(jail).args(&command);
        let inside = match landlock {
            Some(abi) => inside.env("JAIL_LANDLOCK_ABI", abi),
            None => inside,
        };
        run(inside).ends_with(0).says("ok\nok\n");
        assert_eq!(scene.state("w/big")[2], 1 << 20, "{landlock:?}");
    }
}
