//! What a user does with an advice: it is put into the policy as it is written.
//!
//! A policy here has each section, list, entry and key of a rule begin a line of its own.

use jail::internal::policy::presets;

/// The files of a policy; the first is the main one.
#[derive(Debug, Clone)]
pub struct Files(pub Vec<(String, String)>);

/// The policy with an advice in it; `None`: the advice is that nothing can be done.
#[track_caller]
pub fn paste(mut files: Files, advice: &str) -> Option<Files> {
    let never = advice.starts_with("no policy ") || advice.ends_with(" no policy can allow");
    let wide = advice.starts_with("no narrow entry can allow it: ");
    // A change of how the command is run, or of what was done before.
    let otherwise = advice.starts_with("to run it: ");
    if never || wide || otherwise || advice.starts_with("no entry of [net] can ") {
        return None;
    }
    let text = advice
        .strip_prefix("to allow: ")
        .unwrap_or_else(|| panic!("no advice: {advice}"));
    if let Some(rest) = text.strip_prefix("in a policy of your own with extends = [") {
        let (preset, rest) = rest.split_once("], ").expect(advice);
        let main = format!("extends = [{preset}]\n");
        let own = Files(vec![("own.toml".to_owned(), main)]);
        let line = rest.split_once('\n').map_or(rest.to_owned(), |(_, rule)| {
            format!("add to own.toml\n{rule}")
        });
        return paste(own, &format!("to allow: {line}"));
    }
    let main = &mut files.0.first_mut().expect("a policy").1;
    if let Some((_, rule)) = text.split_once("\n[[") {
        *main += &format!("\n[[{rule}\n");
    } else if let Some(rest) = text.strip_prefix("add extends = ") {
        let (list, _) = rest.split_once(" to ").expect(advice);
        *main = format!("extends = {list}\n{main}");
    } else if let Some(rest) = text.strip_prefix("add ") {
        add(main, rest, advice);
    } else if let Some(rest) = text.strip_prefix("change the rule at ") {
        let (file, line) = place(rest);
        allow_rule(files.text(file), line);
    } else if let Some(rest) = text.strip_prefix("change ") {
        let (name, rest) = rest.split_once(" at ").expect(advice);
        let (file, line) = place(rest);
        files.replace_line(file, line, &format!("{name} = \"allow\""));
    } else if let Some((_, rest)) = text.split_once("copy the preset (jail presets ") {
        let (name, _) = rest.split_once(')').expect(advice);
        let (_, at) = text.split_once(" at ").expect(advice);
        copy(&mut files, name, place(at).1, text.contains("the rule"));
    } else if let Some((_, rest)) = text.split_once(" at ") {
        // Remove or narrow an entry.
        let (file, line) = place(rest);
        files.replace_line(file, line, "");
    } else {
        panic!("this test cannot follow the advice: {advice}");
    }
    Some(files)
}

/// `FILE:LINE` at the start of a text.
fn place(text: &str) -> (&str, usize) {
    let word = text.split([' ', ';', ',']).next().unwrap_or_default();
    let (file, line) = word.rsplit_once(':').expect(text);
    let name = file.rsplit('/').next().unwrap_or(file);
    (name, line.parse().expect(text))
}

/// `"ENTRY" to LIST in [SECTION] of FILE`, `KEY = "allow" to [SECTION] of FILE`, `"PRESET" to extends of FILE`.
fn add(main: &mut String, text: &str, advice: &str) {
    if let Some((entry, rest)) = text.split_once(" } to lift in ") {
        let section = &rest[..=rest.find(']').expect(advice)];
        return insert(main, section, &format!("lift = [\n{entry} }},\n]"));
    }
    let begin = text.find('"').expect(advice);
    let end = begin + 1 + closing_quote(&text[begin + 1..]).expect(advice);
    let quoted = &text[begin..=end];
    let after = &text[end + 1..];
    // The last ` to `: an entry before it may be an alternative.
    let (_, place) = after.split_once(" to ").expect(advice);
    let section = |text: &str| {
        let begin = text.find('[').expect(advice);
        let end = text.find(']').expect(advice);
        text[begin..=end].to_owned()
    };
    if place.starts_with("extends of") {
        *main = main.replacen("extends = [", &format!("extends = [{quoted}, "), 1);
    } else if place.starts_with('[') {
        let key = text[..begin].trim();
        insert(main, &section(place), &format!("{key} {quoted}"));
    } else {
        let (list, rest) = place.split_once(' ').expect(advice);
        let opened = format!("\n{list} = [\n");
        match main.contains(&opened) {
            true => *main = main.replacen(&opened, &format!("{opened}{quoted},\n"), 1),
            false => insert(main, &section(rest), &format!("{list} = [\n{quoted},\n]")),
        }
    }
}

/// Where a TOML string ends.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, character)| {
        let ends = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        ends.then_some(at)
    })
}

/// Puts a line into a section.
fn insert(main: &mut String, section: &str, line: &str) {
    let head = format!("{section}\n");
    match main.contains(&head) {
        true => *main = main.replacen(&head, &format!("{head}{line}\n"), 1),
        false => *main += &format!("\n{section}\n{line}\n"),
    }
}

fn allow_rule(text: &mut String, line: usize) {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let action = lines
        .iter_mut()
        .skip(line - 1)
        .find(|line| line.starts_with("action"))
        .expect("a rule has an action");
    *action = "action = \"allow\"".to_owned();
    *text = lines.join("\n");
    // It is for what is denied only.
    *text = text.replacen("quiet   = true\n", "", 1);
}

/// Extends a changed copy of a preset instead.
fn copy(files: &mut Files, name: &str, line: usize, rule: bool) {
    let preset = presets().iter().find(|preset| preset.name == name);
    let mut text = preset.expect("a preset").text.to_owned();
    if rule {
        allow_rule(&mut text, line);
    } else {
        let lines = text.lines().enumerate();
        let kept = lines.filter(|(at, _)| at + 1 != line).map(|(_, line)| line);
        text = kept.collect::<Vec<_>>().join("\n");
    }
    // What it promises is not kept any more.
    if let Some(tests) = text.find("\n[[test]]") {
        text.truncate(tests);
    }
    text.push('\n');
    let main = &mut files.0.first_mut().expect("a policy").1;
    *main = main.replacen(&format!("\"{name}\""), &format!("\"./{name}.toml\""), 1);
    files.0.push((format!("{name}.toml"), text));
}

impl Files {
    fn text(&mut self, name: &str) -> &mut String {
        let found = self.0.iter_mut().find(|(known, _)| known == name);
        &mut found.unwrap_or_else(|| panic!("no file {name}")).1
    }

    /// Puts another text in the place of a line.
    fn replace_line(&mut self, name: &str, line: usize, with: &str) {
        let text = self.text(name);
        let lines = text.lines().enumerate();
        let lines = lines.map(|(at, old)| if at + 1 == line { with } else { old });
        *text = lines.collect::<Vec<_>>().join("\n") + "\n";
    }
}
