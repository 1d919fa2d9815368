//! Keeping the processor busy, without PAUSE or YIELD: an emulator that counts instructions takes a
//! microsecond for each of those and counts one.

/// Counts `steps` steps: some nanoseconds each.
pub fn busy(mut steps: u32) {
    while steps > 0 {
        steps = std::hint::black_box(steps - 1);
    }
}
