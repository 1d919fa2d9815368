//! Sets of ports.

use std::fmt;

/// Ports, as inclusive ranges, ascending and not adjacent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports(Vec<(u16, u16)>);

impl Ports {
    /// All ports, including 0, which stands for one that the kernel chooses.
    pub fn all() -> Ports {
        Ports(vec![(0, u16::MAX)])
    }

    /// One port.
    pub fn one(port: u16) -> Ports {
        Ports(vec![(port, port)])
    }

    /// From `443`, `8000-8999`, `80,443` or `*`.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<Ports, String> {
        if text == "*" {
            return Ok(Ports::all());
        }
        let mut ranges = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (port(first)?, port(last)?);
            if first > last {
                return Err(format!(
                    "the range {part} is empty: {last} comes before {first}"
                ));
            }
            ranges.push((first, last));
        }
        ranges.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::new();
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(before) if u32::from(first) <= u32::from(before.1) + 1 => {
                    before.1 = before.1.max(last);
                }
                _ => merged.push((first, last)),
            }
        }
        Ok(Ports(merged))
    }

    /// Whether the set contains a port.
    pub fn contains(&self, port: u16) -> bool {
        self.0
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&port))
    }

    /// Whether the set contains all ports.
    pub fn are_all(&self) -> bool {
        *self == Ports::all()
    }

    /// The number of ports.
    pub fn count(&self) -> usize {
        let size = |(first, last): &(u16, u16)| usize::from(*last) - usize::from(*first) + 1;
        self.0.iter().map(size).sum()
    }

    /// The first and the last port of each range.
    pub fn ranges(&self) -> impl Iterator<Item = (u16, u16)> + '_ {
        self.0.iter().copied()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }
}

fn port(text: &str) -> Result<u16, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port) if digits => Ok(port),
        _ if digits => Err(format!("{text} is not a port: the last is 65535")),
        _ => Err(format!(
            "`{text}` is not a port: write 443, 8000-8999, 80,443 or *"
        )),
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.are_all() {
            return f.write_str("*");
        }
        for (place, (first, last)) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges_are_joined() {
        let ports = Ports::parse("443,80,8000-8010,8011-8020,8005").expect("ports");
        assert_eq!(ports.to_string(), "80,443,8000-8020");
        assert_eq!(ports.count(), 23);
        assert!(ports.contains(8020) && !ports.contains(8021) && !ports.contains(0));
        assert_eq!(ports.iter().take(3).collect::<Vec<_>>(), [80, 443, 8000]);
    }

    #[test]
    fn all_ports_are_all_however_they_are_written() {
        for text in ["*", "0-65535", "0-79,80-65535"] {
            assert!(Ports::parse(text).expect("ports").are_all(), "{text}");
        }
        assert!(!Ports::parse("1-65535").expect("ports").are_all());
    }

    #[test]
    fn what_is_no_port_is_refused_with_a_reason() {
        for wrong in ["", "x", "80,", "-1", "1-", "+80", "65536", "9-8", "80 "] {
            assert!(Ports::parse(wrong).is_err(), "{wrong}");
        }
        let error = Ports::parse("70000").expect_err("too large");
        assert!(error.contains("65535"), "{error}");
    }
}
