//! What an operator calls when alerts do not get out of the house.

use super::route::{Answer, Body, Parameter, Route, Who, reference};
use crate::delivery::DEAD_LETTERS_MAX;
use crate::error_code::ErrorCode as E;
use serde_json::{Value, json};

/// Routes on dead letters, held deliveries and providers.
pub(super) fn routes() -> Vec<Route> {
    let mut routes = dead_letters();
    routes.extend(providers());
    routes
}

fn route(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    description: &'static str,
) -> Route {
    Route {
        method,
        path,
        id,
        tag: "Deliveries",
        summary,
        description,
        who: Who::Publisher("operate"),
        parameters: Vec::new(),
        body: None,
        answers: Vec::new(),
        errors: &[],
    }
}

fn filters() -> Vec<Parameter> {
    let text = || json!({ "type": "string" });
    let moment = || json!({ "type": "string", "format": "date-time" });
    vec![
        Parameter::query("user", "Of this person.", reference("UserId")),
        Parameter::query("alert", "Of this alert.", reference("AlertId")),
        Parameter::query("kind", "Of this kind.", text()),
        Parameter::query("category", "Of this category.", text()),
        Parameter::query("channel", "Whose last step was this.", reference("Channel")),
        Parameter::query("reason", "With exactly this reason.", text()).example("no-address"),
        Parameter::query("since", "Given up at or after this.", moment()),
        Parameter::query("until", "Given up before this.", moment()),
    ]
}

fn dead_letters() -> Vec<Route> {
    let mut parameters = filters();
    parameters.extend([
        Parameter::query("after", "`next` of the page before.", reference("DeadLetterId")),
        Parameter::query(
            "limit",
            "Most dead letters of the page.",
            json!({ "type": "integer", "minimum": 1, "maximum": DEAD_LETTERS_MAX, "default": 100 }),
        ),
    ]);
    vec![
        Route {
            parameters,
            answers: vec![Answer::with(200, "A page.", Body::json("DeadLetters", &["http.dead-letters"]))],
            ..route(
                "get",
                "/v1/dead-letters",
                "listDeadLetters",
                "See what could not be sent",
                "Deliveries whose ladder came to its end without anybody who took it, in the order in which they began. \
                 What is not asked for matches all.",
            )
        },
        Route {
            body: Some(Body::json("ReplayBody", &["http.replay-body.ids", "http.replay-body.filter"])),
            answers: vec![Answer::with(
                200,
                "They are on their way again.",
                Body::json("ReplayAnswer", &["http.replay-answer"]),
            )],
            ..route(
                "post",
                "/v1/dead-letters/replay",
                "replayDeadLetters",
                "Send dead letters again",
                "Their ladder begins again after its live step. What expired, was read or recalled meanwhile ends as such \
                 instead. At most 1,000 in one call; with a filter, give `until`, so that what fails again is not replayed \
                 again by the next call.",
            )
        },
        Route {
            body: Some(Body::json("ResumeBody", &["http.resume-body"])),
            answers: vec![Answer::with(
                200,
                "None is held any more.",
                Body::json("ResumeAnswer", &["http.resume-answer"]),
            )],
            ..route(
                "post",
                "/v1/deliveries/resume",
                "resumeDeliveries",
                "Let deliveries of a restored store go on",
                "After a restore, what was armed before the backup waits: it may have gone out already. `send` lets it go on, \
                 `drop` ends it as expired.",
            )
        },
    ]
}

fn provider() -> Parameter {
    let names: Vec<Value> = crate::Provider::ALL.iter().map(|provider| provider.as_str().into()).collect();
    Parameter::path("provider", "Its name.", json!({ "type": "string", "enum": names })).example("apns")
}

fn providers() -> Vec<Route> {
    vec![
        Route {
            answers: vec![Answer::with(200, "The providers.", Body::json("Providers", &["http.providers"]))],
            ..route(
                "get",
                "/v1/providers",
                "listProviders",
                "See how the providers are",
                "Those that are configured, as the node that answers sees them.",
            )
        },
        Route {
            parameters: vec![provider()],
            answers: vec![Answer::with(
                200,
                "The provider as it is now.",
                Body::json("ProviderStatus", &["http.provider-status"]),
            )],
            errors: &[E::ProviderNotConfigured],
            ..route(
                "post",
                "/v1/providers/{provider}/resume",
                "resumeProvider",
                "End a provider's pause",
                "For when its credentials were put right and nobody wants to wait for the next trial. If it refuses again, it \
                 is paused again. One that is not paused stays as it is.",
            )
        },
    ]
}
