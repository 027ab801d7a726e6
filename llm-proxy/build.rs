//! How the binary is linked: bodies of functions that are the same are kept once, and places that are
//! mended at a start are written as bits where the system can read them so (1.2 MB less).
//!
//! Said only where the compiler brings the linker along that knows the word, and uses it: whoever names
//! another one gets what that one does by itself.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if says("PROFILE") == "release" && brings_its_linker() {
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
        // Who builds for systems older than that builds on one, and gets what they can read.
        if glibc().is_some_and(|version| version >= PACKED_SINCE) {
            println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        }
    }
}

/// The glibc whose loader reads packed relocations. An older one says at a start that it cannot.
const PACKED_SINCE: (u32, u32) = (2, 36);

/// The version of this machine's glibc.
fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let (major, minor) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn says(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

fn brings_its_linker() -> bool {
    let (target, flags) = (says("TARGET"), says("CARGO_ENCODED_RUSTFLAGS"));
    let usual = target == "x86_64-unknown-linux-gnu"
        && says("HOST") == target
        && says("RUSTC_LINKER").is_empty()
        && !["linker", "fuse-ld"].iter().any(|word| flags.contains(word));
    let root = Command::new(says("RUSTC")).args(["--print", "sysroot"]).output();
    let there = root.ok().and_then(|said| String::from_utf8(said.stdout).ok()).map(|root| {
        let tools = Path::new(root.trim()).join("lib/rustlib").join(&target);
        tools.join("bin/gcc-ld/ld.lld").exists()
    });
    usual && there == Some(true)
}
