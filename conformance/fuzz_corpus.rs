//! The fuzz targets over their corpus (`conformance/fuzz`): what fuzzing has found stays found, without a fuzzer.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

#[path = "fuzz/targets/mod.rs"]
mod targets;

use targets::Outcome;

#[test]
fn every_input_of_the_corpus_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/fuzz/corpus");
    let mut faults = Vec::new();
    for (name, target) in targets::ALL {
        let mut accepted = 0;
        for entry in fs::read_dir(corpus.join(name)).expect("every target has a corpus") {
            let path = entry.expect("a readable directory").path();
            let input = fs::read(&path).expect("a readable input");
            match catch_unwind(|| target(&input)) {
                Ok(Outcome::Accepted) => accepted += 1,
                Ok(Outcome::Refused) if !is_sound(&path) => {}
                Ok(Outcome::Refused) => faults.push(format!("{} is refused", path.display())),
                Err(_) => faults.push(format!("{} panics (above)", path.display())),
            }
        }
        if accepted == 0 {
            faults.push(format!("{name}: no input of its corpus is accepted"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// No directory is left behind when a target is renamed.
#[test]
fn every_corpus_has_its_target() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/fuzz/corpus");
    for entry in fs::read_dir(corpus).expect("a corpus") {
        let name = entry.expect("a readable directory").file_name();
        assert!(targets::ALL.iter().any(|(known, _)| name == **known), "{name:?} is no target");
    }
}

/// Seeds of this name must be accepted.
fn is_sound(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ok_"))
}
