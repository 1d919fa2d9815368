//! Whoever connects in another's name without waiting is made to wait: the flag for it belongs to the
//! open file, which all share. The peer takes nobody.

use super::acts::{UNIX, socket};
use super::place::{Place, unix};
use crate::raw;
use crate::raw::sockets::{self, Memory};
use std::time::Duration;

/// Ends after this time, whatever is still under way.
pub fn hold_up(place: &Place, time: Duration) {
    let (memory, address) = (Memory::new(false), unix(place.path("w/full")));
    memory.put(0, &address);
    let (at, length) = (memory.at(0), address.len());
    let listener = socket(UNIX);
    sockets::bind_to(listener, at, length).expect("bind");
    sockets::listen(listener).expect("listen");
    let filler = (UNIX.0, UNIX.1 | libc::SOCK_NONBLOCK);
    while sockets::connect(socket(filler), at, length).is_ok() {}
    let fd = socket(UNIX);
    let flipping = raw::fork(|| {
        raw::die_with_parent();
        loop {
            let _ = sockets::set_status_flags(fd, 0);
        }
    });
    std::thread::spawn(move || {
        loop {
            let _ = sockets::set_status_flags(fd, libc::O_NONBLOCK);
            let _ = sockets::connect(fd, at, length);
        }
    });
    std::thread::sleep(time);
    raw::end(flipping);
    println!("held-up ended");
}
