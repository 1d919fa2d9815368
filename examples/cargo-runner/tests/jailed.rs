//! Two tests that stay within `jail.toml`, and one that does not.

use std::net::{TcpListener, TcpStream};

#[test]
fn computes() {
    assert_eq!(cargo_runner::gcd(48, 36), 12);
}

#[test]
fn reads_the_crate_and_writes_a_temporary_file() {
    let manifest = std::fs::read("Cargo.toml").expect("the crate can be read");
    let file = std::env::temp_dir().join(format!("cargo-runner-{}", std::process::id()));
    std::fs::write(&file, &manifest).expect("a temporary file can be written");
    std::fs::remove_file(&file).expect("and removed");
}

/// Outside of the jail it succeeds.
#[test]
fn phones_home() {
    let home = TcpListener::bind("127.0.0.1:0").expect("cannot listen");
    let home = home.local_addr().expect("it has an address");
    TcpStream::connect(home).expect("cannot connect");
}
