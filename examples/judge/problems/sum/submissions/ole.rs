// The same line, again and again: 16 MiB of them.
fn main() {
    for _ in 0..1 << 21 {
        println!("0123456");
    }
}
