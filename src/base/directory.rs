//! Directories that are still there after a power cut.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Makes a directory and those missing above it, which only their owner may enter. Each is durable on return: the entry
/// of a new directory is in the one above it, and only syncing that one makes it stay. Blocking.
pub fn make_private(path: &Path) -> io::Result<()> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    missing.iter().try_for_each(|made| match made.parent() {
        Some(above) if !above.as_os_str().is_empty() => sync(above),
        _ => sync(Path::new(".")),
    })
}

/// Makes the entries of a directory durable. Blocking.
pub fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::make_private;

    #[test]
    fn every_missing_directory_is_made_for_its_owner_only() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a/b/c");
        make_private(&path).expect("made");
        make_private(&path).expect("there already");
        for made in path.ancestors().take(3) {
            let mode = made.metadata().expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{}", made.display());
        }
        std::fs::write(dir.path().join("file"), "").expect("written");
        assert!(make_private(&dir.path().join("file/d")).is_err());
    }
}
