#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| jail::internal::fuzz::message(data));
