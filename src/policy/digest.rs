//! A policy's digest: 128 bits that show whether two runs had the same policy. It identifies but does
//! not authenticate: an attacker can construct another policy with the same digest.

use super::{Policy, Source};

/// FNV-1a with 128 bits.
struct Fnv(u128);

impl Fnv {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u128::from(byte)).wrapping_mul(Self::PRIME);
        }
    }

    /// Hashes the length first, as eight little-endian bytes, so that texts stay separate.
    fn add_text(&mut self, text: &str) {
        self.add(&(text.len() as u64).to_le_bytes());
        self.add(text.as_bytes());
    }
}

/// See [`Policy::digest`].
pub(super) fn of(sources: &[Source]) -> String {
    let mut hash = Fnv(Fnv::BASIS);
    for source in sources {
        hash.add_text(&source.name);
        hash.add_text(&source.text);
    }
    format!("fnv1a128:{:032x}", hash.0)
}

impl Policy {
    /// `fnv1a128:` and 32 hexadecimal digits: the digest of the name and the text of each source, in the
    /// order of [`Policy::sources`].
    pub fn digest(&self) -> &str {
        self.sources.digest()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        let hash = |text: &str| {
            let mut hash = Fnv(Fnv::BASIS);
            hash.add(text.as_bytes());
            format!("{:032x}", hash.0)
        };
        assert_eq!(hash(""), "6c62272e07bb014262b821756295c58d");
        assert_eq!(hash("foobar"), "343e1662793c64bf6f0d3597ba446f18");
    }

    #[test]
    fn names_and_texts_change_the_digest_and_nothing_else_does() {
        let digest = |text, name| {
            Policy::parse(text, name)
                .expect("a policy")
                .digest()
                .to_owned()
        };
        let one = digest("default = \"allow\"\n", "a.toml");
        assert_eq!(one, digest("default = \"allow\"\n", "a.toml"));
        assert_ne!(one, digest("default = \"allow\"\n", "b.toml"));
        assert_ne!(one, digest("default = \"allow\" \n", "a.toml"));
        let policy = Policy::parse("", "a.toml").expect("a policy");
        let limited = policy.clone().with_limits(&Limits::new().processes(3));
        assert_eq!(policy.digest(), digest("", "a.toml"));
        assert_ne!(limited.digest(), policy.digest(), "a file was added");
        assert_ne!(
            digest("extends = [\"net\"]\n", "a.toml"),
            digest("extends = [\"base\"]\n", "a.toml")
        );
    }
}
