//! go: what `go generate` runs, and a program that go has built.

use super::{Attack, DENIED, DONE, line};
use crate::support::{Ran, Run, installed, plain};

/// The attack, as a program in Go. Its argument is a name for what it says.
fn attack(attack: &Attack) -> String {
    let [server, key, hook, planted] = attack.goals();
    let armed = attack.armed();
    format!(
        r#"package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

func said(err error) string {{
	var errno syscall.Errno
	switch {{
	case err == nil:
		return "ok"
	case errors.As(err, &errno):
		return fmt.Sprint(int(errno))
	}}
	return err.Error()
}}

func main() {{
	if _, missing := os.Stat("{armed}"); missing != nil {{
		fmt.Println(os.Args[1] + ": quiet")
		return
	}}
	_, dialled := net.Dial("tcp4", "{server}")
	_, read := os.ReadFile("{key}")
	hook := os.WriteFile("{hook}", nil, 0o644)
	cache := os.WriteFile("{planted}", nil, 0o644)
	fmt.Println(os.Args[1]+": net", said(dialled), "key", said(read), "hook", said(hook), "cache", said(cache))
}}
"#
    )
}

/// Packs a module as a proxy serves it.
const PACK: &str = r#"
import sys, zipfile
to, root, *files = sys.argv[1:]
with zipfile.ZipFile(to, "w") as packed:
    for file in files:
        packed.write(root + "/" + file, "evil.example/evil@v1.0.0/" + file)
"#;

fn prepare() -> Attack {
    let it = Attack::new("go/pkg");
    let module = "module evil.example/evil\n\ngo 1.19\n";
    it.dir.write("module/go.mod", module);
    it.dir.write("module/main.go", attack(&it));
    let proxy = "registry/evil.example/evil/@v";
    it.dir.write(&format!("{proxy}/list"), "v1.0.0\n");
    it.dir.write(&format!("{proxy}/v1.0.0.mod"), module);
    it.dir
        .write(&format!("{proxy}/v1.0.0.info"), r#"{"Version":"v1.0.0"}"#);
    let (zip, root) = (
        it.dir.file(&format!("{proxy}/v1.0.0.zip")),
        it.dir.file("module"),
    );
    plain(["python3", "-c", PACK, &zip, &root, "go.mod", "main.go"])
        .output()
        .ends_with(0);
    it.dir.write(
        "project/go.mod",
        "module victim.example/victim\n\ngo 1.19\n\nrequire evil.example/evil v1.0.0\n",
    );
    it.dir.write(
        "project/victim.go",
        "package victim\n\n//go:generate go run evil.example/evil generate\n",
    );
    it
}

fn run(it: &Attack, run: Run) -> Ran {
    run.env("GOPROXY", format!("http://127.0.0.1:{}", it.registry.port))
        .env("GOSUMDB", "off")
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-mod=mod -modcacherw")
        .output()
}

#[test]
fn what_go_generates_and_runs_is_offline_and_changes_no_caches() {
    if !installed("go") || !installed("python3") {
        return println!("NOT TRIED HERE: no go, or no python3");
    }
    let it = prepare();
    let all = "go mod download && go generate && go run evil.example/evil program";
    let naive = run(&it, it.naive(&["sh", "-c", all])).ends_with(0);
    for name in ["generate", "program"] {
        assert_eq!(line(&naive, name), DONE, "{name}");
    }
    it.has_success(&naive);
    std::fs::remove_dir_all(it.dir.file("home/go/pkg")).expect("a directory");
    std::fs::create_dir(it.dir.file("home/go/pkg")).expect("a directory");
    let ran = run(&it, it.jailed("go", &["sh", "-c", all])).ends_with(0);
    for name in ["generate", "program"] {
        assert_eq!(line(&ran, name), DENIED, "{name}: {}", ran.err);
    }
    it.failed(&ran);
    let ran = ran.complains("[domain generate, go:");
    ran.complains("[domain go-program, go:")
        .complains("by sh → go → go → evil");
    assert!(it.registry.was_asked("/evil.example/evil/@v/v1.0.0.zip"));
}

#[test]
fn what_go_generate_was_learned_to_do_it_does_and_no_more() {
    if !installed("go") || !installed("python3") {
        return println!("NOT TRIED HERE: no go, or no python3");
    }
    let it = prepare();
    let all = "mkdir -p made && go mod download && go generate";
    let said = |ran: &Ran| vec![line(ran, "generate").to_owned()];
    let words = ["sh", "-c", all];
    let (policy, ran) = it.is_learned(&words, "made", |how| run(&it, how), said);
    assert!(policy.contains("[domain.generate]"), "{policy}");
    ran.complains("[domain generate,");
}
