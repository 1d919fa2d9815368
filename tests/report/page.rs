//! `jail report`: the page in a browser, where one is installed, and the text.

use crate::support::{Dir, jail, plain};
use std::fmt::Write;
use std::time::Duration;

/// The browsers that are tried.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// A log of so many events, such as a build makes, with hostile names among them.
fn log(events: usize) -> String {
    let hostile = "</script><img src=x onerror=alert(1)>\\u001b[31m\\u202e";
    let mut text = "{\"event\":\"start\",\"time\":1764000000.0,\"version\":1,\"pid\":100,\"program\":\"/usr/bin/cargo\",\"command\":[\"cargo\",\"build\"],\"policy\":\"build\"}\n".to_owned();
    for number in 0..events {
        let (time, pid) = (
            1_764_000_000.0 + number as f64 / 2_000.0,
            101 + number / 100,
        );
        let _ = match number % 100 {
            0 => writeln!(
                text,
                "{{\"event\":\"spawn\",\"time\":{time},\"pid\":{},\"child\":{pid},\"thread\":false}}",
                100
            ),
            1 => writeln!(
                text,
                "{{\"event\":\"exec\",\"time\":{time},\"pid\":{pid},\"ancestry\":[\"cargo\",\"rustc {hostile}\"]}}"
            ),
            98 => writeln!(
                text,
                "{{\"event\":\"denied\",\"time\":{time},\"pid\":{pid},\"tid\":{pid},\"syscall\":\"openat\",\"nr\":257,\"args\":[\"0x0\",\"0x0\",\"0x0\",\"0x0\",\"0x0\",\"0x0\"],\"call\":\"openat(…)\",\"path\":{{\"access\":\"read\",\"given\":\"x\",\"resolved\":\"/home/u/.ssh/id_{number}\"}},\"peer\":null,\"action\":\"deny\",\"errno\":\"EACCES\",\"code\":\"fs.read.deny\",\"standing\":\"askable\",\"reason\":{{\"kind\":\"path\",\"source\":\"protect-credentials\",\"line\":9,\"entry\":\"~/.ssh\",\"why\":\"keys\"}},\"ancestry\":[\"cargo\",\"rustc\"],\"advice\":null,\"remedy\":null,\"remove\":null}}"
            ),
            99 => writeln!(
                text,
                "{{\"event\":\"exit\",\"time\":{time},\"pid\":{pid},\"code\":0,\"signal\":null}}"
            ),
            _ => {
                let access = if number % 9 == 0 { "write" } else { "read" };
                writeln!(
                    text,
                    "{{\"event\":\"access\",\"time\":{time},\"pid\":{pid},\"tid\":{pid},\"syscall\":\"openat\",\"nr\":257,\"args\":[\"0x0\",\"0x0\",\"0x0\",\"0x0\",\"0x0\",\"0x0\"],\"path\":{{\"access\":\"{access}\",\"given\":\"x\",\"resolved\":\"/work/target/debug/deps/lib{}-{hostile}.rmeta\"}},\"peer\":null}}",
                    number % 5_000
                )
            }
        };
    }
    text + "{\"event\":\"end\",\"time\":1764000051.0,\"ending\":\"exited\",\"exit_code\":0,\"code\":0,\"signal\":null,\"error\":null,\"stats\":null,\"denied\":[],\"lost\":0}\n"
}

#[test]
fn a_page_is_written_whole_and_a_link_is_not_followed() {
    let dir = Dir::new();
    let log = dir.write("run.jsonl", log(300));
    let page = dir.file("run.html");
    let ran = jail(["report", &log, "-o", &page]).output().ends_with(0);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
    let written = std::fs::read_to_string(&page).expect("a page");
    assert!(written.starts_with("<!DOCTYPE html>") && written.ends_with("</html>\n"));
    assert!(!written.contains("<img") && !written.contains("\u{202e}"));
    let ran = jail(["report", &log]).output().ends_with(0);
    assert!(ran.out == written, "the same on stdout");
    let link = dir.file("link");
    std::os::unix::fs::symlink("elsewhere", &link).expect("a link");
    let _ = jail(["report", &log, "-o", &link])
        .output()
        .ends_with(125)
        .complains("symbolic link");
    let _ = jail(["report", &log, "-o", &log])
        .output()
        .ends_with(125)
        .complains("would replace the log");
    let _ = jail(["report", &log, "-o", "/nowhere/x"])
        .output()
        .ends_with(125)
        .complains("cannot write /nowhere/x");
}

#[test]
fn the_text_is_a_tree_with_what_each_process_did() {
    let dir = Dir::new();
    let log = dir.write("run.jsonl", log(300));
    let ran = jail(["report", &log, "--format", "text"])
        .output()
        .ends_with(0);
    for part in [
        "command    cargo build",
        "ended      the command ended, exit code 0",
        "has        4 processes, 302 events, 3 denials",
        "\n  rustc </script>",
        "denied     read /home/u/.ssh/id_98  fs.read.deny [protect-credentials:9] keys",
        "and ",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    assert!(!ran.out.contains(['\x1b', '\u{202e}']));
}

/// Opens a page of 100,000 events in a browser without a screen, as its user would: the script has run, and the
/// rows that can be seen are there.
#[test]
fn a_page_of_100_000_events_opens_in_a_browser() {
    let has = |browser: &&&str| {
        plain(["sh", "-c", &format!("command -v {browser}")])
            .output()
            .code()
            == Some(0)
    };
    let Some(browser) = BROWSERS.iter().find(has) else {
        println!("NOT TRIED HERE: no chromium");
        return;
    };
    let dir = Dir::new();
    let log = dir.write("run.jsonl", log(100_000));
    let page = dir.file("run.html");
    let _ = jail(["report", &log, "-o", &page]).output().ends_with(0);
    let options = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--virtual-time-budget=4000",
        "--window-size=1280,800",
    ];
    let profile = format!("--user-data-dir={}", dir.file("profile"));
    let url = format!("file://{page}");
    let ran = plain(options)
        .args([profile.as_str(), "--dump-dom", &url])
        .env("HOME", dir.path())
        .timeout(Duration::from_secs(120))
        .output();
    let dom = ran.out;
    assert!(
        dom.contains("100,002 of 100,002 events"),
        "{}",
        &dom[..dom.len().min(3000)]
    );
    let (_, after) = dom.split_once("data-ready=\"").expect("the script has run");
    let ready: u64 = after
        .split('"')
        .next()
        .and_then(|it| it.parse().ok())
        .expect("a time");
    let whole = dom.contains("data-complete=\"");
    println!("ready after {ready} ms");
    assert!(whole, "the other events have not been read");
    // On a machine that does nothing else it is a fraction of this.
    assert!(ready < 20_000, "{ready} ms");
    let rows = dom.matches("role=\"option\"").count();
    assert!((10..400).contains(&rows), "{rows} rows");
    assert!(!dom.contains("<img"), "a name is text");
}
