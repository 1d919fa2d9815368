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
        2,
        "the data and the script"
    );
    assert_eq!(page.matches("</script>").count(), 2);
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
    assert_eq!(data["events"].as_array().map(Vec::len), Some(5));
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

#[test]
fn an_empty_log_is_a_page_too() {
    let journal = Journal::default();
    assert!(html(&journal).contains("\"events\":[]"));
    assert!(text(&journal, None).contains("0 events"));
}
