//! The gateway against a plain hyper pass-through, and against no proxy: processor time of the proxy alone.
//!
//! `cargo bench --bench gateway` measures over a null backend, in about five minutes; with `-- minio` over MinIO. `--quick`
//! takes one minute, `--only TEXT` the rows whose name has the text, `--prefixes` the listing of a million keys.
//!
//! Every part is a process of its own: backend, pass-through, Crypt-Keeper (the release binary with default settings) and
//! the load, which is this one. The kernel's account of a process is its result: wall time on a machine where all of
//! them share the cores says little, processor time says what the proxy costs.

#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is its result")]

use std::env;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, exit};
use std::thread;

use clap::{Parser, ValueEnum};

mod client;
mod extra;
mod load;
mod measure;
mod minio;
mod null_backend;
mod pass_through;
mod process;
mod proxy;
mod report;
mod rows;
mod sign;
mod tls;
mod wire;

use self::load::{Load, READ_BUCKET};
use self::measure::{Field, PLAIN_BUCKET};
use self::process::Process;
use self::proxy::{Site, Upstream};
use self::rows::Effort;
use self::sign::Signer;
use self::tls::Certificate;

/// The same for the client, the proxy and MinIO: one request fits all of them.
const ACCESS_KEY: &str = "AKIABENCH";
const SECRET_KEY: &str = "a-secret-that-guards-nothing";
/// The bucket whose ETags are no MD5.
const OPAQUE_BUCKET: &str = "opaque";
/// Rounds of each row.
const ROUNDS: usize = 5;
const QUICK_ROUNDS: usize = 3;

#[derive(Parser)]
struct Arguments {
    /// What stands behind the proxies.
    #[arg(value_enum, default_value_t = Backend::Null)]
    backend: Backend,
    /// A fifth of the time.
    #[arg(long)]
    quick: bool,
    /// Only rows whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// How many rounds each row has.
    #[arg(long)]
    rounds: Option<usize>,
    /// TLS between all of them, for the rows that move bytes.
    #[arg(long)]
    tls: bool,
    /// The common prefixes of a million keys, and nothing else.
    #[arg(long)]
    prefixes: bool,
    /// cargo's.
    #[arg(long, hide = true)]
    bench: bool,
    /// This process is one of the others.
    #[arg(long, hide = true, value_enum)]
    role: Option<Role>,
    /// Where the pass-through passes to.
    #[arg(long, hide = true)]
    to: Option<SocketAddr>,
    /// Where the certificate of this run is.
    #[arg(long, hide = true)]
    certificate: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Backend {
    /// In memory, in this bench.
    Null,
    /// MinIO on a temporary directory.
    Minio,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Role {
    NullBackend,
    PassThrough,
}

fn main() {
    let arguments = Arguments::parse();
    match arguments.role {
        Some(role) => play(role, arguments.to, arguments.certificate.map(Certificate::found).as_ref()),
        None if arguments.prefixes => say(&extra::prefixes(&Load::new(signer()))),
        None => race(&arguments),
    }
}

fn race(arguments: &Arguments) {
    let effort = if arguments.quick { Effort::Quick } else { Effort::Usual };
    let rounds = arguments.rounds.unwrap_or(if arguments.quick { QUICK_ROUNDS } else { ROUNDS });
    let dir = tempfile::tempdir().expect("a directory");
    let certificate = arguments.tls.then(|| Certificate::make(dir.path()));
    let certificate = certificate.as_ref();
    let backend = match arguments.backend {
        Backend::Null => Process::start(&mut role(Role::NullBackend, certificate)),
        Backend::Minio => minio::start(dir.path(), certificate),
    };
    let to = backend.address();
    let pass_through = Process::start(role(Role::PassThrough, certificate).arg("--to").arg(to.to_string()));
    let site = Site::new(&Upstream::S3(to), certificate);
    let proxy = site.start();
    eprintln!("Crypt-Keeper is process {}, the pass-through {}", proxy.id(), pass_through.id());

    let tls = certificate.map(Certificate::client);
    let mut field = Field { load: Load::new(signer()), backend, pass_through, proxy, tls };
    let proxy = field.endpoint(&field.proxy);
    extra::make_bucket(&field.load, &field.endpoint(&field.backend), PLAIN_BUCKET);
    for bucket in [READ_BUCKET, OPAQUE_BUCKET] {
        extra::make_bucket(&field.load, &proxy, bucket);
    }
    field.load.prepare(&proxy);

    say(&extra::alone(&field.load));
    println!();
    println!("{}", report::head());
    for row in
        rows::rows(effort).iter().filter(|row| row.name.contains(&arguments.only) && (!arguments.tls || row.in_tls()))
    {
        let outcome = field.measure(row, row.rounds.map_or(rounds, |few| few.min(rounds)));
        say(&report::lines(row, &outcome));
    }
    println!();
    if "one stream".contains(&arguments.only) {
        say(&extra::one_stream(&field, rounds));
    }
    if "cold".contains(&arguments.only) {
        say(&extra::cold_list(&site, &mut field));
    }
}

fn say(lines: &[String]) {
    for line in lines {
        println!("{line}");
    }
}

fn signer() -> Signer {
    Signer::new(ACCESS_KEY, SECRET_KEY)
}

/// This bench again, as one of the other processes.
fn role(role: Role, certificate: Option<&Certificate>) -> Command {
    let mut command = Command::new(env::current_exe().expect("this program"));
    let name = role.to_possible_value().expect("a name");
    command.arg("--role").arg(name.get_name());
    if let Some(certificate) = certificate {
        command.arg("--certificate").arg(certificate.dir());
    }
    command
}

/// Serves until standard input ends, which it does with the process that started this one.
fn play(role: Role, to: Option<SocketAddr>, certificate: Option<&Certificate>) {
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        exit(0);
    });
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    println!("ready http://{}", listener.local_addr().expect("an address"));
    match (role, to) {
        (Role::NullBackend, _) => null_backend::serve(&listener, certificate).expect("connections"),
        (Role::PassThrough, Some(backend)) => pass_through::run(listener, backend, certificate),
        (Role::PassThrough, None) => panic!("--to is missing"),
    }
}
