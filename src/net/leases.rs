//! Which addresses stand for which names, and until when. The current time is passed in.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The minimum time of a lease: many answers have a TTL of a few seconds.
const SHORTEST: Duration = Duration::from_secs(60);
/// The maximum time of a lease.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// The grace time of every lease: programs keep addresses in pools.
const GRACE: Duration = Duration::from_secs(60);
/// The maximum number of leases.
const MAX_LEASES: usize = 4096;
/// The maximum number of addresses per name.
const MAX_ADDRESSES: usize = 256;

/// The longest name, as text.
const MAX_NAME: usize = 253;
/// The longest label of a name.
const MAX_LABEL: usize = 63;

/// A pattern for names: `registry.example`, or `*.example` for any name beneath `example`, at any
/// depth, but not `example` itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern(String);

impl NamePattern {
    /// Parses a pattern. Upper case and a dot at the end make no difference.
    ///
    /// # Errors
    /// A message about what is wrong.
    pub fn new(text: &str) -> Result<NamePattern, String> {
        let wrong = |what: &str| Err(format!("`{}` is not a name: {what}", text.escape_debug()));
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if name.is_empty() {
            return wrong("it is empty");
        }
        if name == "*" {
            return wrong("a `*` may only precede a name, as in `*.example`");
        }
        if !name.is_ascii() {
            return wrong("it is not ASCII; write such a label as it is looked up, `xn--...`");
        }
        if name.len() > MAX_NAME {
            return wrong("it is longer than 253 bytes");
        }
        for label in name.strip_prefix("*.").unwrap_or(&name).split('.') {
            if label.is_empty() {
                return wrong("a label is empty");
            }
            if label.len() > MAX_LABEL {
                return wrong("a label is longer than 63 bytes");
            }
            if label.contains('*') {
                return wrong("a `*` can only be the whole first label, as in `*.example`");
            }
            if let Some(other) = label.chars().find(|c| !is_of_label(*c)) {
                let other = other.escape_debug();
                return wrong(&format!("`{other}` cannot be part of one"));
            }
        }
        Ok(NamePattern(name))
    }

    /// Whether a name matches. It must be in lower case, without a dot at its end.
    pub fn matches(&self, name: &str) -> bool {
        match self.0.strip_prefix('*') {
            // With the dot before the name.
            Some(end) => name.strip_suffix(end).is_some_and(|rest| !rest.is_empty()),
            None => name == self.0,
        }
    }

    /// Whether it begins with `*.`.
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with('*')
    }

    /// The pattern in lower case, without a dot at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

fn is_of_label(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// The names that addresses stand for, each for a time: the TTL, but at least a minute and at most a
/// day, plus a minute of grace.
///
/// There are at most 4,096 leases, and 256 addresses per name. To make room for another one, expired
/// leases are dropped, and if that is not enough, the one that ends soonest.
#[derive(Debug, Clone, Default)]
pub struct Leases {
    /// When each lease ends. An address without names is not kept.
    ends: BTreeMap<IpAddr, BTreeMap<String, Instant>>,
}

impl Leases {
    /// No leases.
    pub fn new() -> Leases {
        Leases::default()
    }

    /// Leases an address to a name, which must be in lower case, without a dot at its end. An existing
    /// lease is extended, never shortened.
    pub fn lease(&mut self, name: &str, address: IpAddr, ttl: Duration, now: Instant) {
        let address = address.to_canonical();
        // If the clock cannot represent that time, the lease ends at once.
        let end = now
            .checked_add(ttl.clamp(SHORTEST, LONGEST) + GRACE)
            .unwrap_or(now);
        let names = self.ends.get_mut(&address);
        if let Some(known) = names.and_then(|names| names.get_mut(name)) {
            *known = end.max(*known);
            return;
        }
        self.make_room(name, now);
        let names = self.ends.entry(address).or_default();
        names.insert(name.to_owned(), end);
    }

    /// The names that an address currently stands for, sorted.
    pub fn names(&self, address: IpAddr, now: Instant) -> Vec<&str> {
        let names = self.ends.get(&address.to_canonical());
        names
            .into_iter()
            .flatten()
            .filter(|(_, end)| now < **end)
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// Makes room for one more lease of a name.
    fn make_room(&mut self, name: &str, now: Instant) {
        if self.count(None) < MAX_LEASES && self.count(Some(name)) < MAX_ADDRESSES {
            return;
        }
        self.ends.retain(|_, names| {
            names.retain(|_, end| now < *end);
            !names.is_empty()
        });
        if self.count(Some(name)) >= MAX_ADDRESSES {
            self.drop_soonest(Some(name));
        }
        if self.count(None) >= MAX_LEASES {
            self.drop_soonest(None);
        }
    }

    /// The number of leases: of one name, or of all.
    fn count(&self, name: Option<&str>) -> usize {
        let names = self.ends.values();
        match name {
            Some(name) => names.filter(|names| names.contains_key(name)).count(),
            None => names.map(BTreeMap::len).sum(),
        }
    }

    /// Drops the lease that ends soonest: of one name, or of all.
    fn drop_soonest(&mut self, of: Option<&str>) {
        let all = self.ends.iter().flat_map(|(address, names)| {
            let each = names.iter();
            each.map(|(name, end)| (*address, name, *end))
        });
        let soonest = all
            .filter(|(_, name, _)| of.is_none_or(|of| of == *name))
            .min_by_key(|(_, _, end)| *end)
            .map(|(address, name, _)| (address, name.clone()));
        let Some((address, name)) = soonest else {
            return;
        };
        if let Some(names) = self.ends.get_mut(&address) {
            names.remove(&name);
            if names.is_empty() {
                self.ends.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn pattern(text: &str) -> NamePattern {
        NamePattern::new(text).expect(text)
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn address(number: usize) -> IpAddr {
        let number = u32::try_from(number).expect("a small number");
        Ipv4Addr::from_bits(0x0a00_0000 + number).into()
    }

    /// Asserts that a lease with this TTL ends after exactly so many seconds.
    fn assert_lasts(ttl: Duration, expected: u64) {
        let now = Instant::now();
        let mut leases = Leases::new();
        leases.lease("a.example", address(1), ttl, now);
        let last = now + seconds(expected - 1);
        let names = |at| leases.names(address(1), at);
        assert_eq!(names(now), ["a.example"]);
        assert_eq!(names(last), ["a.example"], "{ttl:?}");
        assert!(names(now + seconds(expected)).is_empty(), "{ttl:?}");
    }

    #[test]
    fn a_name_matches_itself_alone() {
        let pattern = pattern("registry.example");
        assert!(pattern.matches("registry.example") && !pattern.is_wildcard());
        for other in ["a.registry.example", "example", "xregistry.example", ""] {
            assert!(!pattern.matches(other), "{other}");
        }
    }

    #[test]
    fn a_wildcard_matches_names_beneath_at_any_depth_but_not_the_name_itself() {
        let pattern = pattern("*.example");
        assert!(pattern.is_wildcard());
        assert!(pattern.matches("a.example") && pattern.matches("a.b.c.example"));
        for other in ["example", ".example", "xexample", "a.example.net", ""] {
            assert!(!pattern.matches(other), "{other}");
        }
    }

    #[test]
    fn patterns_are_lower_case_without_a_dot_at_the_end() {
        for (text, expected) in [
            ("Registry.EXAMPLE.", "registry.example"),
            ("*.Example.", "*.example"),
            ("_dns-1.example", "_dns-1.example"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(pattern(text).as_str(), expected);
            assert_eq!(pattern(text).to_string(), expected);
        }
        assert_eq!(pattern("A.example"), pattern("a.example."));
    }

    #[test]
    fn what_is_no_name_is_refused_in_words() {
        for (wrong, expected) in [
            ("", "empty"),
            (".", "empty"),
            ("*", "may only precede a name"),
            ("*.", "may only precede a name"),
            ("a..example", "a label is empty"),
            (".example", "a label is empty"),
            ("a.example..", "a label is empty"),
            ("*..example", "a label is empty"),
            ("a.*.example", "whole first label"),
            ("a*.example", "whole first label"),
            ("*a.example", "whole first label"),
            ("**.example", "whole first label"),
            ("*.*.example", "whole first label"),
            ("a b.example", "` `"),
            ("a.example:443", "`:`"),
            ("https://a.example", "`:`"),
            ("a\n.example", "`\\n`"),
            ("bücher.example", "xn--"),
        ] {
            let error = NamePattern::new(wrong).expect_err(wrong);
            assert!(error.contains(expected), "{wrong:?}: {error}");
            assert!(!error.contains('\n'), "{error:?}");
        }
    }

    #[test]
    fn a_label_has_at_most_63_bytes_and_a_name_253() {
        let label = "x".repeat(63);
        pattern(&format!("{label}.example"));
        let error = NamePattern::new(&format!("{label}x.example")).expect_err("a long label");
        assert!(error.contains("63"), "{error}");
        let longest = format!("{label}.{label}.{label}.{}", "x".repeat(61));
        assert_eq!(pattern(&format!("{longest}.")).as_str().len(), 253);
        let error = NamePattern::new(&format!("{longest}x")).expect_err("a long name");
        assert!(error.contains("253"), "{error}");
    }

    #[test]
    fn a_lease_lasts_its_ttl_and_a_minute_of_grace() {
        assert_lasts(seconds(61), 121);
        assert_lasts(seconds(300), 360);
    }

    #[test]
    fn a_lease_lasts_a_minute_at_least_and_a_day_at_most_before_its_grace() {
        assert_lasts(seconds(0), 120);
        assert_lasts(seconds(60), 120);
        assert_lasts(seconds(86_400), 86_460);
        assert_lasts(seconds(86_401), 86_460);
        assert_lasts(Duration::MAX, 86_460);
    }

    #[test]
    fn renewing_extends_and_never_shortens() {
        let now = Instant::now();
        let mut leases = Leases::new();
        leases.lease("a.example", address(1), seconds(300), now);
        leases.lease("a.example", address(1), seconds(60), now + seconds(10));
        assert_eq!(leases.names(address(1), now + seconds(359)), ["a.example"]);
        assert!(leases.names(address(1), now + seconds(360)).is_empty());
        leases.lease("a.example", address(1), seconds(300), now + seconds(200));
        assert_eq!(leases.names(address(1), now + seconds(559)), ["a.example"]);
        assert!(leases.names(address(1), now + seconds(560)).is_empty());
        assert_eq!(leases.count(None), 1);
    }

    #[test]
    fn an_expired_lease_can_be_renewed() {
        let now = Instant::now();
        let mut leases = Leases::new();
        leases.lease("a.example", address(1), seconds(60), now);
        let later = now + seconds(1000);
        assert!(leases.names(address(1), later).is_empty());
        leases.lease("a.example", address(1), seconds(60), later);
        assert_eq!(leases.names(address(1), later), ["a.example"]);
    }

    #[test]
    fn the_names_of_an_address_are_sorted() {
        let now = Instant::now();
        let mut leases = Leases::new();
        for name in ["c.example", "a.example", "b.example"] {
            leases.lease(name, address(1), seconds(60), now);
        }
        leases.lease("d.example", address(2), seconds(60), now);
        let names = leases.names(address(1), now);
        assert_eq!(names, ["a.example", "b.example", "c.example"]);
        assert!(leases.names(address(3), now).is_empty());
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        let now = Instant::now();
        let plain: IpAddr = "192.0.2.1".parse().expect("an address");
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().expect("an address");
        let compatible: IpAddr = "::192.0.2.1".parse().expect("an address");
        for (leased, asked) in [(plain, mapped), (mapped, plain)] {
            let mut leases = Leases::new();
            leases.lease("a.example", leased, seconds(60), now);
            assert_eq!(leases.names(asked, now), ["a.example"]);
            assert!(leases.names(compatible, now).is_empty());
        }
    }

    #[test]
    fn a_name_has_at_most_256_addresses_and_loses_the_one_that_ends_soonest() {
        let now = Instant::now();
        let mut leases = Leases::new();
        leases.lease("b.example", address(7), seconds(60), now);
        for number in 0..256 {
            let ttl = seconds(if number == 7 { 100 } else { 200 });
            leases.lease("a.example", address(number), ttl, now);
        }
        assert_eq!(leases.count(Some("a.example")), 256);
        leases.lease("a.example", address(3), seconds(200), now);
        assert_eq!(leases.names(address(7), now), ["a.example", "b.example"]);
        leases.lease("a.example", address(256), seconds(60), now);
        assert_eq!(leases.count(Some("a.example")), 256);
        assert_eq!(leases.names(address(7), now), ["b.example"]);
        assert_eq!(leases.names(address(256), now), ["a.example"]);
    }

    #[test]
    fn there_are_at_most_4096_leases_and_the_one_that_ends_soonest_goes() {
        let now = Instant::now();
        let mut leases = Leases::new();
        for number in 0..4096 {
            let ttl = seconds(if number == 1000 { 100 } else { 200 });
            leases.lease(&format!("n{number}.example"), address(number), ttl, now);
        }
        assert_eq!(leases.count(None), 4096);
        assert_eq!(leases.names(address(1000), now), ["n1000.example"]);
        leases.lease("more.example", address(5000), seconds(60), now);
        assert_eq!(leases.count(None), 4096);
        assert!(leases.names(address(1000), now).is_empty());
        assert!(!leases.ends.contains_key(&address(1000)));
        assert_eq!(leases.names(address(5000), now), ["more.example"]);
    }

    #[test]
    fn expired_leases_go_before_one_that_lasts() {
        let now = Instant::now();
        let mut leases = Leases::new();
        for number in 0..4096 {
            let ttl = seconds(if number < 10 { 60 } else { 200 });
            leases.lease(&format!("n{number}.example"), address(number), ttl, now);
        }
        let later = now + seconds(120);
        leases.lease("more.example", address(5000), seconds(60), later);
        assert_eq!(leases.count(None), 4096 - 10 + 1);
        let live = (10..4096).all(|number| !leases.names(address(number), later).is_empty());
        assert!(live);
    }

    #[test]
    fn expired_addresses_of_a_name_go_before_one_that_lasts() {
        let now = Instant::now();
        let mut leases = Leases::new();
        for number in 0..256 {
            let ttl = seconds(if number < 10 { 60 } else { 200 });
            leases.lease("a.example", address(number), ttl, now);
        }
        let later = now + seconds(120);
        leases.lease("a.example", address(5000), seconds(60), later);
        assert_eq!(leases.count(Some("a.example")), 256 - 10 + 1);
    }
}
