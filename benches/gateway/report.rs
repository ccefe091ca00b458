//! The table, as Markdown.

use crate::load::LARGE_BYTES;
use crate::measure::{Outcome, Spread};
use crate::rows::{Contender, Row, Unit};

/// The head of the table.
pub(crate) fn head() -> String {
    "| | | pass-through | Crypt-Keeper | ratio: median (lowest to highest) | goal | wall: none, pass-through, ours | peak MiB |\n\
     |---|---|---|---|---|---|---|---|"
        .to_owned()
}

/// The lines of a row.
pub(crate) fn lines(row: &Row, outcome: &Outcome) -> Vec<String> {
    let figure = |contender| {
        let figures = outcome.of(contender).iter().map(|sample| row.unit.figure(sample.cpu, row.requests));
        row.unit.show(Spread::of(figures).median)
    };
    let wall = |contender| speed(row, Spread::of(outcome.of(contender).iter().map(|sample| sample.wall)).median);
    row.ways
        .iter()
        .map(|(way, goal)| {
            let ratio = outcome.cpu_ratio(*way);
            // "At least half as many requests" and "at most twice the time" are one thing; goals say the former.
            let ratio = if row.unit == Unit::RequestsPerCpuSecond { ratio.inverse() } else { ratio };
            let name = if row.ways.len() > 1 { format!("{}, {}", row.name, way.name()) } else { row.name.clone() };
            format!(
                "| {name} | {} | {} | {} | {} | {} | {}, {}, {} | {} |",
                row.unit.name(),
                figure(Contender::PassThrough),
                figure(*way),
                spread(ratio),
                goal.show(ratio.median),
                wall(Contender::NoProxy),
                wall(Contender::PassThrough),
                wall(*way),
                outcome.peak_memory_mib,
            )
        })
        .collect()
}

fn speed(row: &Row, wall: f64) -> String {
    match row.unit {
        Unit::CpuSecondsPerGib { bytes } => {
            format!("{:.2} GiB/s", row.requests as f64 * bytes as f64 / f64::from(1 << 30) / wall)
        }
        Unit::RequestsPerCpuSecond | Unit::CpuMilliseconds => format!("{:.0}/s", row.requests as f64 / wall),
    }
}

/// Median, lowest and highest.
pub(crate) fn spread(spread: Spread) -> String {
    format!("**{:.2}** ({:.2} to {:.2})", spread.median, spread.lowest, spread.highest)
}

/// A speed for bodies of the large size.
pub(crate) fn large_speed(wall: f64) -> String {
    format!("{:.2} GiB/s", LARGE_BYTES as f64 / f64::from(1 << 30) / wall)
}
