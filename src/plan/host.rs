//! What the kernel at hand can do: plain data, so that tests can take abilities away.
//!
//! It never asks the kernel: whoever starts a jail probes once and passes this on.

/// A host's abilities, as far as a plan depends on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// The Landlock ABI, 0 where there is none.
    pub landlock_abi: u32,
    /// Major and minor version of the kernel.
    pub kernel: (u32, u32),
}

impl Host {
    /// A host with every ability that this program knows of.
    pub fn newest() -> Host {
        Host {
            landlock_abi: u32::MAX,
            kernel: (u32::MAX, 0),
        }
    }
}
