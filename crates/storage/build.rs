//! Builds again when a migration is added: stable `sqlx::migrate!` does not see new files by itself.

#![expect(clippy::print_stdout, reason = "so a build script speaks with Cargo")]

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
