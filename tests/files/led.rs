//! Symbolic links that a command leaves for the next run of the same policy.

use super::presets::Home;
use super::scene::run;
use crate::support::{Run, jail};

fn within(home: &Home, policy: &str, script: &str) -> Run {
    let target = home.path().join("project/target");
    let run = home.at(jail([
        "--quiet", "--policy", policy, "--", "sh", "-c", script,
    ]));
    run.env("CARGO_TARGET_DIR", target)
}

#[test]
fn no_link_of_the_command_leads_what_the_next_run_opens_elsewhere() {
    const BASE: &str = "extends = [\"base\"]\n[fs]\nwrite = [\".\"]\n";
    for (policy, name, to, script) in [
        ("", "target", "~", "echo x > ~/documents/letter"),
        (
            "read = [\"./data\"]\n",
            "data",
            "~/.ssh",
            "cat ~/.ssh/id_ed25519",
        ),
        (
            "read = [\"./data/*\"]\n",
            "data",
            "~/.ssh",
            "cat ~/.ssh/id_ed25519",
        ),
        (
            "write = [\"./a/b\"]\n",
            "a",
            "~/documents",
            "echo x > ~/documents/b",
        ),
        (
            "exec = [\"./data\"]\n",
            "data",
            "~/.cargo/bin",
            "~/.cargo/bin/tool",
        ),
        (
            "[process]\nstdin = \"in\"\n",
            "in",
            "~/.ssh/id_ed25519",
            "cat | grep ssh",
        ),
    ] {
        let home = Home::new();
        home.write("project/in", "text");
        let policy = match policy {
            "" => "build".to_owned(),
            text if text.starts_with("write") => {
                let text = BASE.replace("[\".\"]", "[\".\", \"./a/b\"]");
                home.write("policy.toml", &text).display().to_string()
            }
            text => {
                let path = home.write("policy.toml", &format!("{BASE}{text}"));
                path.display().to_string()
            }
        };
        // Without the link the policy does, and does not open that.
        let first = format!("({script}) && exit 1; rm -rf {name}; ln -s {to} {name}");
        run(within(&home, &policy, &first)).ends_with(0);
        let ran = run(within(&home, &policy, script)).ends_with(125);
        ran.complains("through the symbolic link")
            .complains("[E602]");
        let checked = run(home
            .at(jail(["check", &policy]))
            .env("CARGO_TARGET_DIR", home.path().join("project/target")));
        checked.ends_with(1).complains("through the symbolic link");
    }
}

#[test]
fn links_that_lead_to_what_is_open_or_that_are_the_users_own_are_followed() {
    let home = Home::new();
    let text = "extends = [\"base\"]\n[fs]\nwrite = [\".\", \"./in\"]\nread = [\"~/own\", \"./kept\"]\n\
        protect = [\"./kept\"]\n";
    let policy = home.write("policy.toml", text).display().to_string();
    home.write("project/place/x", "");
    let script = "ln -s place in; ln -s documents ../own; ln -s ../documents kept";
    run(home.outside(script)).ends_with(0);
    run(within(
        &home,
        &policy,
        "echo x > in/x && cat ~/own/letter kept/letter",
    ))
    .ends_with(0);
}
