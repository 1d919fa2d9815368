//! What a command in a workspace leaves for git: the user's git, later and outside, runs none of it.

use super::presets::Home;
use super::scene::run;
use crate::support::installed;

/// A repository `DIR` whose configuration has git write `ran` into the home directory.
const EVIL: &str = r#"evil() {
    git init -q "$TMPDIR/made.$$" && rm -rf "$TMPDIR/made.$$/.git/hooks" && mkdir -p "$1" &&
    cp -r "$TMPDIR/made.$$/.git/." "$1" && rm -rf "$TMPDIR/made.$$" &&
    printf '[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tfsmonitor = "touch %s/ran; false"\n%s' \
        "$HOME" "$2" > "$1/config"
}
"#;

/// What the command does in `project` or in a working tree of it, and where the user then asks git for
/// the status.
const ATTACKS: [(&str, &str, &str); 8] = [
    (
        "project",
        "evil evil && echo $PWD/evil > .git/worktrees/tree/commondir",
        "tree",
    ),
    (
        "project",
        "evil evil && rm .git/worktrees/tree/commondir && cp -r evil/* .git/worktrees/tree",
        "tree",
    ),
    ("tree", "evil evil && echo gitdir: evil > .git", "tree"),
    ("plain", "evil evil && echo gitdir: evil > .git", "plain"),
    (
        "project",
        "evil evil '\tworktree = .\n' && mv evil/* . ; echo > .git/HEAD",
        "project",
    ),
    (
        "project",
        "evil a/b/.git && git -C a/b -c core.fsmonitor= commit -q --allow-empty -m x && git add a/b",
        "project",
    ),
    (
        "project",
        "evil names && mkdir b && echo gitdir: ../names > b/.git && \
         git -C b -c core.fsmonitor= commit -q --allow-empty -m x && git add b",
        "project",
    ),
    (
        "project",
        "evil a/names && mkdir a/b && mv a/names a/b/.git && \
         git -C a/b -c core.fsmonitor= commit -q --allow-empty -m x && git add a/b",
        "project",
    ),
];

fn prepared() -> Home {
    let home = Home::new();
    home.write(
        ".gitconfig",
        "[user]\n\tname = n\n\temail = e@x\n[advice]\n\taddEmbeddedRepo = false\n",
    );
    let prepare = "mkdir ../plain && git init -q && git add main.rs && git commit -qm one && \
        git worktree add -q ../tree";
    run(home.outside(prepare)).ends_with(0);
    home
}

/// Whether the user's git runs what the command has left.
fn runs(home: &Home, place: &str) -> bool {
    let script = format!("cd ../{place}; git status >/dev/null 2>&1; test -e ../ran");
    run(home.outside(&script)).code() == Some(0)
}

#[test]
fn the_users_git_runs_nothing_that_a_workspace_has_left() {
    if !installed("git") {
        return;
    }
    for (start, script, place) in ATTACKS {
        let script = format!("{EVIL}{script}");
        let home = prepared();
        run(home.outside(&format!("cd ../{start} && {script}")));
        assert!(runs(&home, place), "outside it works: {script}");
        let home = prepared();
        let ran = run(home
            .within(None, "workspace", &script)
            .cwd(home.path().join(start)));
        assert!(!runs(&home, place), "{script}: {}", ran.err);
        assert!(
            ran.err.contains("[protect-triggers:"),
            "{script}: {}",
            ran.err
        );
    }
}

/// git commit writes what it proposes as a message to `.git/COMMIT_EDITMSG`, through a link, too.
#[test]
fn the_users_git_writes_through_no_link_that_a_workspace_has_left() {
    if !installed("git") {
        return;
    }
    const COMMIT: &str = "echo x >> main.rs; GIT_EDITOR=false git commit -qa";
    for link in [
        "rm .git/COMMIT_EDITMSG; ln -s ../../.bashrc .git/COMMIT_EDITMSG",
        "rm .git/COMMIT_EDITMSG; ln -s ../../.bashrc x && mv x .git/COMMIT_EDITMSG",
        "rm .git/COMMIT_EDITMSG; ln -s ../../.bashrc x && ln -P x .git/COMMIT_EDITMSG",
    ] {
        let script = format!("echo evil > .git/MERGE_MSG; {link}");
        let left = |home: &Home| {
            let _ = run(home.outside(COMMIT));
            std::fs::read_to_string(home.path().join(".bashrc")).expect("a file")
        };
        let home = prepared();
        run(home.outside(&script)).ends_with(0);
        assert!(left(&home).contains("evil"), "outside it works: {link}");
        let home = prepared();
        let ran = run(home.within(None, "workspace", &script));
        assert_eq!(left(&home), ".bashrc", "{link}: {}", ran.err);
    }
}
