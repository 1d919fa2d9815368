//! The checks of `tests/compat/kernels`, which need no kernel and no machine.

use crate::support::{installed, plain};

#[test]
fn the_table_of_kernels_calls_nothing_green_that_did_not_run() {
    let checks = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/compat/kernels/checks.py"
    );
    if !installed("python3") {
        return;
    }
    plain(["python3", checks])
        .output()
        .ends_with(0)
        .complains("OK");
}
