//! Tools that people run: each is learned, runs under what was learned from a clean state, and a second run
//! adds nothing.

use crate::scene::{Scene, has};

#[test]
fn make_of_a_c_project() {
    if !has(&["make", "--version"]) || !has(&["cc", "--version"]) {
        return;
    }
    let scene = Scene::new();
    scene.write(
        "Makefile",
        "prog: main.o util.o\n\tcc -o prog main.o util.o\n%.o: %.c\n\tcc -c $<\n",
    );
    scene.write("main.c", "int f(void);\nint main(void) { return f(); }\n");
    scene.write("util.c", "int f(void) { return 0; }\n");
    let policy = scene.goes_through(&[], &["make"], "rm -f prog *.o");
    assert!(policy.contains("write = [\n  \".\","), "{policy}");
}

#[test]
fn cargo_build_of_a_crate_offline() {
    // Of the caller's home, where the toolchain is.
    if !has(&["cargo", "--version"]) {
        return;
    }
    let home = std::env::var("HOME").unwrap_or_default();
    let scene = Scene::new();
    scene.write(
        "Cargo.toml",
        "[package]\nname = \"c\"\nversion = \"0.1.0\"\nedition = \"2021\"\nbuild = \"build.rs\"\n",
    );
    scene.write("src/main.rs", "fn main() { println!(\"hi\"); }\n");
    scene.write(
        "build.rs",
        "fn main() { println!(\"cargo:rerun-if-changed=build.rs\"); }\n",
    );
    let set = |name: &str, usual: &str| std::env::var(name).unwrap_or(format!("{home}/{usual}"));
    let (cargo, rustup) = (set("CARGO_HOME", ".cargo"), set("RUSTUP_HOME", ".rustup"));
    let command = [
        "env",
        &format!("CARGO_HOME={cargo}"),
        &format!("RUSTUP_HOME={rustup}"),
        "cargo",
        "build",
        "--offline",
    ];
    let clean = "rm -rf target Cargo.lock";
    let policy = scene.goes_through(&[], &command, clean);
    assert!(policy.contains("\"./target"), "{policy}");
}

/// SQLite makes a journal only when it changes a database, and cargo changes its one every few minutes.
#[test]
fn a_database_that_is_changed_only_the_second_time_adds_nothing() {
    if !has(&["python3", "-c", "import sqlite3"]) {
        return;
    }
    let scene = Scene::new();
    let change = |sql: &str| {
        let text = format!(
            "import sqlite3\nd = sqlite3.connect('../data/app.db', isolation_level=None)\nd.execute('{sql}')\n"
        );
        scene.write("use.py", &text);
    };
    scene.dir.write("data/.keep", "");
    change("CREATE TABLE t(x)");
    scene.shell("python3 use.py").ends_with(0);
    // It takes a lock, for which the file is opened to be changed.
    change("BEGIN IMMEDIATE");
    let learn = || scene.learn(&["--", "python3", "use.py"]).ends_with(0);
    learn();
    let policy = scene.policy();
    assert!(policy.contains("/data/app.db*\""), "{policy}");
    change("INSERT INTO t VALUES (1)");
    learn()
        .complains("nothing was added")
        .complains("SQLite opens it to sync the name of a journal");
    assert_eq!(scene.policy(), policy);
    let run = ["--quiet", "--policy", "app.toml", "--", "python3", "use.py"];
    scene.jail(&run).ends_with(0);
}

const SERVER: &str = "\
import http.server, os, sys
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)
open(sys.argv[1], 'w').write(str(server.server_address[1]))
server.serve_forever()
";

#[test]
fn git_clone_over_http_from_loopback() {
    if !has(&["git", "--version"]) || !has(&["python3", "--version"]) {
        return;
    }
    let scene = Scene::new();
    let prepare = "\
        git init -q --bare ../srv/r.git && git init -q ../s && cd ../s && git config user.email a@b && \
        git config user.name a && echo x > f && git add f && git commit -qm one && \
        git push -q ../srv/r.git HEAD:refs/heads/main && cd ../srv/r.git && \
        git symbolic-ref HEAD refs/heads/main && git update-server-info";
    scene.shell(prepare).ends_with(0);
    scene.dir.write("server.py", SERVER);
    let (port, served) = (scene.dir.file("port"), scene.dir.file("srv"));
    let server = crate::support::plain(["python3", "../server.py", &port]).cwd(served);
    let mut server = server.timeout(std::time::Duration::from_secs(900)).start();
    server.until("a port", |_| {
        std::fs::read_to_string(&port).is_ok_and(|text| !text.is_empty())
    });
    let port = std::fs::read_to_string(&port).expect("a port");
    let url = format!("http://127.0.0.1:{port}/r.git");
    // Git makes the hooks and the configuration of the new repository, which are guarded.
    let ran = scene.learn(&["--", "git", "clone", "-q", &url, "r"]);
    assert_ne!(ran.code(), Some(0));
    ran.complains("Stayed denied while learning")
        .complains("project/r/.git/")
        .complains("learn again with --lift PATH");
    scene.shell("rm -rf r app.toml").ends_with(0);
    let command = ["git", "clone", "-q", &url, "r"];
    let policy = scene.goes_through(
        &["--lift", "./r/.git/hooks", "--lift", "./r/.git/config"],
        &command,
        "rm -rf r",
    );
    assert!(
        policy.contains("{ path = \"./r/.git/hooks\", why = "),
        "{policy}"
    );
    assert!(policy.contains("\"127.0.0.1:"), "{policy}");
}

/// A source distribution that builds itself, without another package.
const BACKEND: &str = r#"
import os, tarfile, zipfile
NAME = 'hello-1.0'
META = 'Metadata-Version: 2.1\nName: hello\nVersion: 1.0\n'
def build_wheel(directory, config=None, metadata=None):
    name = NAME + '-py3-none-any.whl'
    files = {
        'hello/__init__.py': open('hello/__init__.py').read(),
        NAME + '.dist-info/METADATA': META,
        NAME + '.dist-info/WHEEL': 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    }
    record = NAME + '.dist-info/RECORD'
    files[record] = ''.join(name + ',,\n' for name in [*files, record])
    with zipfile.ZipFile(os.path.join(directory, name), 'w') as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return name
"#;

#[test]
fn python_venv_and_pip_install_of_a_source_distribution() {
    if !has(&["python3", "-c", "import venv, ensurepip"]) {
        return;
    }
    let scene = Scene::new();
    scene.goes_through(&[], &["python3", "-m", "venv", "env"], "rm -rf env");
    scene.dir.write("hello-1.0/hello/__init__.py", "x = 1\n");
    scene.dir.write("hello-1.0/backend.py", BACKEND);
    scene.dir.write(
        "hello-1.0/pyproject.toml",
        "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n\
         [project]\nname = \"hello\"\nversion = \"1.0\"\n",
    );
    scene.dir.write(
        "hello-1.0/PKG-INFO",
        "Metadata-Version: 2.1\nName: hello\nVersion: 1.0\n",
    );
    let prepare =
        "rm -rf app.toml && tar czf hello-1.0.tar.gz -C .. hello-1.0 && python3 -m venv env";
    scene.shell(prepare).ends_with(0);
    let install = [
        "env/bin/python",
        "-m",
        "pip",
        "install",
        "--no-index",
        "./hello-1.0.tar.gz",
    ];
    scene.goes_through(&[], &install, "env/bin/python -m pip uninstall -qy hello");
}

#[test]
fn npm_install_of_a_package_with_a_postinstall_script() {
    if !has(&["npm", "--version"]) {
        return;
    }
    let scene = npm("require('fs').writeFileSync('built.txt', 'ok')");
    scene.goes_through(
        &[],
        NPM,
        "rm -rf node_modules package-lock.json; cp ../package.json .",
    );
    assert!(scene.shell("cat node_modules/dep/built.txt").out == "ok");
}

const NPM: &[&str] = &[
    "npm",
    "install",
    "--offline",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "./dep-1.0.0.tgz",
];

/// A project that can install a package whose script is this.
fn npm(script: &str) -> Scene {
    let scene = Scene::new();
    scene.dir.write(
        "dep/package.json",
        r#"{"name": "dep", "version": "1.0.0", "scripts": {"postinstall": "node post.js"}}"#,
    );
    scene.dir.write("dep/post.js", script);
    let dependency = r#"{"name": "app", "version": "1.0.0"}"#;
    scene.dir.write("package.json", dependency);
    scene.write("package.json", dependency);
    scene
        .shell("cd ../dep && npm pack --silent && mv dep-1.0.0.tgz ../project/")
        .ends_with(0);
    scene
}

#[test]
fn a_postinstall_script_that_reads_the_keys_of_the_user_is_denied_and_not_learned() {
    if !has(&["npm", "--version"]) {
        return;
    }
    let scene = npm("\
        const fs = require('fs');\n\
        let key = 'denied';\n\
        try { key = fs.readFileSync(process.env.HOME + '/.ssh/id_ed25519', 'utf8'); } catch {}\n\
        fs.writeFileSync('stolen.txt', key);\n");
    scene.dir.write("home/.ssh/id_ed25519", "SECRET");
    scene
        .learn(&[&["--"], NPM].concat())
        .ends_with(0)
        .complains("denied read of")
        .complains("Stayed denied while learning")
        .complains("/.ssh/id_ed25519, by node");
    let stolen = scene.shell("cat node_modules/dep/stolen.txt").out;
    assert_eq!(stolen, "denied");
    let policy = scene.policy();
    assert!(!policy.contains(".ssh"), "{policy}");
    scene
        .jail(&["explain", "app.toml", "read ~/.ssh/id_ed25519"])
        .says_part("deny");
}

#[test]
fn a_small_web_server_with_a_client() {
    if !has(&["python3", "--version"]) {
        return;
    }
    let scene = Scene::new();
    scene.write(
        "both.py",
        "import http.server, threading, urllib.request\n\
         server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)\n\
         threading.Thread(target=server.serve_forever, daemon=True).start()\n\
         url = 'http://127.0.0.1:%d/both.py' % server.server_address[1]\n\
         print(len(urllib.request.urlopen(url).read()) > 0)\n\
         server.shutdown()\n",
    );
    let policy = scene.goes_through(&[], &["python3", "both.py"], "true");
    assert!(policy.contains("\"127.0.0.1:0\""), "{policy}");
}
