//! The command line: parse, call, map to an exit code. The only exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    jail::main()
}
