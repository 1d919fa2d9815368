// Four threads that never end.
fn main() {
    let turn = || loop {
        std::hint::spin_loop();
    };
    for _ in 0..3 {
        std::thread::spawn(turn);
    }
    turn()
}
