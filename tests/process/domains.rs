//! `[domain.NAME]`: which programs are in a domain, what they may, and what passes its border.

use crate::scene::Scene;
use crate::support::schema::fitting;
use crate::support::{Ran, installed, is_root, plain, probe};
use std::net::{TcpListener, UdpSocket};

/// A scene whose domain has the program `inside`, a copy of the probe.
fn scene(domain: &str) -> Scene {
    let scene = Scene::new(&format!(
        "default = \"allow\"\n[domain.build]\non-exec = [\"inside\"]\n{domain}\n"
    ));
    scene.dir.write("secret", "x");
    scene.dir.write("open", "x");
    crate::support::copy(probe(), scene.dir.file("inside"));
    crate::support::copy(probe(), scene.dir.file("outside"));
    scene
}

/// A shell script in the scene's directory.
fn sh(scene: &Scene, script: &str) -> Ran {
    scene.run(&["sh", "-c", script]).output()
}

#[test]
fn a_program_is_in_the_domain_that_it_enters_and_so_are_its_children() {
    let scene = scene("fs = { deny = [\"secret\"] }");
    sh(&scene, "./outside border-read secret open").says("secret: read\nopen: read\n");
    sh(&scene, "./inside border-read secret open")
        .says("secret: 13\nopen: read\n")
        .complains("[domain build, policy.toml:4 \"secret\"]");
    scene.dir.program(
        "script",
        "#!/bin/sh\n./inside border-read secret; ./outside border-read secret\n",
    );
    // A script that is outside, and a program of the domain that starts others.
    sh(&scene, "./script").says("secret: 13\nsecret: read\n");
}

#[test]
fn what_a_program_of_the_domain_starts_does_not_leave_it() {
    let scene = scene("fs = { deny = [\"secret\"] }");
    scene.dir.program(
        "inside.sh",
        "#!/bin/sh\n./outside border-read secret\nexec ./outside border-read secret\n",
    );
    scene.dir.write(
        "policy.toml",
        "default = \"allow\"\n[domain.build]\non-exec = [\"*.sh\"]\nfs = { deny = [\"secret\"] }\n",
    );
    for start in [
        "./inside.sh",
        "exec ./inside.sh",
        "env ./inside.sh",
        "./link",
    ] {
        let _ = std::os::unix::fs::symlink("inside.sh", scene.dir.file("link"));
        let script = format!("./outside border-read secret; {start}");
        sh(&scene, &script).says("secret: read\nsecret: 13\nsecret: 13\n");
    }
    // The command itself.
    scene
        .run(&["./inside.sh"])
        .output()
        .says("secret: 13\nsecret: 13\n");
}

#[test]
fn a_link_in_the_place_of_a_program_does_not_lead_out() {
    for name in ["inside", "in*"] {
        let scene = scene("fs = { deny = [\"secret\"] }");
        std::fs::remove_file(scene.dir.file("inside")).expect("a file");
        std::os::unix::fs::symlink("outside", scene.dir.file("inside")).expect("a link");
        let text = std::fs::read_to_string(scene.dir.file("policy.toml")).expect("a policy");
        let text = text.replace("\"inside\"", &format!("\"{name}\""));
        scene.dir.write("policy.toml", text);
        sh(&scene, "./inside border-read secret").says("secret: 13\n");
        sh(&scene, "cd /; $OLDPWD/inside border-read $OLDPWD/secret").says_part(": 13\n");
        // Of the command itself, too.
        let direct = scene.run(&["./inside", "border-read", "secret"]).output();
        direct.says("secret: 13\n");
    }
}

#[test]
fn a_domain_without_network_has_no_sockets_whatever_is_inherited() {
    let scene = scene("net = { connect = [], listen = [] }");
    let (tcp, udp) = (
        TcpListener::bind("127.0.0.1:0"),
        UdpSocket::bind("127.0.0.1:0"),
    );
    let port = tcp
        .as_ref()
        .expect("a socket")
        .local_addr()
        .expect("an address")
        .port();
    let script = format!("./outside border-connect {port}; ./inside border-connect {port}");
    sh(&scene, &script)
        .says("tcp: ok\nudp: ok\ntcp: 13\nudp: 13\n")
        .complains("[domain build, policy.toml:");
    drop(udp);
}

#[test]
fn a_list_of_a_domain_closes_what_it_does_not_name() {
    let scene = scene("fs = { write = [\"target\"] }");
    std::fs::create_dir(scene.dir.file("target")).expect("a directory");
    scene.dir.program(
        "inside.sh",
        "#!/bin/sh\necho a > target/a && cat open target/a; echo b > b\nmv target/a c\n",
    );
    scene.dir.write("policy.toml", "default = \"allow\"\n[domain.build]\non-exec = [\"*.sh\"]\nfs = { write = [\"target\"] }\n");
    sh(&scene, "./inside.sh; echo c > d; cat d").says("xa\nc\n");
    assert!(!std::path::Path::new(&scene.dir.file("b")).exists());
    assert!(!std::path::Path::new(&scene.dir.file("c")).exists());
}

#[test]
fn a_program_in_two_domains_may_what_both_allow() {
    let scene = scene(
        "fs = { deny = [\"secret\"] }\n[domain.more]\non-exec = [\"outside\"]\nfs = { deny = [\"open\"] }",
    );
    scene.dir.program(
        "both.sh",
        "#!/bin/sh\n./inside border-read secret open\n./outside border-read secret open\n",
    );
    sh(&scene, "./both.sh").says("secret: 13\nopen: read\nsecret: read\nopen: 13\n");
    scene.dir.program(
        "nested.sh",
        "#!/bin/sh\n./outside border-read secret open\n",
    );
    let text = std::fs::read_to_string(scene.dir.file("policy.toml")).expect("a policy");
    scene.dir.write(
        "policy.toml",
        text.replace("[\"inside\"]", "[\"nested.sh\"]"),
    );
    sh(&scene, "./nested.sh; ./outside border-read secret open")
        .says("secret: 13\nopen: 13\nsecret: read\nopen: 13\n");
}

#[test]
fn a_program_in_a_domain_does_not_look_into_processes_outside() {
    let scene = scene("net = { connect = [], listen = [] }");
    let names = "environ mem maps fd/0 fdinfo/0 cwd/open status cmdline";
    let user = if is_root() { "as root" } else { "as a user" };
    let outside = sh(&scene, &format!("./outside border-parent {names}; exit 0"));
    assert!(
        outside.out.starts_with("environ: open\n"),
        "{user}: {}",
        outside.out
    );
    sh(&scene, &format!("./inside border-parent {names}; exit 0")).says(
        "environ: 13\nmem: 13\nmaps: 13\nfd/0: 13\nfdinfo/0: 13\ncwd/open: 13\nstatus: open\ncmdline: open\n",
    );
}

#[test]
fn the_interpreter_of_a_script_enters_as_a_program_does() {
    let scene = scene("fs = { deny = [\"secret\"] }");
    let (inside, secret) = (scene.dir.file("inside"), scene.dir.file("secret"));
    scene
        .dir
        .program("script", format!("#!{inside} border-read\n"));
    let chain = scene.dir.file("script");
    scene.dir.program("chain", format!("#!{chain}\n"));
    // The probe reads the files that it is told, and a script's path is the first of them.
    let denied = format!("{secret}: 13\n");
    for script in ["script", "chain"] {
        let words = format!("./{script}");
        let ran = sh(&scene, &format!("{words} {secret}; echo {script}"));
        ran.says_part(&denied).says_part(&format!("\n{script}\n"));
        let direct = scene.run(&[&words, &secret]).output();
        direct.says_part(&denied);
    }
    let text = "default = \"allow\"\n[domain.build]\non-exec = [{ path = \"inside\", argv = [\"*\", \"border-read\", \"*script\", \"*secret\"] }]\nfs = { deny = [\"secret\"] }\n";
    scene.dir.write("policy.toml", text);
    sh(&scene, &format!("./script {secret}")).says_part(&denied);
    scene
        .run(&["./script", &secret])
        .output()
        .says_part(&denied);
    let both = [&secret[..], "open"].join(" ");
    let read = format!("{secret}: read\n");
    sh(&scene, &format!("./script {both}")).says_part(&read);
    scene
        .run(&["./script", &secret, "open"])
        .output()
        .says_part(&read);
}

#[test]
fn a_denial_names_its_domain_for_programs_too() {
    let scene = scene("fs = { deny = [\"secret\"] }");
    let options = ["--denials", "denials", "--report", "report"];
    let ran = scene.with(&options, &["./inside", "border-read", "secret"]);
    ran.output().says("secret: 13\n").ends_with(0);
    let read = |name: &str| std::fs::read_to_string(scene.dir.file(name)).expect("a file");
    let fed = fitting("denials", &read("denials"));
    let names = |key: &str| fed[key].as_str().unwrap_or_default().to_owned();
    assert_eq!(names("code"), "fs.read.deny", "{fed}");
    assert_eq!(names("domain"), "build", "{fed}");
    assert!(
        names("advice").starts_with("to allow: remove or narrow fs.deny at policy.toml:4"),
        "{fed}"
    );
    let report = fitting("report", &read("report"));
    assert!(
        report.to_string().contains("\"domain\":\"build\""),
        "{report}"
    );
}

#[test]
fn arguments_decide_where_the_domain_says_so() {
    let scene = scene("");
    scene.dir.write("policy.toml", "default = \"allow\"\n[domain.build]\non-exec = [{ path = \"inside\", argv = [\"*\", \"border-read\", \"secret\"] }]\nfs = { deny = [\"secret\"] }\n");
    sh(
        &scene,
        "./inside border-read secret; ./inside border-read secret open",
    )
    .says("secret: 13\nsecret: read\nopen: read\n");
    // Of the command itself, too.
    for (words, says) in [
        (&["secret"][..], "secret: 13\n"),
        (&["secret", "open"], "secret: read\nopen: read\n"),
    ] {
        let words = [&["./inside", "border-read"], words].concat();
        scene.run(&words).output().says(says);
    }
}

#[test]
fn system_calls_and_rules_of_a_domain_are_its_programs_alone() {
    let domain = "syscalls = { sync = \"EROFS\" }\n[[domain.build.rule]]\nsyscall = \"socket\"\nwhen = \"domain == AF_INET\"\naction = \"EACCES\"\n";
    let scene = scene(domain);
    let (tcp, port) = {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let port = tcp.local_addr().expect("an address").port();
        (tcp, port)
    };
    let script = format!("./outside border-connect {port}; ./inside border-connect {port}");
    sh(&scene, &script).says("tcp: ok\nudp: ok\ntcp: 13\nudp: 13\n");
    drop(tcp);
}

/// A hostile dependency's build script: offline and without keys, while what starts it has both.
#[test]
fn a_build_script_of_cargo_is_offline_and_reads_no_keys() {
    if !installed("cargo") || !plain(["cargo", "--version"]).output().status.success() {
        return println!("NOT TRIED HERE: no cargo");
    }
    let scene = scene("");
    let text = "default = \"allow\"\n[domain.build-script]\non-exec = [\"target/**/build-script-build\"]\nnet = { connect = [], listen = [] }\nfs = { write = [\"target\"], deny = [\".ssh\"] }\n";
    scene.dir.write("policy.toml", text);
    scene.dir.write(".ssh/id", "x");
    scene.dir.write(
        "Cargo.toml",
        "[package]\nname = \"victim\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n",
    );
    scene.dir.write("src/main.rs", "fn main() {}\n");
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let port = tcp.local_addr().expect("an address").port();
    let script = format!(
        "fn main() {{\n    let key = std::fs::read(\".ssh/id\").map(drop).map_err(|e| e.raw_os_error());\n    let net = std::net::TcpStream::connect(\"127.0.0.1:{port}\").map(drop).map_err(|e| e.raw_os_error());\n    let hook = std::fs::write(\"hook\", \"x\").map_err(|e| e.raw_os_error());\n    println!(\"cargo:warning=key {{key:?}} net {{net:?}} hook {{hook:?}}\");\n}}\n"
    );
    scene.dir.write("build.rs", script);
    let build = format!(
        "./outside border-connect {port}; ./outside border-read .ssh/id; cargo build --offline"
    );
    let ran = sh(&scene, &build).says_part("tcp: ok\nudp: ok\n.ssh/id: read\n");
    ran.complains("key Err(Some(13)) net Err(Some(13)) hook Err(Some(13))")
        .complains("cargo → build-script-build")
        .complains("[domain build-script, policy.toml:5 \".ssh\"]");
}
