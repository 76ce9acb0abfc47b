//! The golden fixtures: written by hand, the truth of the wire. Tests read them, documents show them as examples.

/// One golden fixture.
#[derive(Debug, Clone, Copy)]
pub struct Fixture {
    /// The file's name without `.json`.
    pub name: &'static str,
    /// The type it is an instance of.
    pub schema: &'static str,
    /// The file's text.
    pub text: &'static str,
}

impl Fixture {
    /// The fixture of this name.
    pub fn named(name: &str) -> Option<&'static Fixture> {
        ALL.iter().find(|fixture| fixture.name == name)
    }

    /// The fixture as a JSON value.
    pub fn value(&self) -> serde_json::Value {
        serde_json::from_str(self.text).expect("a test reads every fixture as JSON")
    }
}

/// The fixtures of one frame type.
pub fn of_type(schema: &str, frame_type: &str) -> Vec<&'static Fixture> {
    ALL.iter().filter(|fixture| fixture.schema == schema && fixture.value()["type"] == frame_type).collect()
}

macro_rules! fixtures {
    ($($schema:ident: $($name:literal),+;)*) => {
        /// All of them.
        pub const ALL: &[Fixture] = &[$($(Fixture {
            name: $name,
            schema: stringify!($schema),
            text: include_str!(concat!("../fixtures/", $name, ".json")),
        },)+)*];
    };
}

fixtures! {
    ServerFrame: "server.catch-up", "server.connection-established", "server.connection-established.ping", "server.error", "server.error.rate-limited", "server.going-away", "server.inbox-changed.all", "server.inbox-changed", "server.inbox-changed.up-to", "server.ping", "server.pong", "server.reset", "server.settings-changed";
    Item: "alert.actions", "alert.all", "alert.replaces", "alert.user", "item.archived", "item.read";
    ClientFrame: "client.ack.ids", "client.ack.range", "client.acted", "client.archive", "client.authenticate", "client.ping", "client.pong", "client.presence", "client.read", "client.read.up-to", "client.resume", "client.resume.live", "client.seen", "client.unarchive", "client.unread";
    NewAlert: "http.new-alert.everyone", "http.new-alert.group", "http.new-alert", "http.new-alert.minimal", "http.new-alert.users";
    AlertAnswer: "http.alert-answer.everyone", "http.alert-answer";
    BatchResult: "http.batch-result.accepted", "http.batch-result.refused";
    AlertTrace: "http.alert-trace.fallback", "http.alert-trace", "http.alert-trace.recalled";
    UserProfile: "http.user-profile";
    User: "http.user";
    ExportLine: "http.export-line.item", "http.export-line.user";
    DisconnectBody: "http.disconnect-body";
    DisconnectAnswer: "http.disconnect-answer";
    GroupMembers: "http.group-members";
    GroupSize: "http.group-size";
    Group: "http.group";
    Stats: "http.stats";
    InboxPage: "http.inbox-page";
    InboxStateBody: "http.inbox-state-body.ids", "http.inbox-state-body.up-to";
    InboxStateAnswer: "http.inbox-state-answer";
    UnreadCount: "http.unread-count";
    AckBody: "http.ack-body.ids", "http.ack-body.range";
    AuthenticateAnswer: "http.authenticate-answer";
    RevokedKey: "http.revoked-key";
    RevokedKeys: "http.revoked-keys";
    DoNotDisturb: "http.do-not-disturb", "http.do-not-disturb.until";
    DeviceBody: "http.device-body", "http.device-body.apns", "http.device-body.fcm";
    Device: "http.device";
    Devices: "http.devices";
    UserDevices: "http.user-devices";
    Preferences: "http.preferences";
    WebPushKey: "http.web-push-key";
    ReceiptBody: "http.receipt-body";
    WebhookBody: "http.webhook-body";
    Webhook: "http.webhook", "http.webhook.created";
    Webhooks: "http.webhooks";
    WebhookTest: "http.webhook-test";
    StatusEvent: "webhook.accepted", "webhook.read", "webhook.sent", "webhook.test";
    Health: "http.health";
    BackupBody: "http.backup-body";
    BackupLine: "http.backup-line.done", "http.backup-line.failed", "http.backup-line.progress";
    DeadLetters: "http.dead-letters";
    ReplayBody: "http.replay-body.filter", "http.replay-body.ids";
    ReplayAnswer: "http.replay-answer";
    ResumeBody: "http.resume-body";
    ResumeAnswer: "http.resume-answer";
    Providers: "http.providers";
    ProviderStatus: "http.provider-status";
    Problem: "problem.alert-unknown", "problem.data-invalid", "problem.field-invalid", "problem.forbidden", "problem.idempotency-mismatch", "problem.json-malformed", "problem.kind-unknown", "problem.rate-limited", "problem.store-unavailable", "problem.unauthorized";
}
