//! What version this host's kernel is of.

/// Whether it is this version of Linux or a later one.
pub fn is_at_least(major: u32, minor: u32) -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|word| word.parse().ok());
    (numbers.next(), numbers.next()) >= (Some(major), Some(minor))
}
