//! How a verdict's times, limits and registers look in JSON: for `#[serde(with)]`.

/// A time, as a number of seconds to the microsecond.
pub mod seconds {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(number(*time))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        f64::deserialize(from).map(time)
    }

    pub fn number(time: Duration) -> f64 {
        time.as_micros() as f64 / 1e6
    }

    /// Rounded to the microsecond, so that what is read is what was written.
    pub fn time(seconds: f64) -> Duration {
        Duration::from_micros((seconds * 1e6).round() as u64)
    }
}

pub mod optional_seconds {
    use super::seconds;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::time::Duration;

    pub fn serialize<S: Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        time.map(seconds::number).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<f64>::deserialize(from)?.map(seconds::time))
    }
}

/// A limit, by its key in `[limits]`.
pub mod limit {
    use crate::policy::LimitKind;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(limit: &Option<LimitKind>, to: S) -> Result<S::Ok, S::Error> {
        limit.map(LimitKind::key).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<LimitKind>, D::Error> {
        let key = Option::<String>::deserialize(from)?;
        let named = |kind: &LimitKind| key.as_deref() == Some(kind.key());
        Ok(LimitKind::ALL.into_iter().find(named))
    }

    #[cfg(test)]
    pub fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let keys = LimitKind::ALL.into_iter().map(|kind| Some(kind.key()));
        let words: Vec<Option<&str>> = keys.chain([None]).collect();
        schemars::json_schema!({ "type": ["string", "null"], "enum": words })
    }
}

/// Registers, as strings: 64 bits do not fit into the numbers of every reader of JSON.
pub mod hexadecimal {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    struct Hex(u64);

    impl Serialize for Hex {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.collect_str(&format_args!("{:#x}", self.0))
        }
    }

    impl<'de> Deserialize<'de> for Hex {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            let text = String::deserialize(from)?;
            let digits = text.strip_prefix("0x");
            let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
            let wrong = || D::Error::custom(format_args!("{text:?} is no register"));
            number.map(Hex).ok_or_else(wrong)
        }
    }

    pub fn serialize<S: Serializer>(registers: &[u64; 6], to: S) -> Result<S::Ok, S::Error> {
        registers.map(Hex).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u64; 6], D::Error> {
        <[Hex; 6]>::deserialize(from).map(|registers| registers.map(|Hex(register)| register))
    }

    #[cfg(test)]
    pub fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "array",
            "items": { "type": "string", "pattern": "^0x[0-9a-f]+$" },
            "minItems": 6,
            "maxItems": 6,
        })
    }
}
