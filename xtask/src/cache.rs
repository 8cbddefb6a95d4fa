//! Where build outputs and installed tools are kept between clones.

use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::run::variable;

/// `$XDG_CACHE_HOME/evercal`, else `~/.cache/evercal`. A relative path is no path here, as the XDG rules say and as
/// `crates/devserver/src/options.rs` has it.
pub fn folder() -> anyhow::Result<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    Ok(base.context("neither XDG_CACHE_HOME nor HOME names an absolute folder")?.join("evercal"))
}

/// Where Cargo builds: what the caller says, else the cache. Nobody else takes it while this value lives.
pub struct Target {
    pub folder: PathBuf,
    _lock: File,
}

impl Target {
    /// Takes it for a run of this checkout with the profile whose outputs are in the folder `profile`.
    pub fn take(profile: &str) -> anyhow::Result<Self> {
        let folder = match variable("CARGO_TARGET_DIR") {
            Some(folder) => PathBuf::from(folder),
            None => folder()?.join("target"),
        };
        let package = variable("CARGO_MANIFEST_DIR").context("Cargo has to run this: `cargo verify`")?;
        let checkout = Path::new(&package).parent().context("this package lies in no checkout")?;
        Self::take_for(checkout, folder, profile)
    }

    /// Cargo takes a crate for built when its sources are older than the last build, also when that was one of another
    /// checkout (<https://github.com/rust-lang/cargo/issues/16642>): its programs would be tested in place of ours. So what
    /// another checkout has built of our own crates is forgotten; the libraries stay, which is what the folder is shared for.
    fn take_for(checkout: &Path, folder: PathBuf, profile: &str) -> anyhow::Result<Self> {
        let outputs = folder.join(profile);
        fs::create_dir_all(&outputs).with_context(|| format!("making {}", outputs.display()))?;
        let (mut lock, path) = lock(&outputs)?;
        let (context, mut last) = (|| format!("using {}", path.display()), String::new());
        lock.read_to_string(&mut last).with_context(context)?;
        let inode = fs::metadata(checkout).with_context(|| format!("reading {}", checkout.display()))?.ino();
        // Another checkout may have come into the place of the last one.
        let this = format!("{}\n{inode}\n", checkout.display());
        if last != this {
            forget_our_crates(&outputs.join(".fingerprint"))?;
            lock.rewind().and_then(|()| lock.set_len(0)).with_context(context)?;
            lock.write_all(this.as_bytes()).with_context(context)?;
        }
        Ok(Self { folder, _lock: lock })
    }
}

fn lock(outputs: &Path) -> anyhow::Result<(File, PathBuf)> {
    let path = outputs.join("evercal-checkout");
    let open = || {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                eprintln!("waiting for another run that builds in {}", outputs.display());
                file.lock()?;
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(file)
    };
    let file = open().with_context(|| format!("locking {}", path.display()))?;
    Ok((file, path))
}

fn forget_our_crates(fingerprints: &Path) -> anyhow::Result<()> {
    for fingerprint in fs::read_dir(fingerprints).into_iter().flatten().filter_map(Result::ok) {
        let name = fingerprint.file_name();
        if ["evercal-", "xtask-"].iter().any(|ours| name.to_string_lossy().starts_with(ours)) {
            let path = fingerprint.path();
            fs::remove_dir_all(&path).with_context(|| format!("deleting {}", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::run::{cargo, printed};

    use super::*;

    fn checkout(folder: &Path, says: &str) {
        fs::create_dir_all(folder.join("src")).unwrap();
        let manifest = "[workspace]\n[package]\nname = \"evercal-example\"\nedition = \"2024\"\n";
        fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        fs::write(folder.join("src/main.rs"), format!("fn main() {{ println!(\"{says}\"); }}")).unwrap();
    }

    fn built(checkout: &Path, target: &Target) -> String {
        let mut build = cargo(&["build", "--quiet", "--offline"]);
        let built = build.current_dir(checkout).env("CARGO_TARGET_DIR", &target.folder).output().unwrap();
        assert!(built.status.success(), "{built:?}");
        printed(&mut std::process::Command::new(target.folder.join("debug/evercal-example"))).unwrap()
    }

    #[test]
    fn what_another_checkout_built_is_not_taken_for_ones_own_and_ones_own_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("first"), folder.path().join("second"));
        checkout(&first, "first");
        checkout(&second, "second");
        let take = |checkout: &Path| Target::take_for(checkout, folder.path().join("target"), "debug").unwrap();
        assert_eq!(built(&first, &take(&first)), "first");
        assert_eq!(built(&second, &take(&second)), "second");

        let fingerprints = || fs::read_dir(folder.path().join("target/debug/.fingerprint")).unwrap().count();
        fs::create_dir(folder.path().join("target/debug/.fingerprint/serde-0")).unwrap();
        drop(take(&second));
        assert_eq!(fingerprints(), 2, "the same checkout again");
        drop(take(&first));
        assert_eq!(fingerprints(), 1, "the libraries stay");
    }
}
