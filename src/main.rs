//! The command line: parse, call, map to an exit code. The only exit.
#![cfg_attr(all(target_env = "gnu", not(test)), no_main)]

#[cfg(all(target_env = "gnu", not(test)))]
jail::without_runtime!(jail::internal::start, jail::main);

#[cfg(not(all(target_env = "gnu", not(test))))]
fn main() -> std::process::ExitCode {
    jail::main().into()
}
