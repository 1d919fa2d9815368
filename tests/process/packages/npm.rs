//! npm: a hook that runs when a package is installed.

use super::Attack;
use crate::support::{Ran, Run, installed, plain};

/// The attack, as a program of node that says in a file how it went.
fn attack(attack: &Attack) -> String {
    let [_, key, hook, _] = attack.goals();
    let armed = attack.armed();
    let port = attack.registry.port;
    format!(
        r#"const fs = require('fs'), net = require('net');
if (!fs.existsSync('{armed}')) {{ fs.writeFileSync('said', 'quiet'); process.exit(0); }}
const said = act => {{ try {{ act(); return 'ok'; }} catch (error) {{ return String(-error.errno); }} }};
const key = said(() => fs.readFileSync('{key}'));
const hook = said(() => fs.writeFileSync('{hook}', 'x'));
const cache = said(() => fs.writeFileSync(process.env.npm_config_cache + '/planted', 'x'));
const end = how => {{ fs.writeFileSync('said', `net ${{how}} key ${{key}} hook ${{hook}} cache ${{cache}}`); process.exit(0); }};
net.connect({port}, '127.0.0.1').on('connect', () => end('ok')).on('error', error => end(String(-error.errno)));
"#
    )
}

fn prepare() -> Attack {
    let it = Attack::new(".npm");
    let scripts = r#""scripts":{"postinstall":"node attack.js"}"#;
    let named = r#""name":"evil","version":"1.0.0""#;
    it.dir
        .write("package/package.json", format!("{{{named},{scripts}}}"));
    it.dir.write("package/attack.js", attack(&it));
    let file = it.dir.file("registry/evil-1.0.0.tgz");
    plain(["tar", "-czf", &file, "-C", &it.dir.file(""), "package"])
        .output()
        .ends_with(0);
    let from = format!("http://127.0.0.1:{}/evil-1.0.0.tgz", it.registry.port);
    it.dir.write(
        "registry/evil",
        format!(
            r#"{{"name":"evil","dist-tags":{{"latest":"1.0.0"}},"versions":{{"1.0.0":{{{named},{scripts},"hasInstallScript":true,"dist":{{"tarball":"{from}"}}}}}}}}"#
        ),
    );
    it.dir.write(
        "project/package.json",
        r#"{"name":"victim","version":"1.0.0"}"#,
    );
    it
}

fn run(it: &Attack, run: Run) -> Ran {
    let registry = format!("http://127.0.0.1:{}", it.registry.port);
    run.env("npm_config_registry", registry)
        .env("npm_config_update_notifier", "false")
        .output()
}

#[test]
fn hooks_of_npm_are_offline_and_change_no_caches() {
    if !installed("npm") || !installed("node") {
        return println!("NOT TRIED HERE: no npm");
    }
    let it = prepare();
    let install = ["npm", "install", "evil", "--no-audit", "--no-fund"];
    let said = |ran: &Ran| it.left("node_modules/evil/said", ran);
    let ran = it.attacks(("npm", &install), "node_modules", |how| run(&it, how), said);
    ran.complains("[domain package-script, npm:")
        .complains("→ sh → node");
    assert!(it.registry.was_asked("/evil-1.0.0.tgz"));
}

#[test]
fn a_hook_that_was_learned_does_what_it_did_and_no_more() {
    if !installed("npm") || !installed("node") {
        return println!("NOT TRIED HERE: no npm");
    }
    let it = prepare();
    let install = ["npm", "install", "evil", "--no-audit", "--no-fund"];
    let said = |ran: &Ran| it.left("node_modules/evil/said", ran);
    let (policy, ran) = it.is_learned(&install, "node_modules", |how| run(&it, how), said);
    assert!(policy.contains("[domain.package-script]"), "{policy}");
    ran.complains("[domain package-script,");
}
