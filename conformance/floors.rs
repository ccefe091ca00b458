//! Modules import from lower floors only, and modules on one floor do not know each other (`src/lib.rs`, the map).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Every module of the crate root and its floor.
const FLOORS: &[(&str, u8)] = &[
    ("base", 0),
    ("envelope", 1),
    ("s3", 1),
    ("sigv4", 1),
    ("hashing", 2),
    ("keys", 2),
    ("store", 2),
    ("upstream", 2),
    ("authn", 3),
    ("authz", 4),
    ("objects", 5),
    ("gateway", 6),
    ("admin", 7),
    ("edge", 7),
    ("jobs", 7),
    ("config", 8),
    ("app", 9),
    ("cli", 10),
];

#[test]
fn imports_go_down_only() {
    let floors: BTreeMap<&str, u8> = FLOORS.iter().copied().collect();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut faults = Vec::new();
    for file in rust_files(&src) {
        let module = module_of(&src, &file);
        let Some(&floor) = floors.get(module.as_str()) else {
            faults.extend((!matches!(module.as_str(), "lib" | "main")).then(|| format!("{module}: on no floor")));
            continue;
        };
        let text = fs::read_to_string(&file).expect("a source file is readable");
        for (line, import) in crate_imports(&text) {
            let known = floors.get(import.as_str());
            if import != module && known.is_none_or(|&other| other >= floor) {
                faults.push(format!("{}:{line}: {module} (floor {floor}) imports {import}", file.display()));
            }
        }
    }
    assert!(faults.is_empty(), "imports that do not go down:\n{}", faults.join("\n"));
}

/// The check itself is not blind.
#[test]
fn upward_import_is_seen() {
    let found: Vec<_> =
        crate_imports("use crate::gateway::x;\nfn f() { crate::cli::run() }\nuse crate::{base, keys::K};")
            .into_iter()
            .map(|(_, import)| import)
            .collect();
    assert_eq!(found, ["gateway", "cli", "base", "keys"]);
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).expect("src is readable") {
        let path = entry.expect("an entry is readable").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
    files
}

fn module_of(src: &Path, file: &Path) -> String {
    let first = file.strip_prefix(src).expect("below src").components().next().expect("a file has a name");
    first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// Every `crate::name` outside comments, with its line number; groups `crate::{a, b::c}` are taken apart.
fn crate_imports(text: &str) -> Vec<(usize, String)> {
    let mut imports = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let before = text[line_start..at].trim_start();
        if before.starts_with("//") || text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let line = text[..at].matches('\n').count() + 1;
        let rest = &text[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => imports.extend(top_level_names(group).into_iter().map(|name| (line, name))),
            None => imports.push((line, identifier(rest))),
        }
    }
    imports
}

fn top_level_names(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut names = Vec::new();
    let mut start = true;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            c if start && c.is_alphabetic() => {
                names.push(identifier(&group[at..]));
                start = false;
            }
            _ => {}
        }
    }
    names
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}
