// Half a gigabyte, each page of it touched.
fn main() {
    let mut pieces = Vec::new();
    for piece in 0..512 {
        pieces.push(vec![piece as u8 | 1; 1 << 20]);
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
    std::thread::sleep(std::time::Duration::from_secs(1));
    println!("{}", pieces.len() - 506);
}
