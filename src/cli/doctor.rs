//! `doctor`: what the upstreams of a configuration can do, as a table or as JSON.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde_json::json;
use tokio::runtime;

use crate::app::{Examination, Examined, examine};
use crate::config::{Config, UpstreamConfig};

/// How the findings are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// Probes every upstream, or the one named, and shows what was found. The message of a failure is one line, which says
/// why an upstream cannot be relied on.
pub(super) fn run(config: Config, only: Option<&str>, show: Show) -> Result<(), String> {
    let upstreams = chosen(config.upstreams, only)?;
    let runtime = runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("crypt-keeper: no threads to run on: {error}"))?;
    let examined = runtime.block_on(examine(upstreams));
    let objection = objection(&examined);
    let text = match show {
        Show::Table => table(&examined),
        Show::Json => format!("{:#}\n", json!({ "sound": objection.is_none(), "upstreams": examined })),
    };
    // Nobody who waits has closed the pipe; whoever has does not wait.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    objection.map_or(Ok(()), Err)
}

fn chosen(upstreams: Vec<UpstreamConfig>, only: Option<&str>) -> Result<Vec<UpstreamConfig>, String> {
    let Some(only) = only else { return Ok(upstreams) };
    let names: Vec<String> = upstreams.iter().map(|one| one.name.clone()).collect();
    let chosen: Vec<UpstreamConfig> = upstreams.into_iter().filter(|one| one.name == only).collect();
    match chosen.is_empty() {
        false => Ok(chosen),
        true => Err(format!("crypt-keeper: there is no [upstream.{only}] (there are: {})", names.join(", "))),
    }
}

fn objection(examined: &[Examined]) -> Option<String> {
    let objections = examined.iter().filter_map(|one| Some(format!("upstream.{}: {}", one.name, one.objection()?)));
    let line = objections.collect::<Vec<_>>().join("; ").replace(['\n', '\r'], " ");
    (!line.is_empty()).then(|| format!("crypt-keeper: {line}"))
}

fn table(examined: &[Examined]) -> String {
    let mut text = String::new();
    for (number, one) in examined.iter().enumerate() {
        if number > 0 {
            text.push('\n');
        }
        let head = format!("upstream.{} ({})", one.name, one.kind);
        // Writing to a String cannot fail.
        let _ = match &one.examination {
            Examination::Probed(findings) => write!(text, "{head}\n{findings}"),
            Examination::InUse { note } | Examination::NotMade { note } => writeln!(text, "{head}: {note}"),
            Examination::Failed { error } => writeln!(text, "{head}: {error}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examined(name: &str, examination: Examination) -> Examined {
        Examined { name: name.to_owned(), kind: "local", examination }
    }

    #[test]
    fn every_upstream_has_its_place_in_the_table() {
        let all = [
            examined("default", Examination::NotMade { note: "the first start makes it" }),
            examined("other", Examination::Failed { error: "connection\nrefused".to_owned() }),
        ];
        let expected = "upstream.default (local): the first start makes it\n\n\
                        upstream.other (local): connection\nrefused\n";
        assert_eq!(table(&all), expected);
        assert_eq!(objection(&all).as_deref(), Some("crypt-keeper: upstream.other: connection refused"));
        assert_eq!(objection(&all[..1]), None);
    }
}
