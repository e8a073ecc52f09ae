//! The `shuyu` command.
fn main() {}
