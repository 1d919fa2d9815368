//! `require!`: what a probe finds otherwise than promised ends it with 1 and a message.

macro_rules! require {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            eprintln!($($message)+);
            return 1;
        }
    };
}
