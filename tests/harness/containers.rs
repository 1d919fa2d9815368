//! What container profiles take away, and what jail then does.

use crate::scene::Scene;

#[test]
fn the_probe_takes_away_what_it_says() {
    let scene = Scene::new(&[]);
    for lacking in ["namespaces", "container", "old-container"] {
        for &user in scene.users() {
            let ran = scene
                .lacking(lacking, user, &["unshare", "--user", "true"])
                .output();
            ran.ends_with(1).complains("Operation not permitted");
        }
    }
}

/// In words, and before anything runs; or the same as outside.
#[test]
fn jail_runs_in_a_container_as_outside_of_one() {
    let scene = Scene::new(&[]);
    scene.write("work/file", "text\n");
    for lacking in ["namespaces", "container", "old-container"] {
        for &user in scene.users() {
            for policy in ["compute", "workspace", "offline", "read-only"] {
                let command = ["jail", "--policy", policy, "--", "cat", "file"];
                let run = scene.lacking(lacking, user, &command);
                let ran = run.cwd(scene.dir.path().join("work")).output();
                ran.ends_with(0).says("text\n");
            }
        }
    }
}
