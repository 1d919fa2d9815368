fn main() {
    let none: Vec<i32> = std::env::args().skip(1).map(|_| 0).collect();
    println!("{}", none[6]);
}
