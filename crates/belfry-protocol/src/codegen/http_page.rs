//! The reference page of the HTTP interface, from the same routes as the OpenAPI document.

use super::PAGE_MARK;
use super::types_page::text;
use crate::ErrorCode;
use crate::fixtures::Fixture;
use crate::openapi::{self, Body, Route, TAGS, Who};
use std::collections::BTreeMap;

/// `http.md`.
pub(super) fn http() -> String {
    let mut out = format!(
        "{PAGE_MARK}\n# HTTP\n\nEvery route of one port. The same as OpenAPI 3.1: [openapi.json](openapi.json), served at \
         `/v1/openapi.json`. [Types](types.md) · [Error codes](errors/README.md)\n\nBack ends send `Authorization: Bearer <API \
         key>`. Users send `Authorization: Bearer <token>`, or the token in a cookie. `409`, `429` and `503` carry \
         `Retry-After`.\n"
    );
    let routes = openapi::routes();
    for (tag, description) in TAGS {
        out += &format!("\n## {tag}\n\n{description}\n");
        routes.iter().filter(|route| route.tag == *tag).for_each(|route| out += &section(route));
    }
    out
}

fn section(route: &Route) -> String {
    let mut out =
        format!("\n### {} {}\n\n**{}.** ", route.method.to_ascii_uppercase(), route.path, route.summary);
    out += &match route.who {
        Who::Publisher(scope) => format!("An API key with the scope `{scope}`."),
        Who::User => "A user.".to_owned(),
        Who::Listener => "A user, also by `?token=`.".to_owned(),
        Who::Anyone => "Anyone.".to_owned(),
    };
    if !route.description.is_empty() {
        out += &format!(" {}", route.description);
    }
    out.push('\n');
    if !route.parameters.is_empty() {
        out += "\n| parameter | in | type | |\n|---|---|---|---|\n";
        for parameter in &route.parameters {
            let kind = if parameter.name == "code" {
                "a code".to_owned()
            } else {
                text(&parameter.schema, "types.md")
            };
            out += &format!(
                "| `{}` | {} | {kind} | {} |\n",
                parameter.name, parameter.place, parameter.description
            );
        }
    }
    if let Some(body) = &route.body {
        let optional = if body.optional { ", may be left out" } else { "" };
        out += &format!("\nBody: {}{optional}\n{}", named(body), examples(body));
    }
    for answer in &route.answers {
        if let Some((_, header)) = answer.header {
            out += &format!("\nThe answer may have the header `{header}`.\n");
        }
        out += &format!("\nAnswer `{}`: {}", answer.status, answer.description);
        match &answer.body {
            Some(body) => out += &format!(" {}\n{}", named(body), examples(body)),
            None => out.push('\n'),
        }
    }
    out + &refusals(&route.codes())
}

fn named(body: &Body) -> String {
    let lines = if body.media == "application/x-ndjson" { ", one per line" } else { "" };
    match body.schema {
        "" => format!("`{}`", body.media),
        schema => format!("[{schema}](types.md#{}) as `{}`{lines}", schema.to_ascii_lowercase(), body.media),
    }
}

/// Examples of a body; lines stand in one block.
fn examples(body: &Body) -> String {
    let fixtures: Vec<&Fixture> = body.examples.iter().filter_map(|name| Fixture::named(name)).collect();
    if body.media == "application/x-ndjson" {
        let lines: String = fixtures.iter().map(|fixture| on_one_line(fixture.text) + "\n").collect();
        return format!("\n```json\n{lines}```\n");
    }
    fixtures.iter().take(1).map(|fixture| format!("\n```json\n{}\n```\n", fixture.text.trim_end())).collect()
}

/// The text of a fixture on one line, its keys in the order they were written in.
fn on_one_line(text: &str) -> String {
    text.lines().map(str::trim_start).collect::<Vec<_>>().join(" ")
}

fn refusals(codes: &[ErrorCode]) -> String {
    let mut by_status = BTreeMap::<u16, Vec<String>>::new();
    for code in ErrorCode::ALL.iter().filter(|code| codes.contains(code)) {
        by_status.entry(code.status()).or_default().push(format!("[`{0}`](errors/{0}.md)", code.slug()));
    }
    if by_status.is_empty() {
        return String::new();
    }
    let rows: String =
        by_status.iter().map(|(status, codes)| format!("| {status} | {} |\n", codes.join(", "))).collect();
    format!("\n| refused with | codes |\n|---|---|\n{rows}")
}
