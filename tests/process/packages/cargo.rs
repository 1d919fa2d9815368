//! cargo: a build script, a procedural macro, and the code of a package in the program that was built.

use super::{Attack, line};
use crate::support::{Ran, Run, installed, plain};
use std::path::Path;

/// The attack as a function in Rust.
fn attack(attack: &Attack) -> String {
    let [server, key, hook, planted] = attack.goals();
    let armed = attack.armed();
    format!(
        r#"
fn attack() -> String {{
if !std::path::Path::new("{armed}").exists() {{ return "quiet".to_owned(); }}
let said = |done: std::io::Result<()>| match done {{
    Ok(()) => "ok".to_owned(),
    Err(error) => error.raw_os_error().unwrap_or(-1).to_string(),
}};
let net = said(std::net::TcpStream::connect("{server}").map(drop));
let key = said(std::fs::read("{key}").map(drop));
let hook = said(std::fs::write("{hook}", "x"));
let cache = said(std::fs::write("{planted}", "x"));
format!("net {{net}} key {{key}} hook {{hook}} cache {{cache}}")
}}
"#
    )
}

/// A crate in the registry, made of these files.
fn publish(attack: &Attack, name: &str, files: &[(&str, String)]) {
    let (dir, root) = (&attack.dir, format!("{name}-0.1.0"));
    for (file, text) in files {
        dir.write(&format!("crates/{root}/{file}"), text);
    }
    let file = dir.file(&format!("registry/dl/{name}/0.1.0/download"));
    std::fs::create_dir_all(Path::new(&file).parent().expect("a parent")).expect("a directory");
    plain(["tar", "-czf", &file, "-C", &dir.file("crates"), &root])
        .output()
        .ends_with(0);
    let sum = plain(["sha256sum", &file]).output();
    let sum = sum.out.split(' ').next().unwrap_or_default();
    let line = format!(
        r#"{{"name":"{name}","vers":"0.1.0","deps":[],"cksum":"{sum}","features":{{}},"yanked":false}}"#
    );
    let (one, two) = (&name[..2], &name[2..4]);
    dir.write(&format!("registry/index/{one}/{two}/{name}"), line + "\n");
}

/// The directory of cargo itself, not of the program of rustup that starts it.
fn toolchain() -> Option<String> {
    if !installed("rustc") {
        return None;
    }
    let asked = plain(["rustc", "--print", "sysroot"]).output();
    let root = asked.out.trim().to_owned();
    (asked.status.success() && Path::new(&root).join("bin/cargo").exists()).then_some(root)
}

fn prepare() -> Attack {
    let it = Attack::new(".cargo/registry");
    let attack = attack(&it);
    let manifest = |name: &str, more: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n{more}")
    };
    publish(
        &it,
        "evil-build",
        &[
            ("Cargo.toml", manifest("evil-build", "")),
            (
                "build.rs",
                format!("{attack}\nfn main() {{ let out = std::env::var(\"OUT_DIR\").unwrap(); std::fs::write(out + \"/said\", attack()).unwrap(); }}\n"),
            ),
            (
                "src/lib.rs",
                format!("{attack}\npub fn built() -> &'static str {{ include_str!(concat!(env!(\"OUT_DIR\"), \"/said\")) }}\npub fn runs() -> String {{ attack() }}\n").replace("fn attack", "pub fn attack"),
            ),
        ],
    );
    publish(
        &it,
        "evil-macro",
        &[
            (
                "Cargo.toml",
                manifest("evil-macro", "[lib]\nproc-macro = true\n"),
            ),
            (
                "src/lib.rs",
                format!(
                    "{attack}\n#[proc_macro]\npub fn said(_: proc_macro::TokenStream) -> proc_macro::TokenStream {{ format!(\"{{:?}}\", attack()).parse().unwrap() }}\n"
                ),
            ),
        ],
    );
    let index = format!("http://127.0.0.1:{}", it.registry.port);
    it.dir.write(
        "registry/index/config.json",
        format!(r#"{{"dl":"{index}/dl","api":null}}"#),
    );
    let needs = "[dependencies]\nevil-build = { version = \"0.1\", registry = \"local\" }\nevil-macro = { version = \"0.1\", registry = \"local\" }\n[workspace]\n";
    it.dir
        .write("project/Cargo.toml", manifest("victim", needs));
    it.dir.write(
        "project/src/main.rs",
        "fn main() {\n    println!(\"build: {}\", evil_build::built());\n    println!(\"macro: {}\", evil_macro::said!());\n    println!(\"program: {}\", evil_build::runs());\n}\n",
    );
    it
}

fn run(it: &Attack, root: &str, run: Run) -> Ran {
    let index = format!("sparse+http://127.0.0.1:{}/index/", it.registry.port);
    let rustup = root.find("/toolchains/").map(|end| &root[..end]);
    let path = format!("{root}/bin:/usr/bin:/bin");
    run.env("CARGO_HOME", it.dir.file("home/.cargo"))
        .env("CARGO_REGISTRIES_LOCAL_INDEX", index)
        .env("CARGO_TERM_COLOR", "never")
        .env("RUSTUP_HOME", rustup.unwrap_or("/usr"))
        .env("PATH", path)
        .output()
}

/// What the build script, the macro and the program say.
fn said(ran: &Ran) -> Vec<String> {
    let names = ["build", "macro", "program"];
    names.map(|name| line(ran, name).to_owned()).to_vec()
}

#[test]
fn packages_of_cargo_are_offline_and_change_no_caches() {
    let Some(root) = toolchain() else {
        return println!("NOT TRIED HERE: no cargo");
    };
    let it = prepare();
    let cargo = format!("{root}/bin/cargo");
    let ran = it.attacks(
        ("cargo", &[&cargo, "run"]),
        "target",
        |how| run(&it, &root, how),
        said,
    );
    let ran = ran.complains("[domain build-script, cargo:");
    // The key is denied to all of them, so that no domain has decided.
    let ran = ran.complains(") in domains build-script, program\n");
    ran.complains("by cargo → build-script-build")
        .complains("[domain compiler, cargo:")
        .complains("[domain program, cargo:");
    assert!(it.registry.was_asked("/dl/evil-build/0.1.0/download"));
}

#[test]
fn a_build_script_that_was_learned_does_what_it_did_and_no_more() {
    let Some(root) = toolchain() else {
        return println!("NOT TRIED HERE: no cargo");
    };
    let it = prepare();
    let cargo = format!("{root}/bin/cargo");
    let (policy, ran) = it.is_learned(&[&cargo, "run"], "target", |how| run(&it, &root, how), said);
    for name in ["build-script", "compiler", "program"] {
        assert!(policy.contains(&format!("[domain.{name}]")), "{policy}");
    }
    ran.complains("[domain build-script,")
        .complains("[domain compiler,")
        .complains("[domain program,");
}

/// `build` lets cargo read its cache: it goes on without its locks, and nothing is denied that matters.
#[test]
fn a_build_that_fetches_nothing_has_no_message() {
    let Some(root) = toolchain() else {
        return println!("NOT TRIED HERE: no cargo");
    };
    let it = Attack::new(".cargo/registry");
    let manifest =
        "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n";
    it.dir.write("project/Cargo.toml", manifest);
    it.dir.write("project/build.rs", "fn main() {}\n");
    it.dir.write(
        "project/src/main.rs",
        "fn main() { println!(\"built\"); }\n",
    );
    let words = [&format!("{root}/bin/cargo"), "run", "--quiet"];
    let naive = run(&it, &root, it.naive(&words)).ends_with(0);
    assert_eq!((naive.out.as_str(), naive.err.as_str()), ("built\n", ""));
    for preset in ["build", "cargo"] {
        std::fs::remove_dir_all(it.dir.file("project/target")).expect("a directory");
        let ran = run(&it, &root, it.jailed(preset, &words)).ends_with(0);
        assert_eq!(
            (ran.out.as_str(), ran.err.as_str()),
            ("built\n", ""),
            "{preset}"
        );
    }
}
