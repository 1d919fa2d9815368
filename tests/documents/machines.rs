//! `examples/parallel` and `examples/slurm`: many runs, on this machine; Slurm's part is played by its
//! variables.

use crate::scene::{Scene, User};
use crate::support::schema::fitting;
use crate::support::{Ran, Run};

const INPUTS: usize = 23;

/// A scene with inputs, and the list of them.
fn scene() -> Scene {
    let scene = Scene::new(&["examples/parallel", "examples/slurm"]);
    let mut list = String::new();
    for number in 0..INPUTS {
        let input = format!("inputs/number {number}.txt");
        scene.dir.write(&input, format!("{number}\n3\n2\n1\n"));
        list += &format!("{input}\n");
    }
    scene.write("list", &list);
    scene
}

/// Every input has its output and its report.
#[track_caller]
fn all_have_run(scene: &Scene, ran: Ran) {
    let ran = ran.ends_with(0);
    for number in 0..INPUTS {
        let file = |ending| scene.read(&format!("out/number {number}.txt.{ending}"));
        let mut sorted = [number, 3, 2, 1];
        sorted.sort_unstable();
        let expected: String = sorted.iter().map(|number| format!("{number}\n")).collect();
        assert_eq!(file("out"), expected, "{}", ran.err);
        let report = fitting("report", &file("json"));
        assert_eq!(
            (&report["ending"], &report["code"]),
            (&"exited".into(), &0.into())
        );
    }
}

fn run_list(scene: &Scene, user: User) -> Run {
    let script = "sh examples/parallel/run.sh compute out sort -n < list";
    scene.run(user, &["sh", "-c", script]).env("JOBS", "3")
}

#[test]
fn a_list_of_inputs_is_run_with_what_the_machine_has() {
    for &user in Scene::new(&[]).users() {
        let scene = scene();
        let gnu = "parallel --version 2> /dev/null | grep -q '^GNU parallel'";
        if scene.run(user, &["sh", "-c", gnu]).output().code() != Some(0) {
            println!("NOT TRIED HERE ({user:?}): GNU parallel is missing; xargs runs the list");
        }
        all_have_run(&scene, run_list(&scene, user).output());
    }
}

#[test]
fn what_has_a_report_is_not_run_again() {
    let scene = scene();
    scene.write("out/number 7.txt.json", "{}");
    run_list(&scene, User::Own).output().ends_with(0);
    assert_eq!(scene.read("out/number 7.txt.json"), "{}");
    assert!(
        scene
            .read("out/number 8.txt.json")
            .contains("\"ending\":\"exited\"")
    );
}

/// That is no outcome of an input: it is told, and tried again.
#[test]
fn what_could_not_be_started_is_run_again() {
    let scene = scene();
    let script = "exec sh examples/parallel/run.sh \"$0\" out sort -n < list";
    let run = |policy| scene.run(User::Own, &["sh", "-c", script, policy]).output();
    let ran = run("no-such-policy");
    assert_ne!(ran.code(), Some(0));
    ran.complains("no-such-policy");
    all_have_run(&scene, run("compute"));
}

/// The report says how it ended; the list goes on.
#[test]
fn a_run_that_is_killed_does_not_stop_the_others() {
    let scene = scene();
    let policy = "extends = [\"compute\"]\n[syscalls]\nsocket = \"kill\"\n";
    scene.write("policy.toml", policy);
    let command = "read -r number; [ \"$number\" != 4 ] || kill -KILL $$; echo \"$number\"";
    let script = "exec sh examples/parallel/run.sh policy.toml out sh -c \"$0\" < list";
    scene
        .run(User::Own, &["sh", "-c", script, command])
        .output()
        .ends_with(0);
    assert!(
        scene
            .read("out/number 4.txt.json")
            .contains("\"ending\":\"signalled\"")
    );
    assert_eq!(scene.read("out/number 5.txt.out"), "5\n");
}

#[test]
fn the_tasks_of_a_slurm_array_run_the_list_between_them() {
    for &user in Scene::new(&[]).users() {
        let scene = scene();
        if !scene.has(user, &["sbatch"]) {
            println!("the batch script is run as Slurm would, with its variables set");
        }
        let mut last = None;
        for task in 0..10 {
            let command = ["sh", "examples/slurm/array.sbatch", "sort", "-n"];
            let run = scene.run(user, &command);
            let run = run
                .env("SLURM_ARRAY_TASK_ID", task.to_string())
                .env("SLURM_ARRAY_TASK_MIN", "0")
                .env("SLURM_ARRAY_TASK_COUNT", "10")
                .env("SLURM_CPUS_PER_TASK", "1")
                .env("POLICY", "compute")
                .env("LIST", "list")
                .env("OUT", "out")
                .env("RUN", "examples/parallel/run.sh");
            last = Some(run.output().ends_with(0));
            let out = std::fs::read_dir(scene.dir.path().join("out")).expect("out");
            let share = (1..=INPUTS).filter(|line| line % 10 <= task).count();
            // Output, errors and report of each.
            assert_eq!(out.count(), 3 * share, "after task {task}");
        }
        all_have_run(&scene, last.expect("ten tasks"));
    }
}

/// A run that may write where the outputs lie could put a link in the place of another's output.
#[test]
fn outputs_are_not_left_where_a_run_may_write() {
    let scene = scene();
    let text = "extends = [\"base\"]\n[fs]\nwrite = [\".\"]\n";
    scene.write("open.toml", text);
    scene.write("victim", "kept\n");
    // Not through the script: so the attack succeeds.
    let naive =
        "mkdir out; jail --policy open.toml -- ln -s ../victim out/2.out; echo evil > out/2.out";
    scene
        .run(User::Own, &["sh", "-c", naive])
        .output()
        .ends_with(0);
    assert_eq!(scene.read("victim"), "evil\n");
    scene.write("victim", "kept\n");
    let script = "exec sh examples/parallel/run.sh ./open.toml out cat < list";
    let ran = scene
        .run(User::Own, &["sh", "-c", script])
        .output()
        .ends_with(2);
    ran.complains("run.sh: a run could change out/x");
    assert_eq!(scene.read("victim"), "kept\n");
}
