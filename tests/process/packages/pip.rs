//! pip: a build backend, and a setup.py.

use super::{Attack, DENIED, line};
use crate::support::{Ran, Run, installed, plain};

/// The attack as a function in Python.
fn attack(attack: &Attack) -> String {
    let [_, key, hook, _] = attack.goals();
    let armed = attack.armed();
    let port = attack.registry.port;
    format!(
        r#"
import os, socket
def attack():
    if not os.path.exists("{armed}"):
        return "quiet"
    def said(act):
        try:
            act()
            return "ok"
        except OSError as error:
            return str(error.errno)
    def plant():
        cache = os.environ["PIP_CACHE_DIR"]
        os.makedirs(cache, exist_ok=True)
        open(cache + "/planted", "w").close()
    net = said(lambda: socket.create_connection(("127.0.0.1", {port})))
    key = said(lambda: open("{key}").read())
    hook = said(lambda: open("{hook}", "w").close())
    return f"net {{net}} key {{key}} hook {{hook}} cache {{said(plant)}}"
"#
    )
}

/// A build backend that makes a wheel whose module says how the attack went.
const BACKEND: &str = r#"
import zipfile
def build_wheel(directory, settings=None, metadata=None):
    name = "evil-1.0-py3-none-any.whl"
    info = "evil-1.0.dist-info/"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        wheel.writestr("evil.txt", attack())
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(info + "RECORD", "")
    return name
"#;

/// A package in the registry, made of these files.
fn publish(it: &Attack, name: &str, files: &[(&str, String)]) {
    let root = format!("{name}-1.0");
    for (file, text) in files {
        it.dir.write(&format!("packages/{root}/{file}"), text);
    }
    let about = format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n");
    it.dir.write(&format!("packages/{root}/PKG-INFO"), about);
    let file = it.dir.file(&format!("registry/{root}.tar.gz"));
    let packages = it.dir.file("packages");
    plain(["tar", "-czf", &file, "-C", &packages, &root])
        .output()
        .ends_with(0);
    it.dir.write(
        &format!("registry/simple/{name}/index"),
        format!("<a href=\"/{root}.tar.gz\">{root}.tar.gz</a>\n"),
    );
}

fn prepare() -> Attack {
    let it = Attack::new(".cache/pip");
    let attack = attack(&it);
    let project =
        "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n";
    publish(
        &it,
        "evil",
        &[
            ("pyproject.toml", project.to_owned()),
            ("backend.py", format!("{attack}\n{BACKEND}")),
        ],
    );
    let setup = "import sys\nprint(\"setup: \" + attack())\nsys.stdout.flush()\nfrom setuptools import setup\nsetup(name=\"evilsetup\", version=\"1.0\")\n";
    publish(
        &it,
        "evilsetup",
        &[("setup.py", format!("{attack}\n{setup}"))],
    );
    it
}

/// Python, where pip is at hand.
fn python() -> Option<&'static str> {
    ["/usr/bin/python3", "python3"].into_iter().find(|python| {
        installed(python)
            && plain([python, "-m", "pip", "--version"])
                .output()
                .status
                .success()
    })
}

fn run(it: &Attack, run: Run) -> Ran {
    run.env("PIP_CACHE_DIR", it.dir.file("home/.cache/pip"))
        .env(
            "PIP_INDEX_URL",
            format!("http://127.0.0.1:{}/simple/", it.registry.port),
        )
        .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        .output()
}

#[test]
fn builds_of_pip_are_offline_and_change_no_caches() {
    let Some(python) = python() else {
        return println!("NOT TRIED HERE: no pip");
    };
    let it = prepare();
    let install = [python, "-m", "pip", "install", "--target", "site", "-v"];
    let backend = [&install[..], &["evil"]].concat();
    let setup = [
        &install[..],
        &["--no-build-isolation", "--no-use-pep517", "evilsetup"],
    ]
    .concat();
    let said = |ran: &Ran| it.left("site/evil.txt", ran);
    let ran = it.attacks(("pip", &backend), "site", |how| run(&it, how), said);
    let ran = ran.complains("[domain package-build, pip:");
    ran.complains("by python3 → python3");
    assert!(it.registry.was_asked("/evil-1.0.tar.gz"));
    if !plain([python, "-c", "import setuptools"])
        .output()
        .status
        .success()
    {
        return println!("NOT TRIED HERE: no setuptools");
    }
    let ran = run(&it, it.jailed("pip", &setup));
    assert!(
        line(&ran, "setup").starts_with(DENIED),
        "{}{}",
        ran.out,
        ran.err
    );
    it.failed(&ran);
}

#[test]
fn a_build_that_was_learned_does_what_it_did_and_no_more() {
    let Some(python) = python() else {
        return println!("NOT TRIED HERE: no pip");
    };
    let it = prepare();
    let install = [python, "-m", "pip", "install", "--target", "site", "evil"];
    let said = |ran: &Ran| it.left("site/evil.txt", ran);
    let (policy, ran) = it.is_learned(&install, "site", |how| run(&it, how), said);
    assert!(policy.contains("[domain.package-build]"), "{policy}");
    ran.complains("[domain package-build,");
}
