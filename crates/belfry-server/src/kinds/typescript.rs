//! TypeScript types of the declared kinds, as `belfry types` writes them.
//!
//! One named export per payload and per titled form inside it, the kinds' names on the event bus, and the two global
//! interfaces that the SDK reads.
//! The output depends on the kinds alone: it can be committed and compared.

use super::schema::decoded;
use super::set::Kinds;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

const HEADER: &str = "\
// Written by `belfry types`. Do not edit: change the kind files and write it again.
/* eslint-disable */
export {};
";

/// Forms nested deeper than this are `unknown`, so that no schema exhausts the stack or fills the disk.
const DEPTH_MAX: usize = 64;

/// The whole file.
pub fn typescript(kinds: &Kinds) -> String {
    let mut names = Names::default();
    let mut by_kind: Vec<(&str, String)> = Vec::new();
    let mut by_event: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for kind in kinds.iter() {
        let empty = Value::Object(Map::new());
        let schema = kind.schema().map_or(&empty, |schema| schema.source());
        let fallback = format!("{}Data", pascal_case(&kind.name).unwrap_or_else(|| "Kind".to_owned()));
        let mut writer = Writer { root: schema, names: &mut names, references: HashMap::new() };
        let name = writer.payload(&fallback);
        by_event.entry(&kind.event).or_default().insert(name.clone());
        by_kind.push((&kind.name, name));
    }
    let mut text = HEADER.to_owned();
    for declared in &names.declared {
        let _ = write!(text, "\n{}export type {} = {};\n", declared.comment, declared.name, declared.body);
    }
    text.push_str(
        "\n/** What each kind is called on the event bus: `createClient({ events: kindEvents })`. */\n",
    );
    text.push_str("export const kindEvents: Readonly<Record<string, string>> = {\n");
    for kind in kinds.iter() {
        let _ = writeln!(text, "  {}: {},", quoted(&kind.name), quoted(&kind.event));
    }
    text.push_str("};\n\ndeclare global {\n");
    interface(&mut text, "The declared kinds and their payloads.", "BelfryKinds", by_kind);
    let by_event =
        by_event.into_iter().map(|(event, payloads)| (event, Vec::from_iter(payloads).join(" | ")));
    interface(&mut text, "The events of the bus and what their handlers get.", "BelfryEvents", by_event);
    text.push_str("}\n");
    text
}

fn interface<'a>(
    text: &mut String,
    comment: &str,
    name: &str,
    members: impl IntoIterator<Item = (&'a str, String)>,
) {
    let mut members = members.into_iter().peekable();
    let _ = write!(text, "  /** {comment} */\n  interface {name} {{");
    if members.peek().is_some() {
        text.push('\n');
        for (key, payload) in members {
            let _ = writeln!(text, "    {}: {payload};", quoted(key));
        }
        text.push_str("  ");
    }
    text.push_str("}\n");
}

/// The exports so far, in the order they were met.
#[derive(Debug, Default)]
struct Names {
    declared: Vec<Declared>,
}

#[derive(Debug)]
struct Declared {
    name: String,
    comment: String,
    body: String,
    /// The schema it was made of: another kind with the same one shares the name.
    source: Value,
    /// A form with references means something only within its own schema.
    shareable: bool,
}

impl Names {
    /// Takes the name for a form, or the name of the same form, or the name with a number.
    fn reserve(&mut self, wanted: &str, source: &Value) -> Reserved {
        let shareable = !holds_reference(source);
        let mut name = wanted.to_owned();
        let mut number = 1;
        loop {
            let reserved_word = matches!(name.as_str(), "BelfryKinds" | "BelfryEvents");
            match self.declared.iter().find(|declared| declared.name == name) {
                None if !reserved_word => break,
                Some(same) if shareable && same.shareable && same.source == *source => {
                    return Reserved::Known(name);
                }
                _ => {}
            }
            number += 1;
            name = format!("{wanted}{number}");
        }
        self.declared.push(Declared {
            name: name.clone(),
            comment: String::new(),
            body: "unknown".to_owned(),
            source: source.clone(),
            shareable,
        });
        Reserved::New(self.declared.len() - 1, name)
    }
}

enum Reserved {
    Known(String),
    New(usize, String),
}

fn holds_reference(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => fields.contains_key("$ref") || fields.values().any(holds_reference),
        Value::Array(items) => items.iter().any(holds_reference),
        _ => false,
    }
}

/// Writes the types of one kind.
struct Writer<'a> {
    root: &'a Value,
    names: &'a mut Names,
    /// Names of the forms that a `$ref` led to.
    references: HashMap<String, String>,
}

/// A type's text, and whether it needs brackets beside `&`, `|` and `[]`.
struct Type {
    text: String,
    compound: bool,
}

impl Type {
    fn simple(text: impl Into<String>) -> Self {
        Self { text: text.into(), compound: false }
    }

    fn bracketed(self) -> String {
        if self.compound { format!("({})", self.text) } else { self.text }
    }
}

impl Writer<'_> {
    fn payload(&mut self, fallback: &str) -> String {
        let name = title_of(self.root).unwrap_or_else(|| fallback.to_owned());
        self.export(&name, self.root, Some("#"), 0)
    }

    /// Declares a form under a name, and gives the name it got.
    fn export(&mut self, wanted: &str, schema: &Value, reference: Option<&str>, depth: usize) -> String {
        let (place, name) = match self.names.reserve(wanted, schema) {
            Reserved::Known(name) => return name,
            Reserved::New(place, name) => (place, name),
        };
        // Before the form is written, since it may refer to itself.
        if let Some(reference) = reference {
            self.references.insert(reference.to_owned(), name.clone());
        }
        let body = self.form(schema, 0, depth).text;
        let comment = comment(schema, "");
        if let Some(declared) = self.names.declared.get_mut(place) {
            declared.body = body;
            declared.comment = comment;
        }
        name
    }

    /// The type of a schema: its name where it has one, else its form.
    fn of(&mut self, schema: &Value, indent: usize, depth: usize) -> Type {
        if depth > DEPTH_MAX {
            return Type::simple("unknown");
        }
        if let Some(name) = title_of(schema)
            && is_worth_a_name(schema)
        {
            return Type::simple(self.export(&name, schema, None, depth + 1));
        }
        self.form(schema, indent, depth + 1)
    }

    fn form(&mut self, schema: &Value, indent: usize, depth: usize) -> Type {
        let fields = match schema {
            Value::Bool(false) => return Type::simple("never"),
            Value::Object(fields) => fields,
            _ => return Type::simple("unknown"),
        };
        if let Some(constant) = fields.get("const") {
            return Type::simple(literal(constant));
        }
        if let Some(options) = fields.get("enum").and_then(Value::as_array) {
            return union(options.iter().map(|option| Type::simple(literal(option))).collect());
        }
        let mut parts = Vec::new();
        if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
            parts.push(self.referenced(reference, depth));
        }
        if let Some(own) = self.own_form(fields, indent, depth) {
            parts.push(own);
        }
        for part in fields.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            parts.push(self.of(part, indent, depth));
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(options) = fields.get(key).and_then(Value::as_array) {
                let options = options.iter().map(|option| self.of(option, indent, depth)).collect();
                parts.push(union(options));
            }
        }
        // What says nothing would widen nothing.
        parts.retain(|part| part.text != "unknown");
        match parts.len() {
            0 => Type::simple("unknown"),
            1 => parts.remove(0),
            _ => {
                let mut texts: Vec<String> = parts.into_iter().map(Type::bracketed).collect();
                texts.dedup();
                Type { compound: texts.len() > 1, text: texts.join(" & ") }
            }
        }
    }

    /// What `type`, `properties` and `items` say, without combinations.
    fn own_form(&mut self, fields: &Map<String, Value>, indent: usize, depth: usize) -> Option<Type> {
        let named: Vec<&str> = match fields.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let object = ["properties", "required", "additionalProperties", "patternProperties"];
        let array = ["items", "prefixItems"];
        let types: Vec<&str> = match named.as_slice() {
            [] if object.iter().any(|key| fields.contains_key(*key)) => vec!["object"],
            [] if array.iter().any(|key| fields.contains_key(*key)) => vec!["array"],
            // `data` itself is always an object.
            [] if std::ptr::eq(fields, self.root.as_object().unwrap_or(fields)) && depth <= 1 => {
                let combined =
                    ["$ref", "allOf", "anyOf", "oneOf"].iter().any(|key| fields.contains_key(*key));
                if combined { Vec::new() } else { vec!["object"] }
            }
            named => named.to_vec(),
        };
        if types.is_empty() {
            return None;
        }
        let options = types.into_iter().map(|name| match name {
            "string" => Type::simple("string"),
            "integer" | "number" => Type::simple("number"),
            "boolean" => Type::simple("boolean"),
            "null" => Type::simple("null"),
            "array" => self.array(fields, indent, depth),
            "object" => Type::simple(self.object(fields, indent, depth)),
            _ => Type::simple("unknown"),
        });
        let options = options.collect();
        Some(union(options))
    }

    fn referenced(&mut self, reference: &str, depth: usize) -> Type {
        if let Some(name) = self.references.get(reference) {
            return Type::simple(name.clone());
        }
        let root = self.root;
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(&decoded(pointer)));
        let Some(target) = target.filter(|_| depth <= DEPTH_MAX) else {
            return Type::simple("unknown");
        };
        let last = reference.rsplit('/').next().unwrap_or_default();
        let name = title_of(target).or_else(|| pascal_case(last)).unwrap_or_else(|| "Form".to_owned());
        let name = self.export(&name, target, Some(reference), depth + 1);
        self.references.insert(reference.to_owned(), name.clone());
        Type::simple(name)
    }

    fn array(&mut self, fields: &Map<String, Value>, indent: usize, depth: usize) -> Type {
        let items = fields.get("items");
        let Some(first) = fields.get("prefixItems").and_then(Value::as_array) else {
            let item = items.map_or_else(|| Type::simple("unknown"), |items| self.of(items, indent, depth));
            return Type::simple(format!("{}[]", item.bracketed()));
        };
        let needed = fields.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        let mut entries: Vec<String> = Vec::with_capacity(first.len() + 1);
        for (place, schema) in (0u64..).zip(first) {
            let item = self.of(schema, indent, depth).bracketed();
            entries.push(if place < needed { item } else { format!("{item}?") });
        }
        if items != Some(&Value::Bool(false)) {
            let rest = items.map_or_else(|| Type::simple("unknown"), |items| self.of(items, indent, depth));
            entries.push(format!("...{}[]", rest.bracketed()));
        }
        Type::simple(format!("[{}]", entries.join(", ")))
    }

    fn object(&mut self, fields: &Map<String, Value>, indent: usize, depth: usize) -> String {
        let inner = "  ".repeat(indent + 1);
        let required: BTreeSet<&str> = fields
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let properties: BTreeMap<&str, &Value> = fields
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, schema)| (name.as_str(), schema))
            .collect();
        let nothing = Value::Bool(true);
        let names: BTreeSet<&str> = properties.keys().chain(&required).copied().collect();
        let mut members = String::new();
        let mut named_types = Vec::new();
        let mut all_required = true;
        for name in names {
            let schema = properties.get(name).copied().unwrap_or(&nothing);
            let optional = !required.contains(name);
            all_required &= !optional;
            let member = self.of(schema, indent + 1, depth);
            let mark = if optional { "?" } else { "" };
            let _ =
                writeln!(members, "{}{inner}{}{mark}: {};", comment(schema, &inner), key(name), member.text);
            named_types.push(member);
        }
        if let Some(index) = self.index_signature(fields, named_types, all_required, indent, depth) {
            let _ = writeln!(members, "{inner}[key: string]: {index};");
        }
        match members.is_empty() {
            true => "{ [key: string]: never }".to_owned(),
            false => format!("{{\n{members}{}}}", "  ".repeat(indent)),
        }
    }

    /// The type of fields without a name of their own. TypeScript wants it to cover the named ones too.
    fn index_signature(
        &mut self,
        fields: &Map<String, Value>,
        named: Vec<Type>,
        all_required: bool,
        indent: usize,
        depth: usize,
    ) -> Option<String> {
        let additional = fields.get("additionalProperties");
        let patterns = fields.get("patternProperties").and_then(Value::as_object);
        let mut types: Vec<Type> = Vec::new();
        match additional {
            Some(Value::Bool(false)) => {}
            Some(schema) => types.push(self.of(schema, indent + 1, depth)),
            // A form that names fields is meant to be closed to typing errors; one that names none is open.
            None if named.is_empty() && patterns.is_none() => types.push(Type::simple("unknown")),
            None => {}
        }
        for schema in patterns.into_iter().flat_map(|patterns| patterns.values()) {
            types.push(self.of(schema, indent + 1, depth));
        }
        if types.is_empty() {
            return None;
        }
        types.extend(named);
        if !all_required {
            types.push(Type::simple("undefined"));
        }
        Some(union(types).text)
    }
}

fn union(types: Vec<Type>) -> Type {
    let mut kept: Vec<Type> = Vec::with_capacity(types.len());
    for one in types {
        if one.text == "unknown" {
            return one;
        }
        if kept.iter().all(|known| known.text != one.text) {
            kept.push(one);
        }
    }
    match kept.len() {
        0 => Type::simple("never"),
        1 => kept.remove(0),
        // An intersection binds closer than a union, so no part needs brackets.
        _ => Type {
            text: kept.iter().map(|one| one.text.as_str()).collect::<Vec<_>>().join(" | "),
            compound: true,
        },
    }
}

/// Objects and closed lists of words get a name by their title; a titled text stays a text.
fn is_worth_a_name(schema: &Value) -> bool {
    let object = schema.get("type").is_some_and(|kind| kind == "object");
    object || ["properties", "enum", "oneOf", "anyOf", "allOf"].iter().any(|key| schema.get(key).is_some())
}

fn title_of(schema: &Value) -> Option<String> {
    schema.get("title").and_then(Value::as_str).and_then(pascal_case)
}

/// `deal-notification` → `DealNotification`; `None` when nothing is left of it.
fn pascal_case(text: &str) -> Option<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut name: String = words
        .map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_ascii_uppercase() + rest
        })
        .collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, 'T');
    }
    (!name.is_empty()).then_some(name)
}

/// A JSON value as a literal type.
fn literal(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<&String, &Value> = fields.iter().collect();
            let members: Vec<String> =
                fields.iter().map(|(name, value)| format!("{}: {}", key(name), literal(value))).collect();
            match members.is_empty() {
                true => "{ [key: string]: never }".to_owned(),
                false => format!("{{ {} }}", members.join("; ")),
            }
        }
        Value::Array(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

fn key(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if plain { name.to_owned() } else { quoted(name) }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The description as a doc comment, or nothing.
fn comment(schema: &Value, indent: &str) -> String {
    let Some(text) = schema.get("description").and_then(Value::as_str) else {
        return String::new();
    };
    // A comment must not end early.
    let text = text.replace("*/", "*\u{2060}/");
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.as_slice() {
        [] => String::new(),
        [one] => format!("{indent}/** {one} */\n"),
        many => {
            let body: String = many.iter().map(|line| format!("{indent} * {line}\n")).collect();
            format!("{indent}/**\n{body}{indent} */\n")
        }
    }
}
