//! What a back end and an operator call.

use super::route::{Answer, Body, Parameter, Route, Who, reference};
use crate::alert::KEY_BYTES_MAX;
use crate::error_code::ErrorCode as E;
use crate::fixtures::Fixture;
use crate::group::MEMBERS_PAGE_MAX;
use crate::trace::TRACE_RECIPIENTS_MAX;
use serde_json::json;

/// The routes for API keys.
pub(super) fn routes() -> Vec<Route> {
    let mut routes = alerts();
    routes.extend(users());
    routes.extend(groups());
    routes.extend(webhooks());
    routes.extend(operation());
    routes
}

fn idempotency_key() -> Parameter {
    Parameter::header(
        "Idempotency-Key",
        "Makes repeating the call harmless: the same key with the same body gets the first call's answer. A batch appends \
         `#` and the number of the line, unless the line has its own `idempotency_key`.",
        json!({ "type": "string", "minLength": 1, "maxLength": KEY_BYTES_MAX }),
    )
    .example("deals-2026-11-23-ann")
}

fn alert_id() -> Parameter {
    let fixture = Fixture::named("http.alert-answer").expect("the fixture is listed").value();
    let mut schema = reference("AlertId");
    // UUIDv7: another one cannot be an alert's.
    schema["pattern"] =
        "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-7[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$".into();
    Parameter::path("id", "The alert's id, as `POST /v1/alerts` answered it.", schema)
        .example(fixture["id"].clone())
}

fn user_id() -> Parameter {
    Parameter::path("id", "The user's id, percent-encoded.", reference("UserId")).example("ann")
}

fn group_id() -> Parameter {
    Parameter::path("id", "The group's id, percent-encoded.", reference("GroupId")).example("family-7")
}

fn key_id() -> Parameter {
    Parameter::path("id", "The key's `kid`, percent-encoded.", reference("KeyId")).example("signer-2026-10")
}

/// What `POST /v1/alerts` may refuse beyond a malformed body.
const PUBLISH: &[E] = &[
    E::KindUnknown,
    E::KindReserved,
    E::DataInvalid,
    E::TemplateFailed,
    E::GroupUnknown,
    E::IdempotencyMismatch,
    E::IdempotencyInProgress,
];

fn alerts() -> Vec<Route> {
    vec![
        Route {
            method: "post",
            path: "/v1/alerts",
            id: "createAlert",
            tag: "Alerts",
            summary: "Post an alert",
            description: "The answer is sent once the alert is on disk. Up to 256 recipients get their notification in the \
                same transaction; a larger audience is expanded right after it.",
            who: Who::Publisher("publish"),
            parameters: vec![idempotency_key()],
            body: Some(Body::json(
                "NewAlert",
                &[
                    "http.new-alert",
                    "http.new-alert.minimal",
                    "http.new-alert.users",
                    "http.new-alert.group",
                    "http.new-alert.everyone",
                ],
            )),
            answers: vec![Answer {
                header: Some(("IdempotentReplayed", "Idempotent-Replayed")),
                ..Answer::with(
                    202,
                    "The alert is on disk.",
                    Body::json("AlertAnswer", &["http.alert-answer", "http.alert-answer.everyone"]),
                )
            }],
            errors: PUBLISH,
        },
        Route {
            method: "post",
            path: "/v1/alerts/batch",
            id: "createAlerts",
            tag: "Alerts",
            summary: "Post many alerts",
            description: "One alert per line. Each line is stored or refused on its own, and answered by one line in the same \
                order. A line that was stored is on disk when its result is sent.",
            who: Who::Publisher("publish"),
            parameters: vec![idempotency_key()],
            body: Some(Body::lines("NewAlert", &["http.new-alert", "http.new-alert.everyone"])),
            answers: vec![Answer::with(
                200,
                "One result per line, in order, streamed.",
                Body::lines("BatchResult", &["http.batch-result.accepted", "http.batch-result.refused"]),
            )],
            errors: &[E::FieldInvalid, E::BatchTooLarge],
        },
        Route {
            method: "get",
            path: "/v1/alerts/{id}",
            id: "getAlert",
            tag: "Alerts",
            summary: "See what became of an alert",
            description: "The alert as it was stored, and where it stands with each recipient, a page at a time: levels \
                with their times, and every step of the fallback with the provider's own words. Addresses are shortened.",
            who: Who::Publisher("publish"),
            parameters: vec![
                alert_id(),
                Parameter::query("after", "`next` of the page before.", reference("UserId")),
                Parameter::query(
                    "limit",
                    "Most recipients of the page.",
                    json!({ "type": "integer", "minimum": 1, "maximum": TRACE_RECIPIENTS_MAX, "default": 100 }),
                ),
            ],
            body: None,
            answers: vec![Answer::with(
                200,
                "The alert and its trace.",
                Body::json(
                    "AlertTrace",
                    &["http.alert-trace", "http.alert-trace.fallback", "http.alert-trace.recalled"],
                ),
            )],
            errors: &[E::AlertUnknown],
        },
        Route {
            method: "delete",
            path: "/v1/alerts/{id}",
            id: "recallAlert",
            tag: "Alerts",
            summary: "Take an alert back",
            description: "It leaves every inbox, on every device. Repeating the call changes nothing.",
            who: Who::Publisher("publish"),
            parameters: vec![alert_id()],
            body: None,
            answers: vec![Answer::empty(204, "It is taken back.")],
            errors: &[E::AlertUnknown],
        },
    ]
}

fn users() -> Vec<Route> {
    let user = Body::json("User", &["http.user"]);
    let route = |method, path, id, summary, description| Route {
        method,
        path,
        id,
        tag: "Users",
        summary,
        description,
        who: Who::Publisher("manage"),
        parameters: vec![user_id()],
        body: None,
        answers: Vec::new(),
        errors: &[],
    };
    vec![
        Route {
            body: Some(Body::json("UserProfile", &["http.user-profile"])),
            answers: vec![Answer::with(200, "The user as they are known now.", user.clone())],
            ..route(
                "put",
                "/v1/users/{id}",
                "putUser",
                "Describe a user",
                "Replaces what was known; a missing field becomes `null`. The user is made where they are new.",
            )
        },
        Route {
            answers: vec![Answer::with(200, "The user.", user)],
            errors: &[E::UserUnknown],
            ..route(
                "get",
                "/v1/users/{id}",
                "getUser",
                "See a user",
                "Profile, unread count and open connections.",
            )
        },
        Route {
            answers: vec![Answer::empty(204, "Nothing is left of the user.")],
            errors: &[E::UserUnknown],
            ..route(
                "delete",
                "/v1/users/{id}",
                "deleteUser",
                "Erase a user",
                "Removes profile, inbox, settings and memberships, and closes the user's connections.",
            )
        },
        Route {
            answers: vec![Answer::with(
                200,
                "The user on the first line, then one item per line.",
                Body::lines("ExportLine", &["http.export-line.user", "http.export-line.item"]),
            )],
            errors: &[E::UserUnknown],
            ..route(
                "get",
                "/v1/users/{id}/export",
                "exportUser",
                "Export everything stored about a user",
                "Streamed: the user, then their items, newest first.",
            )
        },
        Route {
            answers: vec![Answer::with(
                200,
                "The devices, and the addresses that moved.",
                Body::json("UserDevices", &["http.user-devices"]),
            )],
            errors: &[E::UserUnknown],
            ..route(
                "get",
                "/v1/users/{id}/devices",
                "listUserDevices",
                "List a user's devices",
                "For support: with the addresses that another user's registration took over, or that came from one.",
            )
        },
        Route {
            parameters: vec![
                user_id(),
                Parameter::path("device_id", "The device's id, percent-encoded.", reference("DeviceId"))
                    .example("phone-5f21"),
            ],
            answers: vec![Answer::empty(204, "It gets no more pushes.")],
            errors: &[E::DeviceUnknown],
            ..route(
                "delete",
                "/v1/users/{id}/devices/{device_id}",
                "deleteUserDevice",
                "Forget a user's device",
                "",
            )
        },
        Route {
            body: Some(Body::json("DisconnectBody", &["http.disconnect-body"]).optional()),
            answers: vec![Answer::with(
                200,
                "They were told to close.",
                Body::json("DisconnectAnswer", &["http.disconnect-answer"]),
            )],
            ..route(
                "post",
                "/v1/users/{id}/disconnect",
                "disconnectUser",
                "Close a user's connections",
                "With `revoke_before`, every token issued at or before that moment is refused from now on, on every node. \
                 Without a body it only closes: clients whose tokens are good come back.",
            )
        },
    ]
}

fn groups() -> Vec<Route> {
    let members = Some(Body::json("GroupMembers", &["http.group-members"]));
    let size =
        vec![Answer::with(200, "The group's size now.", Body::json("GroupSize", &["http.group-size"]))];
    let route = |method, path, id, summary, description| Route {
        method,
        path,
        id,
        tag: "Groups",
        summary,
        description,
        who: Who::Publisher("manage"),
        parameters: vec![group_id()],
        body: None,
        answers: size.clone(),
        errors: &[E::GroupUnknown],
    };
    vec![
        Route {
            body: members.clone(),
            errors: &[],
            ..route(
                "put",
                "/v1/groups/{id}",
                "putGroup",
                "Set a group's members",
                "Replaces the members; the group is made where it is new. Larger groups are filled by `POST …/members`.",
            )
        },
        Route {
            parameters: vec![
                group_id(),
                Parameter::query("after", "`next` of the page before.", reference("UserId")),
                Parameter::query(
                    "limit",
                    "Most members of the page.",
                    json!({ "type": "integer", "minimum": 1, "maximum": MEMBERS_PAGE_MAX, "default": MEMBERS_PAGE_MAX }),
                ),
            ],
            answers: vec![Answer::with(200, "A page of members.", Body::json("Group", &["http.group"]))],
            ..route("get", "/v1/groups/{id}", "getGroup", "See a group", "Members in order of their ids.")
        },
        Route {
            answers: vec![Answer::empty(204, "There is no such group any more.")],
            ..route(
                "delete",
                "/v1/groups/{id}",
                "deleteGroup",
                "Delete a group",
                "Alerts posted to it stay where they are.",
            )
        },
        Route {
            body: members.clone(),
            ..route(
                "post",
                "/v1/groups/{id}/members",
                "addGroupMembers",
                "Add members",
                "Who is a member already stays one.",
            )
        },
        Route {
            body: members,
            ..route(
                "delete",
                "/v1/groups/{id}/members",
                "removeGroupMembers",
                "Remove members",
                "Who is no member is passed over.",
            )
        },
    ]
}

fn webhook_id() -> Parameter {
    Parameter::path("id", "The endpoint's name, percent-encoded.", reference("WebhookId")).example("crm")
}

fn webhooks() -> Vec<Route> {
    let route = |method, path, id, summary, description| Route {
        method,
        path,
        id,
        tag: "Webhooks",
        summary,
        description,
        who: Who::Publisher("manage"),
        parameters: vec![webhook_id()],
        body: None,
        answers: Vec::new(),
        errors: &[E::WebhookUnknown],
    };
    let webhook = || Body::json("Webhook", &["http.webhook"]);
    let with_secret = || Body::json("Webhook", &["http.webhook.created"]);
    vec![
        Route {
            parameters: Vec::new(),
            answers: vec![Answer::with(200, "The endpoints.", Body::json("Webhooks", &["http.webhooks"]))],
            errors: &[],
            ..route("get", "/v1/webhooks", "listWebhooks", "See the endpoints for status webhooks", "")
        },
        Route {
            body: Some(Body::json("WebhookBody", &["http.webhook-body"])),
            answers: vec![
                Answer::with(200, "The endpoint as it is now.", webhook()),
                Answer::with(201, "It was made; its secret is shown here and never again.", with_secret()),
            ],
            errors: &[E::TooManyWebhooks],
            ..route(
                "put",
                "/v1/webhooks/{id}",
                "putWebhook",
                "Make or change an endpoint",
                "It is told of the events that it lists, signed as standardwebhooks.com describes. Changing an endpoint \
                 keeps its secret and what waits for it; `enabled: true` lets one go on that was disabled.",
            )
        },
        Route {
            answers: vec![Answer::with(200, "The endpoint.", webhook())],
            ..route("get", "/v1/webhooks/{id}", "getWebhook", "See an endpoint", "")
        },
        Route {
            answers: vec![Answer::empty(204, "It is told nothing any more, and what waited is dropped.")],
            ..route("delete", "/v1/webhooks/{id}", "deleteWebhook", "Delete an endpoint", "")
        },
        Route {
            answers: vec![Answer::with(200, "The endpoint with its new secret.", with_secret())],
            ..route(
                "post",
                "/v1/webhooks/{id}/rotate",
                "rotateWebhook",
                "Change an endpoint's secret",
                "For 24 hours events are signed with the old secret as well.",
            )
        },
        Route {
            answers: vec![Answer::with(
                202,
                "A test event is on its way.",
                Body::json("WebhookTest", &["http.webhook-test"]),
            )],
            ..route(
                "post",
                "/v1/webhooks/{id}/test",
                "testWebhook",
                "Send a test event",
                "It goes the way of every event: repeated until it is taken. Where the endpoint is disabled, it waits.",
            )
        },
    ]
}

fn operation() -> Vec<Route> {
    let route = |method, path, id, summary, description| Route {
        method,
        path,
        id,
        tag: "Operation",
        summary,
        description,
        who: Who::Publisher("operate"),
        parameters: Vec::new(),
        body: None,
        answers: Vec::new(),
        errors: &[],
    };
    vec![
        Route {
            answers: vec![Answer::with(200, "The numbers.", Body::json("Stats", &["http.stats"]))],
            ..route(
                "get",
                "/v1/stats",
                "getStats",
                "See connections, rates and queues",
                "Per node and per kind; rates are of the last minute.",
            )
        },
        Route {
            parameters: vec![key_id()],
            answers: vec![Answer::with(
                200,
                "Tokens of this key are refused.",
                Body::json("RevokedKey", &["http.revoked-key"]),
            )],
            ..route(
                "put",
                "/v1/revoked-keys/{id}",
                "revokeKey",
                "Refuse every token of a signing key",
                "For a key that got into wrong hands. Every token that it signed is refused from now on, also after a \
                 restart, and connections that stand on one are closed with 4403. The key need not be known (any more). \
                 Repeating the call changes nothing.",
            )
        },
        Route {
            parameters: vec![key_id()],
            answers: vec![Answer::empty(
                204,
                "Tokens of this key are taken again, if the server knows the key.",
            )],
            errors: &[E::NotFound],
            ..route(
                "delete",
                "/v1/revoked-keys/{id}",
                "restoreKey",
                "Take a key's revocation back",
                "For a revocation by mistake.",
            )
        },
        Route {
            answers: vec![Answer::with(
                200,
                "The revoked keys.",
                Body::json("RevokedKeys", &["http.revoked-keys"]),
            )],
            ..route("get", "/v1/revoked-keys", "listRevokedKeys", "See the revoked signing keys", "")
        },
        Route {
            body: Some(Body::json("BackupBody", &["http.backup-body"])),
            answers: vec![Answer::with(
                200,
                "Progress, then the file's path or what went wrong.",
                Body::lines("BackupLine", &["http.backup-line.progress", "http.backup-line.done"]),
            )],
            ..route(
                "post",
                "/v1/backup",
                "createBackup",
                "Write a backup",
                "A consistent copy, written beside the running server. It holds a new epoch, so clients of a restored server \
                 reset instead of trusting old positions.",
            )
        },
        Route {
            answers: vec![Answer::with(200, "OpenMetrics text.", Body::text("application/openmetrics-text"))],
            ..route(
                "get",
                "/metrics",
                "getMetrics",
                "Read the metrics",
                "Needs no key on a listener of its own (`server.metrics_listen`).",
            )
        },
    ]
}
