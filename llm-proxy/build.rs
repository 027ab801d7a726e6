//! How the binary is linked: bodies of functions that are the same are kept once, which makes it a
//! tenth smaller.
//!
//! Said only where the compiler brings the linker along that knows the word: whoever names another one
//! gets what that one does by itself.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let says = |name: &str| env::var(name).unwrap_or_default();
    let brought = says("TARGET") == "x86_64-unknown-linux-gnu"
        && says("RUSTC_LINKER").is_empty()
        && !says("CARGO_ENCODED_RUSTFLAGS").contains("linker");
    if brought && says("PROFILE") == "release" {
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
    }
}
