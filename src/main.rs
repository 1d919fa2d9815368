//! The command line: parse, call, map to an exit code. The only exit.
#![cfg_attr(target_env = "gnu", no_main)]

#[cfg(target_env = "gnu")]
jail::without_runtime!(jail::internal::start, jail::main);

#[cfg(not(target_env = "gnu"))]
fn main() -> std::process::ExitCode {
    jail::main().into()
}
