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

/// What a user does once the page is there: types words, which are then the ones that are shown. It runs before
/// the page has read all events ahead, so that the first filter has the most to do.
const FILTER: &str = r#"<script>
addEventListener("DOMContentLoaded", () => {
  const root = document.documentElement, search = document.getElementById("search");
  const events = document.getElementById("events");
  for (const words of ["lib4", "lib42 rmeta", "fs.read.deny id_98", ""]) {
    search.value = words;
    const begin = performance.now();
    search.dispatchEvent(new Event("input"));
    // The layout is a part of it.
    if (events.scrollHeight === 0) return;
    const took = Math.round(performance.now() - begin);
    const count = document.getElementById("count").textContent;
    Object.assign(root.appendChild(document.createElement("i")).dataset, { took, count });
  }
});
</script>
</body>"#;

/// A time that a user does not notice, and one after which a page is slow, in milliseconds.
const AT_ONCE: u64 = 500;
const SLOW: u64 = 2_000;
/// How often a busy machine may try.
const TRIES: usize = 4;

/// The values of an attribute.
fn values<'a>(dom: &'a str, name: &str) -> Vec<&'a str> {
    let mark = format!("{name}=\"");
    let parts = dom.split(mark.as_str()).skip(1);
    parts.filter_map(|rest| rest.split('"').next()).collect()
}

fn times(dom: &str, name: &str) -> Vec<u64> {
    let values = values(dom, name).into_iter();
    values.map(|value| value.parse().expect("a time")).collect()
}

/// The page in a browser without a screen, once its script has run.
fn opened(browser: &str, dir: &Dir, page: &str) -> String {
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
    let run = plain(options).args([profile.as_str(), "--dump-dom", &url]);
    let run = run
        .env("HOME", dir.path())
        .timeout(Duration::from_secs(120));
    run.output().out
}

/// Opens a page of 100,000 events, as its user would: the script has run, and the rows that can be seen are there.
#[test]
fn a_page_of_100_000_events_opens_and_filters_at_once_in_a_browser() {
    let has = |browser: &&&str| {
        let found = plain(["sh", "-c", &format!("command -v {browser}")]);
        found.output().code() == Some(0)
    };
    let Some(browser) = BROWSERS.iter().find(has) else {
        println!("NOT TRIED HERE: no chromium");
        return;
    };
    let dir = Dir::new();
    let log = dir.write("run.jsonl", log(100_000));
    let page = dir.file("run.html");
    let _ = jail(["report", &log, "-o", &page]).output().ends_with(0);
    let dom = opened(browser, &dir, &page);
    let all = "100,002 of 100,002 events";
    assert!(dom.contains(all), "{}", &dom[..dom.len().min(3000)]);
    let rows = dom.matches("role=\"option\"").count();
    assert!((10..400).contains(&rows), "{rows} rows");
    assert!(!dom.contains("<img"), "a name is text");
    let text = std::fs::read_to_string(&page).expect("a page");
    let page = dir.write("filter.html", text.replace("</body>", FILTER));
    let mut took = String::new();
    for _ in 0..TRIES {
        let dom = opened(browser, &dir, &page);
        let counts = [
            "21,340 of 100,002 events",
            "2,140 of 100,002 events",
            "12 of 100,002 events",
            all,
        ];
        assert_eq!(values(&dom, "data-count"), counts);
        let opens = [times(&dom, "data-ready"), times(&dom, "data-complete")].concat();
        let filters = times(&dom, "data-took");
        assert_eq!((opens.len(), filters.len()), (2, 4));
        took = format!("ready and complete after {opens:?} ms, filtered in {filters:?} ms");
        println!("{took}");
        if opens.iter().all(|time| *time < SLOW) && filters.iter().all(|time| *time < AT_ONCE) {
            return;
        }
    }
    panic!("too slow: {took}");
}
