//! Reads TOML tables field by field, and keeps every fault with its line.

use super::fault::{Complaint, Gravity, KindFault, nearest, one_of};
use crate::duration;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One file being read: where its lines begin, and what is wrong with it so far.
pub(super) struct Reader<'f> {
    file: &'f Path,
    line_starts: Vec<usize>,
    pub(super) faults: Vec<KindFault>,
}

impl<'f> Reader<'f> {
    pub(super) fn new(file: &'f Path, text: &str) -> Self {
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { file, line_starts: std::iter::once(0).chain(starts).collect(), faults: Vec::new() }
    }

    pub(super) fn line(&self, at: usize) -> u32 {
        let lines = self.line_starts.partition_point(|start| *start <= at);
        u32::try_from(lines).unwrap_or(u32::MAX)
    }

    pub(super) fn say(&mut self, at: Option<&Range<usize>>, field: impl Into<String>, complaint: Complaint) {
        let line = at.map(|at| self.line(at.start));
        let Complaint { gravity, problem, remedy } = complaint;
        let file = self.file.to_owned();
        self.faults.push(KindFault { gravity, file, line, field: field.into(), problem, remedy });
    }

    pub(super) fn has_errors(&self) -> bool {
        self.faults.iter().any(|fault| fault.gravity == Gravity::Error)
    }
}

/// A value with its place and its whole name.
#[derive(Debug, Clone)]
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) at: Range<usize>,
    pub(super) field: String,
}

/// One table and its place in the file. Unknown keys were reported when it was opened.
pub(super) struct Fields<'t, 'i> {
    table: &'t DeTable<'i>,
    pub(super) path: String,
    pub(super) at: Range<usize>,
}

impl<'t, 'i> Fields<'t, 'i> {
    /// Opens a table that may hold only the known keys.
    pub(super) fn open(
        reader: &mut Reader<'_>,
        table: &'t DeTable<'i>,
        path: &str,
        at: Range<usize>,
        known: &[&str],
    ) -> Self {
        let fields = Self { table, path: path.to_owned(), at };
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let remedy = match nearest(name, known.iter().copied()) {
                    Some(near) => format!("Write `{near}`"),
                    None => format!("Remove it; known are {}", known.join(", ")),
                };
                let complaint = Complaint::error("there is no such key", remedy);
                reader.say(Some(&key.span()), fields.name(name), complaint);
            }
        }
        fields
    }

    /// Opens a table whose keys are free.
    pub(super) fn open_free(table: &'t DeTable<'i>, path: &str, at: Range<usize>) -> Self {
        Self { table, path: path.to_owned(), at }
    }

    /// The whole name of a key of this table.
    pub(super) fn name(&self, key: &str) -> String {
        match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }

    /// All keys with their values, in the order of the file.
    pub(super) fn entries(&self) -> Vec<(Found<String>, &'t Spanned<DeValue<'i>>)> {
        let mut entries: Vec<_> = self
            .table
            .iter()
            .map(|(key, value)| {
                let name = key.get_ref().to_string();
                (Found { field: self.name(&name), value: name, at: key.span() }, value)
            })
            .collect();
        entries.sort_by_key(|(key, _)| key.at.start);
        entries
    }

    pub(super) fn value(&self, key: &str) -> Option<&'t Spanned<DeValue<'i>>> {
        self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    /// A text that is not empty.
    pub(super) fn text(&self, reader: &mut Reader<'_>, key: &str) -> Option<Found<String>> {
        let value = self.value(key)?;
        let found = text_of(reader, value, self.name(key))?;
        if found.value.trim().is_empty() {
            reader.say(
                Some(&found.at),
                found.field,
                Complaint::error("it is empty", "Give it a text, or remove it"),
            );
            return None;
        }
        Some(found)
    }

    /// A boolean.
    pub(super) fn flag(&self, reader: &mut Reader<'_>, key: &str) -> Option<bool> {
        let value = self.value(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            wrong_type(reader, value, self.name(key), "true or false");
        }
        flag
    }

    /// A duration.
    pub(super) fn duration(&self, reader: &mut Reader<'_>, key: &str) -> Option<Found<Duration>> {
        let Found { value, at, field } = self.text(reader, key)?;
        match duration::parse(&value) {
            Ok(value) => Some(Found { value, at, field }),
            Err(error) => {
                reader.say(Some(&at), field, super::ladder::split_sentence(&error.to_string()));
                None
            }
        }
    }

    /// One word of a closed list.
    pub(super) fn choice<T: Copy>(
        &self,
        reader: &mut Reader<'_>,
        key: &str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let Found { value, at, field } = self.text(reader, key)?;
        let choice = words.iter().find(|(word, _)| *word == value).map(|(_, choice)| *choice);
        if choice.is_none() {
            let names = words.iter().map(|(word, _)| *word);
            let remedy = match nearest(&value, names.clone()) {
                Some(near) => format!("Write \"{near}\""),
                None => format!("Write {}", one_of(names)),
            };
            reader.say(Some(&at), field, Complaint::error(format!("\"{value}\" is not known"), remedy));
        }
        choice
    }

    /// A table.
    pub(super) fn table(&self, reader: &mut Reader<'_>, key: &str) -> Option<Found<&'t DeTable<'i>>> {
        let value = self.value(key)?;
        table_of(reader, value, self.name(key))
    }

    /// A list of tables (`[[key]]`).
    pub(super) fn tables(&self, reader: &mut Reader<'_>, key: &str) -> Option<Vec<Found<&'t DeTable<'i>>>> {
        let value = self.value(key)?;
        let field = self.name(key);
        let Some(list) = value.get_ref().as_array() else {
            wrong_type(
                reader,
                value,
                field.clone(),
                &format!("a list of tables, each beginning with [[{field}]]"),
            );
            return None;
        };
        let tables = list.iter().enumerate();
        Some(tables.filter_map(|(n, item)| table_of(reader, item, format!("{field}[{n}]"))).collect())
    }
}

/// The table that a value is, or a fault.
pub(super) fn table_of<'t, 'i>(
    reader: &mut Reader<'_>,
    value: &'t Spanned<DeValue<'i>>,
    field: String,
) -> Option<Found<&'t DeTable<'i>>> {
    match value.get_ref().as_table() {
        Some(table) => Some(Found { value: table, at: value.span(), field }),
        None => {
            wrong_type(reader, value, field.clone(), &format!("a table, beginning with [{field}]"));
            None
        }
    }
}

/// The text that a value is, or a fault.
pub(super) fn text_of(
    reader: &mut Reader<'_>,
    value: &Spanned<DeValue<'_>>,
    field: String,
) -> Option<Found<String>> {
    match value.get_ref().as_str() {
        Some(text) => Some(Found { value: text.to_owned(), at: value.span(), field }),
        None => {
            wrong_type(reader, value, field, "a text in quotes");
            None
        }
    }
}

pub(super) fn wrong_type(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>, field: String, wanted: &str) {
    let found = match value.get_ref() {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    reader.say(
        Some(&value.span()),
        field,
        Complaint::error(format!("{found} cannot stand here"), format!("Write {wanted}")),
    );
}

/// A TOML value as JSON, for inline schemas; `None` where JSON has no form for it.
pub(super) fn json_of(value: &DeValue<'_>) -> Option<serde_json::Value> {
    use serde_json::Value;
    Some(match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(flag) => Value::from(*flag),
        DeValue::Integer(number) => Value::from(i64::from_str_radix(number.as_str(), number.radix()).ok()?),
        DeValue::Float(number) => {
            let number: f64 = number.as_str().parse().ok()?;
            Value::Number(serde_json::Number::from_f64(number)?)
        }
        DeValue::Datetime(moment) => Value::from(moment.to_string()),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| json_of(item.get_ref())).collect::<Option<_>>()?)
        }
        DeValue::Table(table) => {
            let fields: Option<BTreeMap<String, Value>> = table
                .iter()
                .map(|(key, value)| Some((key.get_ref().to_string(), json_of(value.get_ref())?)))
                .collect();
            Value::Object(fields?.into_iter().collect())
        }
    })
}
