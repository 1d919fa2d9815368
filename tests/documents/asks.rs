//! `docs/ask.md`: the program that answers, as it stands there.

use crate::scene::Scene;

const MANUAL: &str = include_str!("../../docs/ask.md");

#[test]
fn the_program_that_answers_allows_what_it_says() {
    let scene = Scene::new(&[]);
    let user = *scene.users().first().expect("a user");
    if !scene.has(user, &["python3"]) {
        println!("NOT TRIED HERE: python3 is not installed");
        return;
    }
    let begin = MANUAL.find("# broker.py").expect("the program");
    let program = &MANUAL[begin..];
    let program = &program[..program.find("```").expect("its end")];
    assert!(program.lines().count() <= 22, "{program}");
    scene.write("broker.py", program);
    scene.write("task.toml", "extends = [\"base\"]\n");
    scene.write("data", "one\n");
    scene.write(
        "run.sh",
        "echo deny-run | python3 broker.py broker & until [ -S broker ]; do sleep 0.05; done\n\
         jail --policy task.toml --ask-socket broker -- sh -c 'cat data; echo > new; echo > new; echo end'\n\
         wait\n",
    );
    for &user in scene.users() {
        let ran = scene.run(user, &["sh", "run.sh"]).output().ends_with(0);
        assert!(ran.out.contains("one\n"), "{}\n{}", ran.out, ran.err);
        assert!(ran.out.contains("end\n"), "{}\n{}", ran.out, ran.err);
        assert_eq!(
            ran.out.matches("> new").count() + ran.out.matches("/new'").count(),
            1,
            "{}",
            ran.out
        );
        assert!(!std::path::Path::new(&scene.dir.file("new")).exists());
    }
}

#[test]
fn the_lines_of_the_manual_are_json_with_what_it_names() {
    let lines = MANUAL.lines().filter(|line| line.starts_with("{\"type\""));
    let lines: Vec<serde_json::Value> = lines
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    let kinds: Vec<_> = lines.iter().map(|line| line["type"].clone()).collect();
    assert_eq!(kinds, ["hello", "question", "withdrawn"]);
    assert_eq!(lines[1]["code"], "fs.read.default");
}
