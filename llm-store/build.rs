//! New migrations are compiled in: without this, a build would not see a file that is only added.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
