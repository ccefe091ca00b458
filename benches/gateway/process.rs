//! Each part of a measurement is a process of its own: what the kernel counts for it is what it took.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

/// The kernel tells processor time in hundredths of a second (USER_HZ, the same on every Linux that we run on).
const TICK: Duration = Duration::from_millis(10);

/// A process that listens, ended when this is dropped.
pub(crate) struct Process {
    child: Child,
    address: SocketAddr,
    /// A role of this bench ends when its standard input does, so that none outlives a bench that was killed.
    _stdin: Option<ChildStdin>,
}

impl Process {
    /// Starts a command and waits for the line `ready http://ADDRESS` on its standard output.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process");
        let out = child.stdout.take().expect("a pipe");
        let ready = |line: String| Some(line.split_once("ready http")?.1.trim_start_matches('s').trim().to_owned());
        let address = BufReader::new(out).lines().map_while(Result::ok).find_map(ready);
        let Some(address) = address.and_then(|text| text.trim_start_matches("://").parse().ok()) else {
            let _ = child.kill();
            panic!("{command:?} did not become ready: {:?}", child.wait());
        };
        Self { _stdin: child.stdin.take(), child, address }
    }

    /// Starts a command that says nothing, and knows its address.
    pub(crate) fn start_at(command: &mut Command, address: SocketAddr) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self { child: child.expect("a process"), address, _stdin: None }
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The processor time that it has taken so far, in user and kernel mode.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("a process that lives");
        // The name in parentheses may hold anything; user and system time are fields 14 and 15, the state is the third.
        let (_, after) = stat.rsplit_once(')').expect("a name");
        let ticks: u32 = after.split_whitespace().skip(11).take(2).map(|n| n.parse::<u32>().expect("a number")).sum();
        TICK * ticks
    }

    /// The most memory that it has had since [`Process::forget_peak`], in MiB.
    pub(crate) fn peak_memory_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("a process that lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") >> 10
    }

    /// Makes what it has now the peak.
    pub(crate) fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.id()), "5").expect("a process of ours");
    }

    /// Ends it the hard way and waits.
    pub(crate) fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
