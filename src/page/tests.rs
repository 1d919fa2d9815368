//! The page and the text, of logs with hostile names.

use super::*;
use crate::journal::Journal;

/// A log in which a program has every kind of hostile name.
fn hostile() -> Journal {
    let name = "</script><script>alert(1)</script><!--\\u001b[2J\\u202e\\u0000\\ufffd&\\\"'`${x}";
    let log = format!(
        "{{\"event\":\"start\",\"time\":1.0,\"version\":1,\"pid\":1,\"program\":\"{name}\",\"command\":[\"{name}\"],\"policy\":\"{name}\"}}\n\
         {{\"event\":\"exec\",\"time\":1.0,\"pid\":1,\"ancestry\":[\"{name}\"]}}\n\
         {{\"event\":\"access\",\"time\":1.1,\"pid\":1,\"tid\":1,\"syscall\":\"open\",\"nr\":2,\"args\":[\"0x0\",\"0x0\",\"0x0\",\"0x0\",\"0x0\",\"0x0\"],\
         \"path\":{{\"access\":\"read\",\"given\":\"{name}\",\"resolved\":\"/{name}\"}},\"peer\":null}}\n\
         {{\"event\":\"waiting\",\"time\":1.2,\"processes\":[\"{name}\"]}}\n\
         {{\"event\":\"exit\",\"time\":1.3,\"pid\":1,\"code\":0,\"signal\":null}}\n\
         <script>garbage</script>\n"
    );
    let journal = Journal::read(log.as_bytes()).expect("a log");
    assert_eq!((journal.entries.len(), journal.problems.len()), (5, 1));
    journal
}

#[test]
fn no_name_ends_the_script_or_leaves_the_page() {
    let page = html(&hostile());
    assert_eq!(
        page.matches("<script").count(),
        3,
        "the data, the script and the rest of the events"
    );
    assert_eq!(page.matches("</script>").count(), 3);
    assert!(!page.contains("<!--") && !page.contains("alert(1)<"));
    let plain = |c: char| c == '\n' || !c.is_control() && c != '\u{202e}';
    assert!(page.chars().all(plain));
    // It loads nothing.
    for outside in ["http:", "https:", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("default-src 'none'"));
    assert!(!page.contains("@@"));
}

#[test]
fn the_data_reads_back_as_what_the_log_says() {
    let page = html(&hostile());
    let (_, data) = page.split_once("id=\"data\">").expect("data");
    let (data, _) = data.split_once("</script>").expect("its end");
    let data: serde_json::Value = serde_json::from_str(data).expect("JSON");
    assert_eq!((&data["count"], &data["counts"][1]), (&5.into(), &1.into()));
    let first = data["first"].as_str().expect("a block");
    let block: serde_json::Value = serde_json::from_str(first).expect("JSON");
    assert!(page.contains("id=\"rest\">[]</script>"));
    // The start, the execution, the file, the message, the end of the process: 0.1 s between them.
    assert_eq!(block[0].to_string(), "[0,0,100000,100000,100000]");
    assert_eq!(block[2], "aablk");
    assert_eq!(data["processes"].as_array().map(Vec::len), Some(1));
    assert_eq!(data["accesses"], true);
    assert_eq!(data["unread"], 1);
    let strings = data["strings"].to_string();
    assert!(
        strings.contains("<script>alert(1)"),
        "it is shown as it is: {strings}"
    );
    assert!(strings.contains("\\\\u{1b}[2J\\\\u{202e}"), "{strings}");
}

#[test]
fn the_text_has_the_tree_and_nothing_that_moves_a_cursor() {
    let text = text(&hostile(), None);
    let plain = |c: char| c == '\n' || !c.is_control() && c != '\u{202e}';
    assert!(text.chars().all(plain), "{text:?}");
    for part in [
        "(pid 1)  0.000 s to 0.300 s, exited with 0",
        "read       /",
        "the log has no end",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let narrow = super::text(&hostile(), Some(60));
    assert!(
        narrow.lines().all(|line| line.chars().count() <= 60),
        "{narrow}"
    );
}

/// The texts of a line of a log.
fn texts(value: &mut serde_json::Value) -> Vec<&mut serde_json::Value> {
    match value {
        serde_json::Value::Array(all) => all.iter_mut().flat_map(texts).collect(),
        serde_json::Value::Object(all) => all.values_mut().flat_map(texts).collect(),
        serde_json::Value::String(_) => vec![value],
        _ => Vec::new(),
    }
}

#[test]
fn no_text_of_a_log_that_the_command_has_changed_gets_out() {
    const HOSTILE: &str = "\u{1b}[2J\r\n::error::x</script><script>alert(1)</script>\u{202e}";
    let manual = include_str!("../../docs/log.md");
    let lines: Vec<&str> = manual.lines().filter(|it| it.starts_with('{')).collect();
    for (at, line) in lines.iter().enumerate() {
        let parsed = || serde_json::from_str::<serde_json::Value>(line).expect(line);
        for place in 0..texts(&mut parsed()).len() {
            let mut changed = parsed();
            if let Some(text) = texts(&mut changed).into_iter().nth(place) {
                *text = HOSTILE.into();
            }
            let changed = changed.to_string();
            let mut log = lines.clone();
            if let Some(line) = log.get_mut(at) {
                *line = &changed;
            }
            let journal = Journal::read(log.join("\n").as_bytes()).expect("a log");
            for shown in [
                html(&journal),
                text(&journal, None),
                github(&journal),
                markdown(&journal),
            ] {
                let plain = |c: char| c == '\n' || !c.is_control() && c != '\u{202e}';
                assert!(shown.chars().all(plain), "{changed}\n{shown}");
                let forged = shown.lines().any(|line| line.starts_with("::error::x"));
                assert!(!forged, "{changed}\n{shown}");
            }
            for markup in [html(&journal), markdown(&journal)] {
                assert!(!markup.contains("<script>alert"), "{changed}\n{markup}");
            }
        }
    }
}

#[test]
fn an_empty_log_is_a_page_too() {
    let journal = Journal::default();
    assert!(html(&journal).contains("\"first\":null"));
    assert!(text(&journal, None).contains("0 events"));
}

/// A log of a program with a hostile name that is denied this often, by a request of this name.
fn denials(requests: usize) -> Journal {
    let name = "`|](http://x)@you<b>\\n::error::forged%0A\\u001b[31m";
    let mut log = String::new();
    for number in 0..requests {
        let action = if number + 1 == requests {
            "kill"
        } else {
            "deny"
        };
        log += &format!(
            "{{\"event\":\"denied\",\"time\":1.0,\"pid\":1,\"tid\":1,\"syscall\":\"openat\",\"nr\":257,\"args\":[\"0x0\",\"0x0\",\"0x0\",\"0x0\",\"0x0\",\"0x0\"],\
             \"call\":\"openat(…)\",\"path\":{{\"access\":\"read\",\"given\":\"x\",\"resolved\":\"/{number}{name}\"}},\"peer\":null,\"action\":\"{action}\",\"errno\":null,\
             \"code\":\"fs.read.deny\",\"standing\":\"askable\",\"reason\":{{\"kind\":\"path\",\"source\":\"./a,b:c.toml\",\"line\":9,\"entry\":\"{name}\",\"why\":\"keys\"}},\
             \"ancestry\":[\"sh\",\"{name}\"],\"advice\":\"to allow: {name}\",\"remedy\":null,\"remove\":null}}\n"
        );
    }
    Journal::read((log.clone() + &log).as_bytes()).expect("a log")
}

#[test]
fn each_denied_request_is_one_annotation_at_its_line() {
    let text = github(&denials(9));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 9, "{text}");
    let first = "::error file=./a%2Cb%3Ac.toml,line=9,title=denied read /8`|](http%3A//x)@you<b>\\n%3A%3Aerror%3A%3Aforged%250A\\u{1b}[31m::by sh → ";
    assert!(lines[0].starts_with(first), "{}", lines[0]);
    assert!(lines[0].contains(", twice%0Adecided by ./a,b:c.toml:9 "));
    assert!(
        lines[1..]
            .iter()
            .all(|line| line.starts_with("::warning file="))
    );
    let text = github(&denials(15));
    assert!(
        text.ends_with(
            "::notice title=more was denied::6 further requests; the summary lists them\n"
        ),
        "{text}"
    );
    assert_eq!(
        (text.lines().count(), github(&denials(0)).as_str()),
        (10, "")
    );
}

#[test]
fn no_name_means_anything_in_the_summary() {
    let text = markdown(&denials(120));
    let (head, table) = text
        .split_once("|---|---:|---|---|---|\n")
        .expect("a table");
    assert!(
        head.contains("| denied | 120 requests, 240 times |"),
        "{head}"
    );
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 102);
    assert_eq!(rows[101], "and 20 further requests");
    for row in &rows[..100] {
        assert_eq!(row.matches('|').count(), 6, "{row}");
        let plain = row.replace("<code>", "").replace("</code>", "");
        assert!(!plain.contains(['<', '`', '[', '@', '\u{1b}']), "{row}");
        assert!(
            !plain.contains("http:") && plain.contains("&#64;you"),
            "{row}"
        );
    }
    assert!(markdown(&denials(0)).contains("| denied | nothing |"));
}
