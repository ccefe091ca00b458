//! The command line: parse, dispatch, exit code.
//!
//! Standard output carries what was asked for, standard error the logs and, when a command fails, one line (or one per
//! fault of the configuration) that says what to do. Exit codes: 0 done, 1 failed, 2 wrong usage.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Config;

mod adopt;
mod banner;
mod doctor;
mod hardening;
mod logging;
mod run;

/// Where `dev` listens by default.
const DEV_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9000);

/// An S3-compatible encrypting reverse proxy.
#[derive(Parser)]
#[command(name = "crypt-keeper", version, about, long_about = None)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve an encrypted S3 from one directory, with nothing to configure.
    ///
    /// Root credentials come from CRYPT_KEEPER_ROOT_ACCESS_KEY and CRYPT_KEEPER_ROOT_SECRET_KEY; without them they are
    /// made on the first start, kept sealed, and shown at every start.
    Dev {
        /// The directory that keeps everything [default: crypt-keeper in the user's data directory].
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// Where S3 clients connect; port 0 takes any free one.
        #[arg(long, value_name = "ADDR", default_value_t = DEV_LISTEN)]
        listen: SocketAddr,
        /// Where health and metrics are served [default: loopback, the next port].
        #[arg(long, value_name = "ADDR")]
        admin_listen: Option<SocketAddr>,
    },
    /// Serve as a configuration file says.
    Serve {
        /// The configuration file; config/crypt-keeper.toml shows every key.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Take in a bucket that an upstream has already.
    ///
    /// The root user owns it then. Nothing in it is changed: what Crypt-Keeper did not write is refused or handed through
    /// as foreign_objects says, until it is written anew. The server may go on running, unless the upstream is a
    /// directory; start it once before.
    Adopt {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The upstream that has it [default: what the configuration says of this bucket, or the only one].
        #[arg(long, value_name = "NAME")]
        upstream: Option<String>,
        /// The bucket.
        bucket: String,
    },
    /// Find out what the upstreams of a configuration file can do.
    ///
    /// Writes a few dozen objects to the internal bucket of each and removes them; a server may be running meanwhile. Exit
    /// code 1 when one of them cannot be reached, or cannot be relied on.
    Doctor {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// For programs instead of people.
        #[arg(long)]
        json: bool,
        /// Only this upstream of the file.
        #[arg(long, value_name = "NAME")]
        upstream: Option<String>,
    },
    /// Report every fault of a configuration file at once, touching nothing.
    CheckConfig {
        /// The configuration file.
        file: PathBuf,
    },
}

/// Runs the command of this process.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    hardening::harden();
    match execute(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(io::stderr().lock(), "{message}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> Result<(), String> {
    let env = &|name: &str| env::var_os(name);
    match command {
        Command::Dev { data, listen, admin_listen } => {
            let data = match data {
                Some(data) => data,
                None => default_data_dir(env)?,
            };
            let config = Config::dev(&data, listen, admin_listen, env).map_err(|faults| faults.to_string())?;
            run::run(config, run::Mode::Dev)
        }
        Command::Serve { config } => {
            let config = Config::load(&config, env).map_err(|faults| faults.to_string())?;
            run::run(config, run::Mode::Serve)
        }
        Command::Adopt { config, upstream, bucket } => {
            let config = Config::load(&config, env).map_err(|faults| faults.to_string())?;
            adopt::run(config, upstream.as_deref(), &bucket)
        }
        Command::Doctor { config, json, upstream } => {
            let config = Config::load(&config, env).map_err(|faults| faults.to_string())?;
            let show = if json { doctor::Show::Json } else { doctor::Show::Table };
            doctor::run(config, upstream.as_deref(), show)
        }
        Command::CheckConfig { file } => {
            let config = Config::load(&file, env).map_err(|faults| faults.to_string())?;
            for warning in &config.warnings {
                let _ = writeln!(io::stderr().lock(), "{}:{}: warning: {warning}", file.display(), warning.line);
            }
            // As above: no reader, no matter.
            let _ = writeln!(io::stdout().lock(), "{}: sound", file.display());
            Ok(())
        }
    }
}

/// The XDG base directory specification: `$XDG_DATA_HOME`, where it is absolute, else `~/.local/share`.
fn default_data_dir(env: &dyn Fn(&str) -> Option<OsString>) -> Result<PathBuf, String> {
    let set = |name: &str| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    set("XDG_DATA_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".local/share")))
        .map(|data| data.join("crypt-keeper"))
        .ok_or_else(|| "crypt-keeper: there is no home directory: name a data directory with --data DIR".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn data_directory_follows_xdg() {
        let dir = |xdg: Option<&str>, home: Option<&str>| {
            let lookup = |name: &str| match name {
                "XDG_DATA_HOME" => xdg.map(OsString::from),
                "HOME" => home.map(OsString::from),
                _ => None,
            };
            default_data_dir(&lookup).ok()
        };
        assert_eq!(dir(Some("/x"), Some("/h")), Some("/x/crypt-keeper".into()));
        assert_eq!(dir(None, Some("/h")), Some("/h/.local/share/crypt-keeper".into()));
        assert_eq!(dir(Some("relative"), Some("/h")), Some("/h/.local/share/crypt-keeper".into()));
        assert_eq!(dir(None, None), None);
    }
}
