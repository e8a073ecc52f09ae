//! Builds the crate anew when a file is added to the packs or taken from them.

fn main() {
    println!("cargo:rerun-if-changed=../../regulations");
}
