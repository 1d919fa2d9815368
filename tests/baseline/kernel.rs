//! Services of the kernel that reach the jail's supervisor: its keyring, and page faults that it
//! would wait for.

use crate::arena::*;

/// An attack without a jail and within. `errno` is what it gets within, from `rule`.
fn hold(line: &str, name: &str, loot: &str, rule: &str, unable: &[&str]) {
    let words = attack(name, &[]);
    let bare = How::default().run(&words);
    match bare.result() {
        Ok(found) => assert_eq!(found, loot, "{line}: no effect without a jail: {bare:?}"),
        // This host, or this user, cannot do it anyway.
        Err(errno) => {
            println!("NOT TRIED HERE: {line} without a jail: {errno}");
            assert!(unable.contains(&errno), "{line}: {bare:?}");
        }
    }
    let how = How {
        policy: Some(ANYTHING),
        ..How::default()
    };
    let within = how.run(&words);
    row(line, &bare.cell(), &format!("{} by {rule}", within.cell()));
    if within.result() == Err("ENOENT") || within.result() == Err("EACCES") {
        assert_eq!(
            bare.result(),
            within.result(),
            "{line}: no such device for this user"
        );
        return;
    }
    assert_eq!(within.result(), Err("EPERM"), "{line}: {within:?}");
    assert!(within.err.contains(rule), "{line}: who did it? {within:?}");
}

#[test]
fn the_keyring_of_a_parent_cannot_be_replaced() {
    hold(
        "keyctl(KEYCTL_SESSION_TO_PARENT)",
        "session-to-parent",
        "the parent's keyring is another",
        "no-parent-keyring",
        &["ENOSYS"],
    );
}

#[test]
fn faults_of_the_kernel_cannot_be_handled() {
    hold(
        "userfaultfd without UFFD_USER_MODE_ONLY",
        "userfaultfd",
        "an open waited for its path",
        "no-kernel-faults",
        // Without privileges the kernel refuses it (vm.unprivileged_userfaultfd is 0).
        &["EPERM", "ENOSYS"],
    );
    hold(
        "ioctl(USERFAULTFD_IOC_NEW)",
        "userfaultfd-device",
        "an open waited for its path",
        "no-fault-device",
        &["EACCES", "ENOENT"],
    );
}
