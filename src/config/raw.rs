//! The first stage: a TOML tree with places, read key by key. Nothing stops at the first fault; what nobody asked for
//! is a fault too. (serde's `deny_unknown_fields` would stop at the first one, which is why this is read by hand.)

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::Fault;

/// A value as it stands in the file.
pub(super) type Value<'i> = DeValue<'i>;

/// Collects faults and knows which line an offset is on.
pub(super) struct Reader<'i> {
    text: &'i str,
    faults: RefCell<Vec<Fault>>,
    warnings: RefCell<Vec<Fault>>,
}

impl<'i> Reader<'i> {
    pub(super) const fn new(text: &'i str) -> Self {
        Self { text, faults: RefCell::new(Vec::new()), warnings: RefCell::new(Vec::new()) }
    }

    pub(super) fn fault_at(&self, offset: usize, key: impl Into<String>, message: impl Into<String>) {
        self.faults.borrow_mut().push(self.placed(offset, key.into(), message.into()));
    }

    fn placed(&self, offset: usize, key: String, message: String) -> Fault {
        let line = 1 + self.text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count();
        Fault { line, key, message }
    }

    /// What must not be so, and what need not be so.
    pub(super) fn into_faults_and_warnings(self) -> (Vec<Fault>, Vec<Fault>) {
        (self.faults.into_inner(), self.warnings.into_inner())
    }
}

/// One table of the file. Keys are asked for by name; [`Section::finish`] reports those that nobody asked for.
pub(super) struct Section<'a, 'i> {
    reader: &'a Reader<'i>,
    table: &'a DeTable<'i>,
    at: usize,
    path: String,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'a, 'i> Section<'a, 'i> {
    pub(super) fn top(reader: &'a Reader<'i>, table: &'a DeTable<'i>) -> Self {
        Self { reader, table, at: 0, path: String::new(), asked: RefCell::default() }
    }

    /// The path of one of this section's keys.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// A fault of one key, or of the whole section where the key is not there.
    pub(super) fn fault(&self, key: &str, message: impl Into<String>) {
        self.reader.fault_at(self.offset_of(key), self.path_of(key), message);
    }

    /// What is legal, and seldom meant.
    pub(super) fn warn(&self, key: &str, message: impl Into<String>) {
        let warning = self.reader.placed(self.offset_of(key), self.path_of(key), message.into());
        self.reader.warnings.borrow_mut().push(warning);
    }

    fn offset_of(&self, key: &str) -> usize {
        self.table.get_key_value(key).map_or(self.at, |(name, _)| name.span().start)
    }

    /// Whether the key is there at all.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A value that may be left out. `None` also when it is there and wrong: then a fault has been noted.
    pub(super) fn optional<T>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&Value<'i>) -> Result<T, String>,
    ) -> Option<T> {
        self.asked.borrow_mut().insert(key);
        let value = self.table.get(key)?;
        parse(value.get_ref())
            .map_err(|message| self.reader.fault_at(value.span().start, self.path_of(key), message))
            .ok()
    }

    /// A value that must be there.
    pub(super) fn required<T>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&Value<'i>) -> Result<T, String>,
    ) -> Option<T> {
        if !self.has(key) {
            self.fault(key, "is missing");
        }
        self.optional(key, parse)
    }

    /// A table that may be left out.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'a, 'i>> {
        self.asked.borrow_mut().insert(key);
        self.table.get_key_value(key).and_then(|(name, value)| self.enter(name, value))
    }

    /// Every key of this section as a table of its own, whatever its name: `[upstream.NAME]`.
    pub(super) fn named_sections(&self) -> Vec<(String, Section<'a, 'i>)> {
        let tables = self.table.iter();
        tables.filter_map(|(name, value)| Some((name.get_ref().to_string(), self.enter(name, value)?))).collect()
    }

    fn enter(&self, name: &Spanned<Cow<'i, str>>, value: &'a Spanned<Value<'i>>) -> Option<Section<'a, 'i>> {
        let path = self.path_of(name.get_ref());
        match value.get_ref() {
            DeValue::Table(table) => {
                let asked = RefCell::default();
                Some(Section { reader: self.reader, table, at: name.span().start, path, asked })
            }
            other => {
                self.reader.fault_at(value.span().start, path, format!("must be a table, not {}", kind_of(other)));
                None
            }
        }
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(&self) {
        let asked = self.asked.borrow();
        for (name, _) in self.table {
            let key = name.get_ref().as_ref();
            if !asked.contains(key) {
                let known = asked.iter().copied().collect::<Vec<_>>().join(", ");
                let message = format!("is not a known key here (known: {known})");
                self.reader.fault_at(name.span().start, self.path_of(key), message);
            }
        }
    }
}

/// What a value is, for messages.
pub(super) const fn kind_of(value: &Value<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// A string.
pub(super) fn text<'v>(value: &'v Value<'_>) -> Result<&'v str, String> {
    match value {
        DeValue::String(text) => Ok(text),
        other => Err(format!("must be a string, not {}", kind_of(other))),
    }
}

/// A string that is not empty.
pub(super) fn nonempty_text(value: &Value<'_>) -> Result<String, String> {
    match text(value)? {
        "" => Err("must not be empty".to_owned()),
        text => Ok(text.to_owned()),
    }
}

/// One of a few words.
pub(super) fn choice<T: Copy>(value: &Value<'_>, words: &[(&str, T)]) -> Result<T, String> {
    let given = text(value)?;
    words.iter().find(|(word, _)| *word == given).map(|(_, meant)| *meant).ok_or_else(|| {
        let known: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        format!("must be one of {}", known.join(", "))
    })
}

/// `true` or `false`.
pub(super) fn boolean(value: &Value<'_>) -> Result<bool, String> {
    match value {
        DeValue::Boolean(given) => Ok(*given),
        other => Err(format!("must be true or false, not {}", kind_of(other))),
    }
}

/// An integer in a range, both ends included.
pub(super) fn integer(value: &Value<'_>, min: u64, max: u64) -> Result<u64, String> {
    let DeValue::Integer(digits) = value else {
        return Err(format!("must be an integer, not {}", kind_of(value)));
    };
    u64::from_str_radix(digits.as_str(), digits.radix())
        .ok()
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| format!("must be from {min} to {max}"))
}

/// An array of strings that are not empty.
pub(super) fn texts(value: &Value<'_>) -> Result<Vec<String>, String> {
    match value {
        DeValue::Array(items) => items.iter().map(|item| nonempty_text(item.get_ref())).collect(),
        other => Err(format!("must be an array of strings, not {}", kind_of(other))),
    }
}
