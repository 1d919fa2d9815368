//! Counts as words.

/// `once`, `twice`, `1,204 times`.
pub fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{} times", grouped(more)),
    }
}

/// `1,204`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        let numbers = [0, 12, 999, 1000, 12_345, 123_456, 1_234_567, u64::MAX].map(grouped);
        let expected = [
            "0",
            "12",
            "999",
            "1,000",
            "12,345",
            "123,456",
            "1,234,567",
            "18,446,744,073,709,551,615",
        ];
        assert_eq!(numbers, expected);
    }

    #[test]
    fn small_counts_have_words() {
        let words = [0, 1, 2, 3, 1204].map(times);
        let expected = ["0 times", "once", "twice", "3 times", "1,204 times"];
        assert_eq!(words, expected);
    }
}
