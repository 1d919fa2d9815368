// Asks somebody else for the answer.
fn main() {
    let _ = std::net::TcpStream::connect("127.0.0.1:80");
    println!("6");
}
