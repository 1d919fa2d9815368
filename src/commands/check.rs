//! `jail check FILE…`: every problem of every file, errors and warnings. It runs nothing.

use std::io::{self, Write};
use std::path::Path;

use crate::policy::{self, Policy};

/// Problems go to `err`, one line for each good file to `out`. 1 if a file is wrong, else 0.
pub fn run(
    files: &[String],
    dir: &Path,
    color: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let mut code = 0;
    for file in files {
        match Policy::load(file, dir) {
            Err(problems) => {
                code = 1;
                writeln!(err, "{}\n", problems.render(color))?;
            }
            Ok(policy) => {
                let warnings = policy::lint(&policy);
                if !warnings.is_empty() {
                    writeln!(
                        err,
                        "{}\n",
                        policy::render(&policy.sources, &warnings, color)
                    )?;
                }
                writeln!(
                    out,
                    "{file}: ok: {}, {}, {}",
                    count(policy.syscalls.len(), "entry", "entries"),
                    count(policy.rules.len(), "rule", "rules"),
                    count(policy.tests.len(), "test", "tests"),
                )?;
            }
        }
    }
    Ok(code)
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
