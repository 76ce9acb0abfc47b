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
    let mut routes = signed();
    routes.extend(vec![
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
    ]);
    routes
}

/// The routes whose credential is the signed text in their path.
fn signed() -> Vec<Route> {
    let text =
        |name, description| Parameter::path(name, description, json!({ "type": "string", "minLength": 1 }));
    let page = || Body::text("text/html");
    let unsubscribe = |method, id, summary, description| Route {
        method,
        path: "/u/{signed}",
        id,
        tag: "Devices",
        summary,
        description,
        who: Who::Anyone,
        parameters: vec![
            text("signed", "From a mail's `List-Unsubscribe` header or its last line.")
                .example("dQADYW5uZGVhbHMYx0kQq3p2yA8m5nXQ1rZt"),
        ],
        body: None,
        answers: Vec::new(),
        errors: UNSUBSCRIBE,
    };
    let forged =
        || Answer::with(403, "The link was not made by this server, or was changed: a page says so.", page());
    vec![
        Route {
            method: "post",
            path: "/v1/receipts/{receipt}",
            id: "giveReceipt",
            tag: "Devices",
            summary: "Report what became of a push",
            description: "For service workers and apps that woke up for a push and have no other credential. The receipt comes \
                with the push, stands for one alert on one device, and expires with the alert. Pages of any origin may call \
                it, and repeating it changes nothing.",
            who: Who::Anyone,
            parameters: vec![
                text("receipt", "As it came with the push.")
                    .example("cgGZymR4LHAAjT1vYUH4W2wAAAGauq7yAAADYW5u"),
            ],
            body: Some(Body::json("ReceiptBody", &["http.receipt-body"])),
            answers: vec![Answer::empty(204, "It is noted, and on disk within a moment.")],
            errors: RECEIPT,
        },
        Route {
            answers: vec![Answer::with(200, "A page with one button.", page()), forged()],
            ..unsubscribe(
                "get",
                "getUnsubscribePage",
                "See what a link unsubscribes from",
                "Changes nothing: mail scanners follow links.",
            )
        },
        Route {
            body: Some(Body { schema: "OneClick", ..Body::text("application/x-www-form-urlencoded") }),
            answers: vec![Answer::with(200, "It is done: a page says so.", page()), forged()],
            ..unsubscribe(
                "post",
                "unsubscribe",
                "Unsubscribe with one click",
                "RFC 8058: turns e-mail off for the category of the mail, as `PUT /v1/preferences` would. Mail programs call it, \
                 and so does the button of the page. `multipart/form-data` will do too. Repeating it changes nothing.",
            )
        },
    ]
}

/// What a signed route refuses by a problem document.
const RECEIPT: &[E] = &[
    E::SignatureInvalid,
    E::HostNotAllowed,
    E::RateLimited,
    E::Overloaded,
    E::StoreUnavailable,
    E::Draining,
    E::Internal,
];
/// The same where a bad signature is answered by a page.
const UNSUBSCRIBE: &[E] =
    &[E::FieldInvalid, E::RateLimited, E::Overloaded, E::StoreUnavailable, E::Draining, E::Internal];
