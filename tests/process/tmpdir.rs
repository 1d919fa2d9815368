//! `tmpdir = "fresh"`: a directory of the run's own, which is gone when the run is, whatever the command
//! has made of it and however it ended.

use crate::scene::{NOT_ROOT, Scene};
use crate::support::landlock::tried;
use crate::support::{Dir, JAIL, Ran, Run, is_root, plain, slow};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const FRESH: &str = "default = \"allow\"\n[process]\ntmpdir = \"fresh\"\n";

/// A scene with a place for temporary directories, which everybody may write to.
fn scene(policy: &str) -> (Scene, Base) {
    let base = Dir::new();
    fs::set_permissions(base.path(), fs::Permissions::from_mode(0o1777)).expect("chmod");
    (Scene::new(policy), Base(base))
}

/// Beside the scene, not in it.
struct Base(Dir);

impl std::ops::Deref for Base {
    type Target = Path;

    fn deref(&self) -> &Path {
        self.0.path()
    }
}

fn run(scene: &Scene, base: &Path, script: &str) -> Run {
    scene.run(&["sh", "-c", script]).env("TMPDIR", base)
}

/// The directories of runs that are there.
fn runs(base: &Path) -> Vec<PathBuf> {
    let parents = fs::read_dir(base).expect("the base").flatten();
    let within = parents.flat_map(|parent| fs::read_dir(parent.path()).into_iter().flatten());
    within.flatten().map(|entry| entry.path()).collect()
}

#[track_caller]
fn nothing_is_left(base: &Path, ran: &Ran) {
    let left = runs(base);
    if !left.is_empty() {
        ran.fail(&format!("should have left nothing: {left:?}"));
    }
}

#[test]
fn the_command_has_a_directory_that_no_other_run_has() {
    let (scene, base) = scene(FRESH);
    let script = "test \"$TMPDIR\" = \"$TMP\" && test \"$TMPDIR\" = \"$TEMP\" && stat -c '%a %u' \"$TMPDIR\" && \
        f=$(mktemp) && printf '#!/bin/sh\\necho ran\\n' >$f && chmod +x $f && $f; ls -A \"$TMPDIR/..\" | wc -l; pwd";
    let ran = run(&scene, &base, script).output().ends_with(0);
    let uid = nix::unistd::geteuid();
    let start = scene.dir.path().display();
    assert_eq!(ran.out, format!("700 {uid}\nran\n1\n{start}\n"));
    nothing_is_left(&base, &ran);
}

/// As `workspace` has it: writing and executing is granted there, and elsewhere it is not.
#[test]
fn workspace_opens_it_and_closes_what_others_share() {
    let (scene, base) = scene("extends = [\"workspace\"]\n");
    let note = base.join("note");
    for landlock in tried(["99", "1", "0"]) {
        let within = |script: &str| run(&scene, &base, script).env("JAIL_LANDLOCK_ABI", landlock);
        let script = "printf '#!/bin/sh\\necho ran\\n' >$TMPDIR/x && chmod +x $TMPDIR/x && $TMPDIR/x && mv $TMPDIR/x . && ./x && rm x";
        within(script).output().ends_with(0).says("ran\nran\n");
        // Two jails pass no note, and another program's file is not read.
        let pass = format!("echo note > {}", note.display());
        within(&pass).output().ends_with(2);
        fs::write(&note, "another's").expect("a note");
        let read = format!("cat {}", note.display());
        within(&read).output().ends_with(1).says("");
        let ran = within("ls -A $TMPDIR/..").output();
        assert_ne!(ran.code(), Some(0), "{}", ran.out);
        fs::remove_file(&note).expect("the note");
        nothing_is_left(&base, &ran);
    }
}

#[test]
fn it_is_removed_however_the_command_ends() {
    let wall = slow(Duration::from_secs(1)).as_millis();
    let kill = format!(
        "[syscalls]\nchroot = \"kill\"\n[limits]\nwall = \"{wall}ms\"\ngrace = \"10ms\"\noutput = \"1kB\"\n"
    );
    let text = FRESH.replace("[process]", &format!("{kill}[process]"));
    let (scene, base) = scene(&text);
    for (script, code) in [
        ("true", 0),
        ("exit 3", 3),
        ("kill -9 $$", 137),
        ("kill -11 $$", 139),
        ("perl -e 'chroot(\"/\")'", 159),
        ("sleep 60", 124),
        ("head -c 100000 /dev/zero", 124),
        ("sleep 60 & exit 4", 124),
    ] {
        let script = format!("mkdir -p $TMPDIR/a/b; echo x >$TMPDIR/a/b/c; {script}");
        let ran = run(&scene, &base, &script).output().ends_with(code);
        nothing_is_left(&base, &ran);
    }
    // What is never started.
    let missing = scene.run(&["no-such-program"]).env("TMPDIR", &*base);
    nothing_is_left(&base, &missing.output().ends_with(127));
    let missing = scene.run(&["/etc/passwd"]).env("TMPDIR", &*base);
    nothing_is_left(&base, &missing.output().ends_with(126));
}

#[test]
fn it_is_removed_when_jail_is_asked_to_end() {
    let (scene, base) = scene(FRESH);
    for signal in [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ] {
        let mut running = run(
            &scene,
            &base,
            "echo x >$TMPDIR/x; echo ready; exec sleep 60",
        )
        .start();
        running.line("ready");
        assert_eq!(runs(&base).len(), 1);
        running.signal(signal);
        nothing_is_left(&base, &running.finish());
    }
}

/// A jail that is killed cannot remove anything: the next one does.
#[test]
fn what_a_killed_jail_left_behind_is_removed_by_the_next_and_what_is_in_use_is_not() {
    let (scene, base) = scene(FRESH);
    let wait = "echo x >$TMPDIR/x; echo ready; read line; cat $TMPDIR/x";
    let seconds = slow(Duration::from_secs(2)).as_secs();
    let sleep = format!("sleep {seconds}");
    let mut other = run(&scene, &base, &wait.replace("read line", &sleep)).start();
    other.line("ready");
    let mut killed = scene
        .run(&["sh", "-c", &wait.replace("read line", "sleep 60")])
        .env("TMPDIR", &*base)
        .start();
    killed.line("ready");
    assert_eq!(runs(&base).len(), 2);
    killed.signal(Signal::SIGKILL);
    killed.finish();
    assert_eq!(runs(&base).len(), 2);
    // The kernel releases the lock when the last of the killed jail is gone.
    let mut tries = 0;
    while runs(&base).len() > 1 && tries < 50 {
        run(&scene, &base, "true").output().ends_with(0);
        tries += 1;
    }
    assert_eq!(runs(&base).len(), 1, "after {tries} runs");
    other.finish().ends_with(0).says("ready\nx\n");
    assert_eq!(runs(&base).len(), 0);
}

/// Deeper than any path may be, locked, with links to elsewhere, and with the names that the removal
/// uses itself.
#[test]
fn a_hostile_tree_is_removed_and_what_its_links_lead_to_stays() {
    let (scene, base) = scene(FRESH);
    let victim = scene.dir.path().join("victim");
    fs::create_dir(&victim).expect("a directory");
    fs::set_permissions(&victim, fs::Permissions::from_mode(0o755)).expect("chmod");
    fs::write(victim.join("file"), "kept").expect("a file");
    let script = format!(
        "cd $TMPDIR && perl -e 'for (1..2200) {{ mkdir \"d\" or die; chdir \"d\" or die }} open(F, \">f\")' && \
         for i in 1 2 3; do mkdir .jail-moved-$i && echo x >.jail-moved-$i/x; done; echo x >.jail-moved-4; \
         mkdir -p wide/a/b locked/a/b/c && ln -s {0} link && ln -s {0} wide/a/link && ln -s {0}/file wide/file && \
         perl -e 'for (1..300) {{ mkdir \"wide/$_\"; mkdir \"wide/$_/x\"; open(F, \">wide/$_/x/f\") }}' && \
         mkfifo wide/pipe && touch \"$(printf 'wide/odd\\nname\\377')\" && \
         chmod 0 locked/a/b/c locked/a/b locked/a locked && chmod 0 $TMPDIR",
        victim.display()
    );
    let run = scene
        .as_nobody(&[], &["sh", "-c", &script])
        .env("TMPDIR", &*base);
    let ran = run.output().ends_with(0);
    nothing_is_left(&base, &ran);
    let kept = fs::read_to_string(victim.join("file"));
    assert_eq!(kept.ok().as_deref(), Some("kept"));
    let mode = fs::metadata(&victim)
        .expect("the victim")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o755);
}

/// Which of the files says so, and where, makes no difference.
#[test]
fn tmpdir_in_a_path_is_the_directory_of_the_run() {
    const DENIED: &str = "[fs]\nread = [\"/\"]\nwrite = [\"/dev\"]\ndeny = [\"$TMPDIR/x\"]\n";
    const FRESH_ONLY: &str = "[process]\ntmpdir = \"fresh\"\n";
    const ALLOW: &str = "default = \"allow\"\n";
    let parent = Dir::new();
    let fresh = parent.write("fresh.toml", FRESH_ONLY);
    let denied = parent.write("denied.toml", format!("{ALLOW}{DENIED}"));
    for policy in [
        format!("{ALLOW}{FRESH_ONLY}{DENIED}"),
        format!("{ALLOW}{DENIED}{FRESH_ONLY}"),
        format!("{ALLOW}extends = [\"{fresh}\"]\n{DENIED}"),
        format!("{ALLOW}extends = [\"{denied}\"]\n{FRESH_ONLY}"),
        format!("extends = [\"{denied}\", \"{fresh}\"]\n"),
        format!("extends = [\"{fresh}\", \"{denied}\"]\n"),
    ] {
        let (scene, base) = scene(&policy);
        fs::write(base.join("x"), "callers\n").expect("a file");
        let script = format!(
            "echo y >$TMPDIR/y && cat $TMPDIR/y {}/x; echo x >$TMPDIR/x",
            base.display()
        );
        let ran = run(&scene, &base, &script).output();
        assert_eq!(ran.out, "y\ncallers\n", "{policy}: {}", ran.err);
        assert!(
            ran.err.contains("ermission denied"),
            "{policy}: {}",
            ran.err
        );
    }
}

/// Another user has made the name before: it is not used.
#[test]
fn a_directory_that_others_may_enter_is_not_used() {
    let (scene, base) = scene(FRESH);
    let uid = nix::unistd::geteuid();
    let parent = base.join(format!("jail-{uid}"));
    fs::create_dir(&parent).expect("a directory");
    fs::set_permissions(&parent, fs::Permissions::from_mode(0o777)).expect("chmod");
    let script = "echo $TMPDIR; test -d $TMPDIR && echo x >$TMPDIR/x";
    let ran = run(&scene, &base, script).output().ends_with(0);
    assert!(
        !ran.out.starts_with(&format!("{}/", parent.display())),
        "{}",
        ran.out
    );
    fs::remove_dir(&parent).expect("nothing is in it");
    std::os::unix::fs::symlink("/nonexistent", &parent).expect("a link");
    run(&scene, &base, script).output().ends_with(0);
    fs::remove_file(&parent).expect("the link");
    assert_eq!(fs::read_dir(&*base).expect("the base").count(), 0);
}

#[test]
fn another_user_owns_its_own() {
    if !is_root() {
        return println!("{NOT_ROOT}");
    }
    for policy in [
        FRESH.to_owned(),
        FRESH.replace("\n[", "\n[fs]\ndeny = [\"**/.env\"]\n["),
    ] {
        let (scene, base) = scene(&format!("{policy}user = \"nobody\"\n"));
        let script = "stat -c '%a %u' $TMPDIR && mkdir $TMPDIR/a && echo x >$TMPDIR/a/b && chmod 0 $TMPDIR/a";
        let ran = run(&scene, &base, script)
            .output()
            .ends_with(0)
            .says("700 65534\n");
        nothing_is_left(&base, &ran);
    }
}

#[test]
fn with_mounts_of_its_own_it_lies_in_the_private_directory() {
    let text = format!(
        "{}isolate = [\"mount\"]\n",
        FRESH.replace("default = \"allow\"", "extends = [\"workspace\"]")
    );
    let (scene, base) = scene(&text);
    let ran = run(
        &scene,
        &base,
        "echo $TMPDIR; echo x >$TMPDIR/x && cat $TMPDIR/x",
    )
    .output();
    if ran.code() == Some(125) {
        println!("NOT TRIED HERE: mounts of the command's own: {}", ran.err);
        return;
    }
    let ran = ran.ends_with(0).says("/tmp/jail-tmpdir\nx\n");
    nothing_is_left(&base, &ran);
    assert!(!Path::new("/tmp/jail-tmpdir").exists());
}

#[test]
fn it_beats_env_of_the_policy_and_the_command_line_beats_it() {
    let text = format!(
        "{FRESH}env = {{ pass = [\"PATH\"], set = {{ TMP = \"/x\", CACHE = \"$TMPDIR/cache\" }} }}\n"
    );
    let (scene, base) = scene(&text);
    let script = "test \"$TMP\" = \"$TMPDIR\" && test \"$CACHE\" = \"$TMPDIR/cache\" && echo good";
    run(&scene, &base, script)
        .output()
        .ends_with(0)
        .says("good\n");
    let options = [
        "--env-clear",
        "--env",
        "TMP=/y",
        "--env",
        "PATH=/usr/bin:/bin",
    ];
    let command = ["sh", "-c", "test -d \"$TMPDIR\" && echo $TMP"];
    let ran = scene
        .with(&options, &command)
        .env("TMPDIR", &*base)
        .output();
    ran.ends_with(0).says("/y\n");
}

#[test]
fn each_case_of_a_batch_has_its_own() {
    let (scene, base) = scene("extends = [\"workspace\"]\n");
    let case = |id: u32| {
        format!(
            "{{\"id\": \"{id}\", \"command\": [\"sh\", \"-c\", \"ls -A $TMPDIR; echo {id} >$TMPDIR/x; basename $TMPDIR\"]}}\n"
        )
    };
    let cases: String = (1..=6).map(case).collect();
    let cases = scene.dir.write("cases.jsonl", cases);
    let ran = plain([
        JAIL,
        "batch",
        "--policy",
        "policy.toml",
        "--jobs",
        "2",
        "--keep",
        "100",
        &cases,
    ])
    .cwd(scene.dir.path())
    .env("TMPDIR", &*base)
    .output()
    .ends_with(0);
    let mut names: Vec<&str> = ran
        .out
        .lines()
        .filter_map(|line| line.split("\"stdout\":\"").nth(1))
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 6, "{}", ran.out);
    nothing_is_left(&base, &ran);
}

#[test]
fn what_is_wrong_with_it_is_said() {
    for (value, help) in [
        ("\"fersh\"", "did you mean \"fresh\"?"),
        ("\"/var/tmp/x\"", "env = { set = { TMPDIR = "),
        ("true", "\"fresh\""),
    ] {
        let scene = Scene::process(&format!("tmpdir = {value}"));
        let ran = plain([JAIL, "check", "policy.toml"])
            .cwd(scene.dir.path())
            .output();
        ran.ends_with(1).complains(help);
    }
    let (scene, base) = scene(FRESH);
    fs::set_permissions(&*base, fs::Permissions::from_mode(0o555)).expect("chmod");
    let ran = scene
        .as_nobody(&[], &["true"])
        .env("TMPDIR", &*base)
        .output();
    ran.ends_with(125)
        .complains("process.tmpdir: cannot create a directory in");
}

/// As other keys of `[process]`: inherited, from any file of several.
#[test]
fn a_file_inherits_it() {
    let (scene, base) = scene("extends = [\"team.toml\"]\n[fs]\ndeny = [\"$TMPDIR/closed\"]\n");
    scene
        .dir
        .write("team.toml", "extends = [\"workspace\", \"build\"]\n");
    let script = "echo x >$TMPDIR/open && echo x >$TMPDIR/closed";
    let ran = run(&scene, &base, script).output().ends_with(2);
    let ran = ran.complains("/closed").complains("fs.deny");
    nothing_is_left(&base, &ran);
}

#[test]
fn the_command_can_start_in_it() {
    let (scene, base) = scene(&format!("{FRESH}cwd = \"$TMPDIR\"\n"));
    let script = "test \"$(pwd)\" = \"$TMPDIR\" && echo good";
    let ran = run(&scene, &base, script)
        .output()
        .ends_with(0)
        .says("good\n");
    nothing_is_left(&base, &ran);
}
