//! What a user's page calls.

use super::route::{Answer, Body, Parameter, Route, Who, reference};
use crate::SUBPROTOCOL;
use crate::error_code::ErrorCode as E;
use crate::fixtures::Fixture;
use crate::inbox::{PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX};
use serde_json::json;

/// The routes for users.
pub(super) fn routes() -> Vec<Route> {
    let mut routes = inbox();
    routes.extend(settings());
    routes.extend(devices());
    routes.extend(live());
    routes
}

fn base(method: &'static str, path: &'static str, id: &'static str, tag: &'static str) -> Route {
    Route {
        method,
        path,
        id,
        tag,
        summary: "",
        description: "",
        who: Who::User,
        parameters: Vec::new(),
        body: None,
        answers: Vec::new(),
        errors: &[],
    }
}

fn inbox() -> Vec<Route> {
    vec![
        Route {
            summary: "Read the inbox",
            description: "Newest first, alerts for the user and alerts for everyone together. The live stream goes on from \
                `complete_to`.",
            parameters: inbox_parameters(),
            answers: vec![Answer::with(
                200,
                "A page of the inbox.",
                Body::json("InboxPage", &["http.inbox-page"]),
            )],
            ..base("get", "/v1/inbox", "getInbox", "Inbox")
        },
        Route {
            summary: "Change the state of items",
            description: "By `ids` or by `up_to`, never both. All devices of the user hear of it. Ids that are not the user's, \
                or that left the list, change nothing.",
            body: Some(Body::json(
                "InboxStateBody",
                &["http.inbox-state-body.ids", "http.inbox-state-body.up-to"],
            )),
            answers: vec![Answer::with(
                200,
                "The unread count after the change.",
                Body::json("InboxStateAnswer", &["http.inbox-state-answer"]),
            )],
            ..base("post", "/v1/inbox/state", "changeInboxState", "Inbox")
        },
        Route {
            summary: "Count unread items",
            description: "The same number that live frames carry.",
            answers: vec![Answer::with(200, "The count.", Body::json("UnreadCount", &["http.unread-count"]))],
            ..base("get", "/v1/inbox/unread-count", "getUnreadCount", "Inbox")
        },
        Route {
            summary: "Confirm alerts",
            description: "What an `ack` frame says, for clients that listen by server-sent events. A range is clamped to the \
                head of its stream.",
            body: Some(Body::json("AckBody", &["http.ack-body.range", "http.ack-body.ids"])),
            answers: vec![Answer::empty(204, "It is noted, and on disk within a moment.")],
            ..base("post", "/v1/acks", "acknowledge", "Inbox")
        },
    ]
}

fn inbox_parameters() -> Vec<Parameter> {
    vec![
        Parameter::query(
            "limit",
            "Most items of the page.",
            json!({ "type": "integer", "minimum": 1, "maximum": PAGE_ITEMS_MAX, "default": PAGE_ITEMS_DEFAULT }),
        ),
        Parameter::query(
            "before",
            "`next` of the page before. Opaque.",
            json!({ "type": "string", "pattern": "^[0-7]?[0-9a-f]{1,15}$" }),
        ),
        Parameter::query(
            "unread",
            "`true`: only unread items; `false`: only read ones.",
            json!({ "type": "boolean" }),
        ),
        Parameter::query(
            "archived",
            "`true`: only archived items; else they are left out.",
            json!({ "type": "boolean", "default": false }),
        ),
        Parameter::query("category", "Only items of this category.", json!({ "type": "string" }))
            .example("deals"),
        Parameter::query("kind", "Only items of this kind.", json!({ "type": "string" }))
            .example("deal-notification"),
    ]
}

fn settings() -> Vec<Route> {
    let preferences = || Body::json("Preferences", &["http.preferences"]);
    let body = || Body::json("DoNotDisturb", &["http.do-not-disturb", "http.do-not-disturb.until"]);
    vec![
        Route {
            summary: "See do-not-disturb",
            description: "As the user set it; whether it is quiet right now stands in `connection-established` and \
                `settings-changed`.",
            answers: vec![Answer::with(200, "The setting.", body())],
            ..base("get", "/v1/do-not-disturb", "getDoNotDisturb", "Settings")
        },
        Route {
            summary: "Set do-not-disturb",
            description: "Replaces the setting. All devices of the user hear of it, and what was deferred is considered again.",
            body: Some(body()),
            answers: vec![Answer::with(200, "The setting as it is now.", body())],
            ..base("put", "/v1/do-not-disturb", "putDoNotDisturb", "Settings")
        },
        Route {
            summary: "See preferences",
            description: "Which categories the user wants by which way.",
            answers: vec![Answer::with(200, "The preferences.", preferences())],
            ..base("get", "/v1/preferences", "getPreferences", "Settings")
        },
        Route {
            summary: "Set preferences",
            description: "Replaces them. All devices of the user hear of it by `settings-changed`, and what was deferred is \
                considered again. Inbox and open tabs have everything in any case.",
            body: Some(preferences()),
            answers: vec![Answer::with(200, "The preferences as they are now.", preferences())],
            ..base("put", "/v1/preferences", "putPreferences", "Settings")
        },
    ]
}

fn devices() -> Vec<Route> {
    let device_id = || {
        let description =
            "The device's id, percent-encoded: the app makes it once and keeps it. It is unique per user.";
        Parameter::path("device_id", description, reference("DeviceId")).example("phone-5f21")
    };
    let device = || Body::json("Device", &["http.device"]);
    vec![
        Route {
            summary: "List devices",
            description: "Where pushes to the user go, with the address shortened.",
            answers: vec![Answer::with(200, "The devices.", Body::json("Devices", &["http.devices"]))],
            ..base("get", "/v1/devices", "listDevices", "Devices")
        },
        Route {
            summary: "Register a device",
            description: "To be called whenever the app starts or its token changes. An address that another device has, of this \
                user or of another one, moves here. A provider that is not configured yet is no reason to refuse: pushes \
                begin when it is.",
            parameters: vec![device_id()],
            body: Some(Body::json(
                "DeviceBody",
                &["http.device-body", "http.device-body.fcm", "http.device-body.apns"],
            )),
            answers: vec![Answer::with(200, "The device as it stands now.", device())],
            errors: &[E::IdInvalid, E::TooManyDevices],
            ..base("put", "/v1/devices/{device_id}", "putDevice", "Devices")
        },
        Route {
            summary: "Forget a device",
            description: "To be called at logout.",
            parameters: vec![device_id()],
            answers: vec![Answer::empty(204, "It gets no more pushes.")],
            errors: &[E::IdInvalid, E::DeviceUnknown],
            ..base("delete", "/v1/devices/{device_id}", "deleteDevice", "Devices")
        },
        Route {
            summary: "Read the key for web push",
            description: "What `pushManager.subscribe` needs as `applicationServerKey`.",
            answers: vec![Answer::with(
                200,
                "The present key.",
                Body::json("WebPushKey", &["http.web-push-key"]),
            )],
            errors: &[E::ProviderNotConfigured],
            ..base("get", "/v1/web-push/key", "getWebPushKey", "Devices")
        },
    ]
}

fn cursor() -> Parameter {
    Parameter::query(
        "cursor",
        "Where the client stands: what came after it is sent first. One that cannot be read is answered by `reset`.",
        json!({ "type": "string" }),
    )
    .example("9f1c22ab00e1d2c3.41.7")
}

fn max() -> Parameter {
    Parameter::query(
        "max",
        "When more than this many items are missing, `reset` with the newest page is sent instead.",
        json!({ "type": "integer", "minimum": 0 }),
    )
}

fn live() -> Vec<Route> {
    let socket = |path, id, summary| Route {
        summary,
        description: "The frames are described in the AsyncAPI document. A client that offers `belfry.v1` gets a refusal as an \
            accepted upgrade, an `error` frame and a close code; any other client gets it as HTTP.",
        who: Who::Listener,
        parameters: vec![
            cursor(),
            max(),
            Parameter::header(
                "Sec-WebSocket-Protocol",
                "`belfry.v1`, and beside it `bearer.<token>` where the token travels here.",
                json!({ "type": "string" }),
            )
            .example("belfry.v1"),
        ],
        answers: vec![Answer::empty(101, "The connection speaks WebSocket from here.")],
        errors: &[E::UpgradeRequired, E::VersionNotSupported, E::TooManyConnections],
        ..base("get", path, id, "Live")
    };
    let connection = Fixture::named("server.connection-established").expect("the fixture is listed").value();
    vec![
        socket("/ws", "openSocket", "Listen by WebSocket"),
        socket("/ws/alerts", "openAlertsSocket", "Listen by WebSocket, under a second name"),
        Route {
            summary: "Listen by server-sent events",
            description: "The same frames as the socket's, one per event: `data` is the frame, `id` the cursor after it. \
                Receipts go to `POST /v1/acks`. A browser's own `EventSource` gives up for ever after a refusal, so a client \
                that accepts `text/event-stream` and does not say that it speaks `belfry.v1` is refused by `200`, an `error` \
                event and a `retry`; any other gets the status.",
            who: Who::Listener,
            parameters: vec![
                cursor(),
                max(),
                Parameter::query(
                    "protocol",
                    "`belfry.v1`: the client knows these frames. An `Authorization` header says the same.",
                    json!({ "type": "string", "enum": [SUBPROTOCOL] }),
                ),
                Parameter::header(
                    "Last-Event-ID",
                    "The same as `cursor`, which comes first.",
                    json!({ "type": "string" }),
                ),
            ],
            answers: vec![Answer::with(
                200,
                "The frames, for as long as both sides like.",
                Body::text("text/event-stream"),
            )],
            errors: &[E::TooManyConnections],
            ..base("get", "/v1/events", "openEvents", "Live")
        },
        Route {
            summary: "Renew a live connection's token",
            description: "For tokens that a page cannot read (`HttpOnly` cookies): the token of this request becomes that of the \
                connection. It must be of the same user.",
            parameters: vec![
                Parameter::path(
                    "id",
                    "`connection_id` of `connection-established`.",
                    reference("ConnectionId"),
                )
                .example(connection["data"]["connection_id"].clone()),
            ],
            answers: vec![Answer::with(
                200,
                "The connection lives on with the fresh token.",
                Body::json("AuthenticateAnswer", &["http.authenticate-answer"]),
            )],
            errors: &[E::ConnectionUnknown],
            ..base("post", "/v1/connections/{id}/authenticate", "authenticateConnection", "Live")
        },
    ]
}
