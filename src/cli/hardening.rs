//! What the process takes away from others before it holds its first key, and the file descriptors that it needs.

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit, umask};

/// No core dumps and no debugger of the same user (both show keys), files for their owner only.
/// Best effort: where the system refuses, serving goes on as it would have without.
pub(super) fn harden() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    umask(Mode::RWXG | Mode::RWXO);
    // The soft limit is often 1024 for the sake of select(2), which nothing here uses; a connection with a stored file
    // takes two.
    let files = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: files.maximum, maximum: files.maximum });
}
