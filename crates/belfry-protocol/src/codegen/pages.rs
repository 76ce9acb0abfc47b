//! Reference pages: frames, close codes and error codes.

use super::PAGE_MARK;
use super::types_page::{description, fields};
use crate::fixtures::{self, Fixture};
use crate::frame::{CLIENT_TYPES, SERVER_TYPES};
use crate::schema::{self, frame_name};
use crate::{Advice, CloseCode, ErrorCode, SUBPROTOCOL, openapi};

fn fenced(fixture: &Fixture) -> String {
    format!("\n```json\n{}\n```\n", fixture.text.trim_end())
}

/// `frames.md`.
pub(super) fn frames() -> String {
    let mut out = format!(
        "{PAGE_MARK}\n# Frames of `{SUBPROTOCOL}`\n\nJSON text frames, one object each. Unknown types and unknown fields are \
         ignored by both sides. A type that is none of the server's is an alert; types that come later begin with `belfry.`. \
         The same frames travel as server-sent events on `/v1/events`.\n\n[Types](types.md) · [Close codes](close-codes.md) · \
         [AsyncAPI](asyncapi.json)\n"
    );
    let schemas = schema::components();
    out += "\n## An alert\n\nIts `type` is the alert's kind.\n";
    out += &fields(&schemas["Item"], "types.md");
    out += &fixtures::ALL
        .iter()
        .filter(|fixture| fixture.name.starts_with("alert."))
        .map(fenced)
        .collect::<String>();
    for (side, heading, types) in
        [("Server", "Server to client", SERVER_TYPES), ("Client", "Client to server", CLIENT_TYPES)]
    {
        out += &format!("\n## {heading}\n");
        for frame_type in types {
            let schema = &schemas[&frame_name(side, frame_type)];
            out += &format!(
                "\n### `{frame_type}` of the {}\n\n{}\n",
                side.to_ascii_lowercase(),
                description(schema)
            );
            let data = schema["properties"]["data"]["$ref"].as_str();
            let data = data.and_then(|target| schemas.get(target.rsplit('/').next()?));
            let envelope =
                ["stream", "seq"].into_iter().filter(|name| schema["properties"].get(name).is_some());
            for name in envelope {
                out += &format!("\n`{name}`: {}\n", description(&schema["properties"][name]));
            }
            match data.filter(|data| data["properties"].is_object()) {
                Some(data) => out += &format!("\nFields of `data`:\n{}", fields(data, "types.md")),
                None => out += "\n`data` is any JSON.\n",
            }
            out += &fixtures::of_type(&format!("{side}Frame"), frame_type)
                .into_iter()
                .map(fenced)
                .collect::<String>();
        }
    }
    out
}

fn advice(advice: Advice) -> &'static str {
    match advice {
        Advice::Reconnect => "reconnect",
        Advice::Authenticate => "get a new token, then reconnect",
        Advice::Stop => "stop",
    }
}

/// `close-codes.md`.
pub(super) fn close_codes() -> String {
    let mut out = format!(
        "{PAGE_MARK}\n# Close codes\n\nThe number says what a client does next; the same verdict comes as an `error` frame \
         first, because proxies may swallow close frames.\n\n| range | the client |\n|---|---|\n| 1001, 1012, 4000–4399 | \
         reconnects, after the server's hint or with back-off and jitter |\n| 4400–4499 | gets a new token, then reconnects \
         |\n| 4500–4999 | stops: a person or the application has to act |\n\nAny other code is treated like the first \
         row.\n\n| code | name | the client | error code |\n|---|---|---|---|\n"
    );
    for &code in CloseCode::ALL {
        let error = ErrorCode::of_close(code).slug();
        let (number, slug) = (code.number(), code.slug());
        out += &format!(
            "| {number} | `{slug}` | {} | [`{error}`](errors/{error}.md) |\n",
            advice(code.advice())
        );
    }
    for code in CloseCode::ALL {
        out += &format!("\n## {} {}\n\n{}\n\n{}\n", code.number(), code.slug(), code.cause(), code.remedy());
    }
    out
}

/// `errors/README.md`.
pub(super) fn errors() -> String {
    let mut out = format!(
        "{PAGE_MARK}\n# Error codes\n\nWhatever is refused over HTTP is answered by a problem document (RFC 9457), over a \
         live connection by an `error` frame. Compare `code`, never the text.\n\n| code | status | |\n|---|---|---|\n"
    );
    for code in ErrorCode::ALL {
        out += &format!("| [`{0}`]({0}.md) | {1} | {2} |\n", code.slug(), code.status(), code.title());
    }
    out
}

/// `errors/<code>.md`.
pub(super) fn error(code: ErrorCode) -> String {
    let (slug, status) = (code.slug(), code.status());
    let mut out = format!("{PAGE_MARK}\n# {}\n\n`{slug}` · HTTP status {status}\n", code.title());
    out += &format!("\n**When it happens.** {}\n\n**What to do.** {}\n", code.cause(), code.remedy());
    let closes: Vec<String> = CloseCode::ALL
        .iter()
        .filter(|close| ErrorCode::of_close(**close) == code)
        .map(|close| format!("[{0} {1}](../close-codes.md#{0}-{1})", close.number(), close.slug()))
        .collect();
    if !closes.is_empty() {
        out += &format!(
            "\nOver a live connection: an `error` frame with this code, then close code {}.\n",
            closes.join(", ")
        );
    }
    let routes: Vec<String> = openapi::routes()
        .iter()
        .filter(|route| route.codes().contains(&code))
        .map(|route| format!("`{} {}`", route.method.to_ascii_uppercase(), route.path))
        .collect();
    if !routes.is_empty() {
        out += &format!("\nAnswered by: {}.\n", routes.join(", "));
    }
    if let Some(fixture) = Fixture::named(&format!("problem.{slug}")) {
        out += &fenced(fixture);
    }
    out
}
