//! One route as data, and the operation object it becomes.

use super::by_status;
use crate::error_code::ErrorCode;
use crate::fixtures::Fixture;
use crate::schema::sorted;
use serde_json::{Map, Value, json};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// An API key with this scope.
    Publisher(&'static str),
    /// A user, by token or cookie.
    User,
    /// A user who opens a live connection: also by `?token=`.
    Listener,
    /// Anyone.
    Anyone,
}

/// A parameter.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// `path`, `query` or `header`.
    pub place: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub description: &'static str,
    /// Its schema.
    pub schema: Value,
    /// An example, where the schema has none.
    pub example: Option<Value>,
}

/// A body of a request or an answer: the media type, the schema of it (of one line where it is NDJSON), examples.
#[derive(Debug, Clone)]
pub struct Body {
    /// The media type.
    pub media: &'static str,
    /// A name in `components.schemas`; empty: text.
    pub schema: &'static str,
    /// Names of fixtures.
    pub examples: &'static [&'static str],
    /// Whether a request may come without it.
    pub optional: bool,
}

/// An answer that is no problem.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// What it means.
    pub description: &'static str,
    /// What it holds.
    pub body: Option<Body>,
    /// A header it may have: a name under `components.headers`, and on the wire.
    pub header: Option<(&'static str, &'static str)>,
}

/// One route.
#[derive(Debug, Clone)]
pub struct Route {
    /// In small letters.
    pub method: &'static str,
    /// With `{name}` for parameters.
    pub path: &'static str,
    /// The operation's id: a verb and a noun.
    pub id: &'static str,
    /// One of [`super::TAGS`].
    pub tag: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// What else is to be known.
    pub description: &'static str,
    /// Who may call it.
    pub who: Who,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// What the request holds.
    pub body: Option<Body>,
    /// Answers that are no problem.
    pub answers: Vec<Answer>,
    /// Codes beyond those that follow from who, parameters and body.
    pub errors: &'static [ErrorCode],
}

impl Body {
    /// A JSON body.
    pub const fn json(schema: &'static str, examples: &'static [&'static str]) -> Self {
        Self { media: "application/json", schema, examples, optional: false }
    }

    /// One JSON value per line.
    pub const fn lines(schema: &'static str, examples: &'static [&'static str]) -> Self {
        Self { media: "application/x-ndjson", schema, examples, optional: false }
    }

    /// The same, where a request may come without it.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Text of this media type.
    pub const fn text(media: &'static str) -> Self {
        Self { media, schema: "", examples: &[], optional: false }
    }

    fn content(&self) -> Value {
        let fixtures = self.examples.iter().map(|name| {
            Fixture::named(name).expect("a test builds the document, so every example's fixture exists")
        });
        let mut media = json!({});
        match self.media {
            _ if self.schema.is_empty() && self.media == "application/json" => {
                media["schema"] = json!({ "type": "object" });
            }
            "application/json" => {
                media["schema"] = reference(self.schema);
                let examples: Map<String, Value> = fixtures
                    .map(|fixture| (example_name(fixture.name), json!({ "value": fixture.value() })))
                    .collect();
                media["examples"] = examples.into();
            }
            "application/x-ndjson" => {
                let lines: String =
                    fixtures.map(|fixture| format!("{}\n", sorted(&fixture.value()))).collect();
                media["schema"] = json!({
                    "type": "string",
                    "contentMediaType": "application/json",
                    "contentSchema": reference(self.schema),
                    "description": format!("One `{}` per line.", self.schema),
                });
                media["examples"] = json!({ "lines": { "value": lines } });
            }
            _ if !self.schema.is_empty() => media["schema"] = reference(self.schema),
            _ => media["schema"] = json!({ "type": "string" }),
        }
        json!({ self.media: media })
    }
}

impl Parameter {
    /// A part of the path.
    pub fn path(name: &'static str, description: &'static str, schema: Value) -> Self {
        Self { place: "path", name, description, schema, example: None }
    }

    /// A query parameter.
    pub fn query(name: &'static str, description: &'static str, schema: Value) -> Self {
        Self { place: "query", name, description, schema, example: None }
    }

    /// A header.
    pub fn header(name: &'static str, description: &'static str, schema: Value) -> Self {
        Self { place: "header", name, description, schema, example: None }
    }

    /// With an example.
    #[must_use]
    pub fn example(mut self, example: impl Into<Value>) -> Self {
        self.example = Some(example.into());
        self
    }

    fn object(&self) -> Value {
        let mut object = json!({
            "name": self.name,
            "in": self.place,
            "description": self.description,
            "required": self.place == "path",
            "schema": self.schema,
        });
        if let Some(example) = &self.example {
            object["example"] = example.clone();
        }
        object
    }
}

impl Answer {
    /// An answer with a body.
    pub const fn with(status: u16, description: &'static str, body: Body) -> Self {
        Self { status, description, body: Some(body), header: None }
    }

    /// An answer without a body.
    pub const fn empty(status: u16, description: &'static str) -> Self {
        Self { status, description, body: None, header: None }
    }
}

impl Route {
    /// Every code this route may answer.
    pub fn codes(&self) -> Vec<ErrorCode> {
        use ErrorCode as E;
        let mut codes = self.errors.to_vec();
        let shared =
            [E::HostNotAllowed, E::RateLimited, E::Overloaded, E::StoreUnavailable, E::Draining, E::Internal];
        match self.who {
            Who::Publisher(_) => codes.extend([E::Unauthorized, E::Forbidden]),
            Who::User | Who::Listener => codes.extend([
                E::Unauthorized,
                E::TokenExpired,
                E::TokenRevoked,
                E::OriginNotAllowed,
                E::UserBlocked,
            ]),
            Who::Anyone => {}
        }
        if self.who != Who::Anyone {
            codes.extend(shared);
        }
        if matches!(self.who, Who::Publisher(_) | Who::User) {
            codes.push(E::QueryInvalid);
        }
        if self.parameters.iter().any(|parameter| (parameter.place, parameter.name) == ("path", "id")) {
            codes.push(E::IdInvalid);
        }
        match self.body.as_ref().map(|body| body.media) {
            Some("application/json") => {
                codes.extend([E::JsonMalformed, E::FieldInvalid, E::ContentTypeUnsupported, E::BodyTooLarge]);
            }
            Some(_) => codes.extend([E::ContentTypeUnsupported, E::BodyTooLarge]),
            None => {}
        }
        codes
    }

    /// The operation object of the document.
    pub fn operation(&self) -> Value {
        let mut responses: Map<String, Value> = Map::new();
        for answer in &self.answers {
            let mut response = json!({ "description": answer.description });
            if let Some(body) = &answer.body {
                response["content"] = body.content();
            }
            if let Some((component, name)) = answer.header {
                response["headers"] =
                    json!({ name: { "$ref": format!("#/components/headers/{component}") } });
            }
            responses.insert(answer.status.to_string(), response);
        }
        for (status, codes) in by_status(&self.codes()) {
            let name = problem_name(&codes);
            responses.insert(status.to_string(), json!({ "$ref": format!("#/components/responses/{name}") }));
        }
        let mut operation = json!({
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "description": self.description,
            "security": security(self.who),
            "responses": responses,
        });
        if !self.parameters.is_empty() {
            operation["parameters"] = self.parameters.iter().map(Parameter::object).collect();
        }
        if let Some(body) = &self.body {
            operation["requestBody"] = json!({ "required": !body.optional, "content": body.content() });
        }
        if let Who::Publisher(scope) = self.who {
            operation["x-scope"] = scope.into();
        }
        operation
    }
}

/// The name of a schema as a reference.
pub(super) fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

/// `http.new-alert.group` is the example `group` of its body; `http.new-alert` is `full`.
fn example_name(fixture: &str) -> String {
    fixture.splitn(3, '.').nth(2).unwrap_or("full").to_owned()
}

fn security(who: Who) -> Value {
    match who {
        Who::Publisher(_) => json!([{ "apiKey": [] }]),
        Who::User => json!([{ "userToken": [] }, { "userCookie": [] }]),
        Who::Listener => json!([{ "userToken": [] }, { "userCookie": [] }, { "queryToken": [] }]),
        Who::Anyone => json!([]),
    }
}

/// The refusals of these routes: many share one, so each stands once under `components.responses`.
pub(super) fn problems(routes: &[Route]) -> Map<String, Value> {
    let sets = routes.iter().flat_map(|route| by_status(&route.codes()));
    sets.map(|(status, codes)| (problem_name(&codes), problem(status, &codes))).collect()
}

fn problem_name(codes: &[ErrorCode]) -> String {
    codes.iter().map(|code| code.slug()).collect::<Vec<_>>().join(".")
}

fn problem(status: u16, codes: &[ErrorCode]) -> Value {
    let lines: Vec<String> =
        codes.iter().map(|code| format!("`{}`: {}.", code.slug(), code.title())).collect();
    let slugs: Vec<&str> = codes.iter().map(|code| code.slug()).collect();
    let examples: Map<String, Value> = codes
        .iter()
        .filter_map(|code| {
            let fixture = Fixture::named(&format!("problem.{}", code.slug()))?;
            Some((code.slug().to_owned(), json!({ "value": fixture.value() })))
        })
        .collect();
    let mut media = json!({
        "schema": {
            "allOf": [reference("Problem"), { "type": "object", "properties": { "code": { "enum": slugs } } }],
        },
    });
    if !examples.is_empty() {
        media["examples"] = examples.into();
    }
    let mut response = json!({
        "description": lines.join(" "),
        "content": { "application/problem+json": media },
    });
    if matches!(status, 409 | 429 | 503) {
        response["headers"] = json!({ "Retry-After": { "$ref": "#/components/headers/RetryAfter" } });
    }
    response
}
