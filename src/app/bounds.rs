//! How much memory requests may take: fixed per request, times how many there may be.

use std::fs;
use std::path::Path;

use tracing::info;

use crate::config::Limits;
use crate::{edge, objects, upstream};

/// What one request holds of bodies at most, in either direction, whatever their size. Beside it stand documents (XML,
/// manifests of objects with many parts), which are bounded one by one.
const REQUEST_BYTES: usize = edge::BODY_BYTES + objects::STREAM_BYTES + upstream::STREAM_BYTES;
/// By default requests may take one part in so many of the memory; the rest is for connections, caches, SQLite and the
/// page cache.
const MEMORY_SHARE: u64 = 2;
/// Fewer than these would make a single client with its ten transfers at a time run into 503s.
const MIN_DEFAULT_REQUESTS: usize = 32;
/// Where the system does not say how much memory there is.
const ASSUMED_MEMORY_BYTES: u64 = 1 << 30;

/// How many requests may be under way, and one line on what that comes to.
pub(super) fn max_requests(limits: &Limits) -> usize {
    // A connection has one request at a time.
    let possible = limits.max_connections;
    let max_requests = limits.max_requests.unwrap_or_else(|| by_memory(memory_bytes())).min(possible);
    let streams = max_requests.saturating_mul(REQUEST_BYTES);
    let connections = limits.max_connections.saturating_mul(edge::CONNECTION_BYTES);
    info!(
        request_bytes = REQUEST_BYTES,
        max_requests,
        connection_bytes = edge::CONNECTION_BYTES,
        max_connections = limits.max_connections,
        bound_mib = streams.saturating_add(connections) >> 20,
        "memory of requests and connections is bounded",
    );
    max_requests
}

fn by_memory(memory_bytes: u64) -> usize {
    let requests = memory_bytes / MEMORY_SHARE / REQUEST_BYTES as u64;
    usize::try_from(requests).unwrap_or(usize::MAX).max(MIN_DEFAULT_REQUESTS)
}

/// What this process may use: the machine's memory, or less where its control group says so.
fn memory_bytes() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_of(&text));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limit = group_of(&groups).and_then(|group| group_limit(Path::new("/sys/fs/cgroup"), group));
    [machine, limit].into_iter().flatten().min().unwrap_or(ASSUMED_MEMORY_BYTES)
}

/// `MemTotal:  16384 kB` of /proc/meminfo, in bytes.
fn total_of(meminfo: &str) -> Option<u64> {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The path of the process in the unified hierarchy: `0::/system.slice/x.service`.
fn group_of(groups: &str) -> Option<&str> {
    groups.lines().find_map(|line| line.strip_prefix("0::/"))
}

/// The smallest `memory.max` from the group up to the root. (`max`, no limit, is no number.)
fn group_limit(root: &Path, group: &str) -> Option<u64> {
    let group = root.join(group);
    let groups = group.ancestors().take_while(|path| path.starts_with(root));
    groups.filter_map(|path| fs::read_to_string(path.join("memory.max")).ok()?.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_follows_the_memory() {
        assert_eq!(by_memory(0), MIN_DEFAULT_REQUESTS);
        let requests = by_memory(4 << 30);
        assert!(requests as u64 * REQUEST_BYTES as u64 <= 2 << 30, "half of it: {requests}");
        assert!(requests > 1000, "and enough for a busy site: {requests}");
    }

    #[test]
    fn the_smallest_limit_on_the_way_up_counts() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("a/b");
        fs::create_dir_all(&group).unwrap();
        assert_eq!(group_limit(root.path(), "a/b"), None);
        fs::write(group.join("memory.max"), "max\n").unwrap();
        fs::write(root.path().join("a/memory.max"), "1000\n").unwrap();
        fs::write(root.path().join("memory.max"), "2000\n").unwrap();
        assert_eq!(group_limit(root.path(), group_of("0::/a/b\n").unwrap()), Some(1000));
    }

    #[test]
    fn memory_of_the_machine_is_read() {
        assert_eq!(total_of("MemFree: 1 kB\nMemTotal:       16384 kB\n"), Some(16 << 20));
        assert_eq!(total_of("nothing"), None);
        assert!(memory_bytes() >= 64 << 20);
    }
}
