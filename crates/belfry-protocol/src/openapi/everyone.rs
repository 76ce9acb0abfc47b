//! What anyone may call.

use super::route::{Answer, Body, Parameter, Route, Who};
use crate::error_code::ErrorCode as E;
use serde_json::json;

/// The routes that need no credential.
pub(super) fn routes() -> Vec<Route> {
    let health = || Body::json("Health", &["http.health"]);
    let route = |path, id, summary, description| Route {
        method: "get",
        path,
        id,
        tag: "Operation",
        summary,
        description,
        who: Who::Anyone,
        parameters: Vec::new(),
        body: None,
        answers: Vec::new(),
        errors: &[],
    };
    let slugs: Vec<&str> = E::ALL.iter().map(|code| code.slug()).collect();
    vec![
        Route {
            answers: vec![Answer::with(200, "The process answers.", health())],
            ..route("/healthz", "getHealth", "Is the process alive?", "Touches neither store nor bus.")
        },
        Route {
            answers: vec![Answer::with(200, "The node takes work.", health())],
            errors: &[E::StoreUnavailable, E::Draining],
            ..route(
                "/readyz",
                "getReadiness",
                "Does the node take work?",
                "Asks the store for a commit; turns to 503 before the node drains.",
            )
        },
        Route {
            answers: vec![Answer::with(200, "OpenAPI 3.1.", Body::text("application/json"))],
            ..route("/v1/openapi.json", "getOpenApi", "Read this document", "")
        },
        Route {
            parameters: vec![
                Parameter::path("code", "An error's `code`.", json!({ "type": "string", "enum": slugs }))
                    .example("kind-unknown"),
            ],
            answers: vec![Answer::with(
                200,
                "When the error happens, and what to do.",
                Body::text("text/html"),
            )],
            errors: &[E::NotFound],
            ..route("/docs/errors/{code}", "getErrorPage", "Read about an error code", "")
        },
    ]
}
