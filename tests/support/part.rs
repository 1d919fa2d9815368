//! A part of a matrix, for machines on which the whole takes too long.

use std::env::{VarError, var};

/// Every so many-th cell of a matrix, beginning with one of them.
#[derive(Clone, Copy)]
pub struct Part {
    first: usize,
    step: usize,
}

impl Part {
    /// What `JAIL_TEST_PART` asks for: `2/7` is the second of seven parts, which together are the whole. Without it,
    /// the whole. Says so if it is less.
    #[track_caller]
    pub fn asked() -> Self {
        let word = match var("JAIL_TEST_PART") {
            Ok(word) => word,
            Err(VarError::NotPresent) => "1/1".to_owned(),
            Err(error) => panic!("JAIL_TEST_PART: {error}"),
        };
        let Some(part) = Self::read(&word) else {
            panic!("JAIL_TEST_PART is {word:?}: expected a part such as 2/7, the second of seven");
        };
        if part.step > 1 {
            println!("NOT TRIED HERE: the matrix but for its part {word}");
        }
        part
    }

    /// `2/7`, for one.
    pub fn read(word: &str) -> Option<Self> {
        let (number, step) = word.split_once('/')?;
        let (number, step): (usize, usize) = (number.parse().ok()?, step.parse().ok()?);
        (1..=step).contains(&number).then(|| Self {
            first: number - 1,
            step,
        })
    }

    /// Whether this part has the cell in this row, column and so on.
    pub fn has<const N: usize>(self, cell: [usize; N]) -> bool {
        cell.iter().sum::<usize>() % self.step == self.first
    }
}
