//! `jail learn` of a policy that has domains: what a domain lacks goes into the domain.

use crate::scene::{Scene, has};

/// A policy with a domain for `./tool`. `main`, `fs` and `net`: more of the lists.
fn policy(main: &str, fs: &str, net: &str) -> String {
    format!(
        "extends = [\"base\", \"protect-credentials\", \"protect-triggers\"]\n\n\
         [fs]\nread = [\".\"]\nexec = [\"./tool\", \"./helper\"]\n{main}\n\n\
         [domain.tool] # mine\non-exec = [\"./tool\"]\nfs = {{ {fs} }}\nnet = {{ {net} }}\n"
    )
}

/// A project with this policy and a tool that is this script of the shell.
fn scene(policy: &str, tool: &str) -> Scene {
    let scene = Scene::new();
    scene.write("app.toml", policy);
    scene.write("out/.keep", "");
    scene
        .dir
        .program("project/tool", format!("#!/bin/bash\n{tool}\n"));
    scene
        .dir
        .program("project/helper", "#!/bin/sh\necho helped\n");
    scene
}

/// The tool runs under what was learned, and needs nothing else.
fn works(scene: &Scene) {
    scene
        .jail(&["--policy", "app.toml", "--", "./tool"])
        .ends_with(0);
    let text = scene.policy();
    scene
        .learn(&["--", "./tool"])
        .ends_with(0)
        .complains("nothing was added");
    assert_eq!(scene.policy(), text);
}

#[test]
fn what_a_domain_lacks_goes_into_the_domain() {
    let fs = "write = [\"./out/a\", \"/dev/tty\"], exec = [\"./tool\", \"/usr/bin/bash\", \"/usr/lib\", \"/usr/lib64\"]";
    let tool = "echo x > out/a; echo x > out/b; ./helper";
    let scene = scene(&policy("write = [\"./out\"]", fs, ""), tool);
    let before = scene.jail(&["--policy", "app.toml", "--", "./tool"]);
    before
        .complains("denied exec of")
        .complains("[domain tool, app.toml:");
    let learned = scene.learn(&["--generalize", "0", "--", "./tool"]);
    let learned = learned
        .ends_with(0)
        .says("helped\n")
        .complains("Added to [domain.tool]:\n        write ./out/b\n        exec ./helper\n")
        .complains("accesses that it lacked pass now");
    assert!(
        !learned.err.contains("The main policy lacked"),
        "{}",
        learned.err
    );
    let text = scene.policy();
    for part in [
        "[domain.tool] # mine\n",
        "  { path = \"./out/b\", why = \"the command makes it\" },  # once by tool\n",
        "  \"./helper\",  # once by tool\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    works(&scene);
}

/// A domain only narrows, so that an entry in it alone would open nothing.
#[test]
fn what_the_main_policy_lacks_too_goes_into_both() {
    let lists = "write = [\"./out/a\", \"/dev/tty\"]";
    let scene = scene(
        &policy("write = [\"./out/a\"]", lists, ""),
        "echo x > out/b",
    );
    scene
        .learn(&["--", "./tool"])
        .ends_with(0)
        .complains("jail: added to app.toml, 2 entries for 1 access\n")
        .complains("Added to [domain.tool]:\n        write ./out/b\n")
        .complains("The main policy lacked some of that, too, and has entries for it now")
        .complains("Replayed: the access that it lacked passes now");
    assert_eq!(scene.policy().matches("\"./out/b\"").count(), 2);
    works(&scene);
}

/// A program that the kernel gives a port binds 0, and listens on another one.
#[test]
fn peers_go_into_the_domain() {
    if !has(&["python3", "-c", ""]) {
        return;
    }
    let main = "[net]\nlisten = [\"127.0.0.1:*\"]\nconnect = [\"127.0.0.1:*\"]";
    let net = "listen = [\"127.0.0.1:1\"], connect = [\"127.0.0.1:1\"]";
    let listens = "import socket; s = socket.create_server((\"127.0.0.1\", 0)); socket.create_connection(s.getsockname())";
    let scene = scene(&policy(main, "", net), &format!("python3 -c '{listens}'"));
    scene
        .learn(&["--", "./tool"])
        .ends_with(0)
        .complains("listen 127.0.0.1:0\n");
    let text = scene.policy();
    assert!(
        text.contains("  \"127.0.0.1:0\",  # once by python3\n], connect"),
        "{text}"
    );
    works(&scene);
}

/// An empty list says that the programs do nothing of the kind, and `deny` what they never do.
#[test]
fn empty_lists_and_denied_places_stay_closed() {
    let main = "write = [\"./out\"]\n[net]\nconnect = [\"127.0.0.1:*\"]";
    let fs = "write = [\"./out/a\"], deny = [\"./out/b\"]";
    let text = policy(main, fs, "connect = [], listen = []");
    let tool = "echo x > out/b; exec 3<>/dev/tcp/127.0.0.1/9";
    let learned = scene(&text, tool).learn(&["--", "./tool"]);
    let learned = learned
        .complains("denied write of")
        .complains("denied socket(")
        .complains("Stayed denied while learning, and was not learned:")
        .complains("A list of a domain without an entry");
    assert!(!learned.err.contains("write ./out/b"), "{}", learned.err);

    let text = policy(main, "write = [], exec = []", "");
    scene(&text, "echo x > out/b; ./helper")
        .learn(&["--", "./tool"])
        .complains("denied write of")
        .complains("denied exec of")
        .complains("nothing was added");
}

#[test]
fn a_domain_of_a_policy_that_is_extended_stays_as_it_is() {
    let lists = "write = [\"./out/a\", \"/dev/tty\"]";
    let team = policy("write = [\"./out\"]", lists, "");
    let scene = scene("extends = [\"./team.toml\"]\n", "echo x > out/b");
    scene.write("team.toml", &team);
    scene
        .learn(&["--", "./tool"])
        .complains("[domain tool, team.toml:")
        .complains("nothing was added")
        .complains("so does a domain\n      of a policy that this one extends");
    // The same domain with a part in the file itself is continued there.
    let part = "extends = [\"./team.toml\"]\n[domain.tool]\non-exec = [\"./helper\"]\n";
    scene.write("app.toml", part);
    scene
        .learn(&["--", "./tool"])
        .ends_with(0)
        .complains("Added to [domain.tool]:\n        write ./out/b\n");
    assert!(scene.policy().contains("[domain.tool.fs]\nwrite = [\n"));
    works(&scene);
}

#[test]
fn an_audit_tells_what_a_domain_would_have_denied() {
    let lists = "write = [\"./out/a\", \"/dev/tty\"]";
    let text = policy("write = [\"./out\"]", lists, "");
    let scene = scene(&text, "echo x > out/b");
    scene
        .learn(&["--audit", "--", "./tool"])
        .ends_with(0)
        .complains("jail: app.toml would have denied 1 access\n")
        .complains("/out/b, once by tool [domain tool]\n");
    assert_eq!(scene.policy(), text);
}

/// What is open to the command may be closed to a domain.
#[test]
fn a_domain_of_an_open_policy_is_continued() {
    let text = "default = \"allow\"\n[domain.tool]\non-exec = [\"./tool\"]\nfs = { write = [\"./out/a\", \"/dev/tty\"] }\n";
    let scene = scene(text, "echo x > out/b");
    scene
        .learn(&["--", "./tool"])
        .ends_with(0)
        .complains("Added to [domain.tool]:\n        write ./out/b\n");
    assert!(scene.policy().contains("default = \"allow\""));
    works(&scene);
    scene.write("app.toml", "default = \"allow\"\n");
    scene
        .learn(&["--", "./tool"])
        .ends_with(125)
        .complains("it lacks nothing that could be learned");
}
