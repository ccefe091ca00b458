//! What is wrong with a configuration: every fault with its place, all of them in one run.

use std::fmt;
use std::path::{Path, PathBuf};

/// One fault. Its message never holds a secret's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line in the file, from 1; 0 where the fault has no line (a flag, a variable, the file itself).
    pub line: usize,
    /// The path of the key (`upstream.default.path`); empty where there is none.
    pub key: String,
    /// What is wrong and what is expected.
    pub message: String,
}

/// Every fault of one configuration, in the order of lines; never empty.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct Faults {
    /// The file, where there is one.
    pub file: Option<PathBuf>,
    /// The faults.
    pub faults: Vec<Fault>,
}

impl Faults {
    /// Sorted by line, so that they read as the file does.
    pub(super) fn new(file: Option<&Path>, mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| fault.line);
        Self { file: file.map(Path::to_owned), faults }
    }

    /// A single one without a line.
    pub(super) fn one(file: Option<&Path>, message: String) -> Self {
        Self::new(file, vec![Fault { line: 0, key: String::new(), message }])
    }
}

/// One line: `key: message`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// One line per fault, as compilers do: `file:line: key: message`.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.faults.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            if let Some(file) = &self.file {
                write!(f, "{}:", file.display())?;
                if fault.line > 0 {
                    write!(f, "{}:", fault.line)?;
                }
                write!(f, " ")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}
