//! The golden fixtures and the Rust types say the same.

use belfry_protocol::fixtures::{ALL, Fixture};
use belfry_protocol::frame::{AlertBody, ItemTail, LiveTail};
use belfry_protocol::{Item, ServerMessage};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;

/// What a check does with a fixture's text and type.
trait Check {
    fn run<T: DeserializeOwned + Serialize>(&self, fixture: &Fixture);
}

fn for_type(fixture: &Fixture, check: &impl Check) {
    use belfry_protocol::*;
    match fixture.schema {
        "ServerFrame" => check.run::<ServerFrame>(fixture),
        "Item" => check.run::<Item>(fixture),
        "ClientFrame" => check.run::<ClientFrame>(fixture),
        "NewAlert" => check.run::<NewAlert>(fixture),
        "AlertAnswer" => check.run::<AlertAnswer>(fixture),
        "BatchResult" => check.run::<batch::BatchResult>(fixture),
        "AlertTrace" => check.run::<trace::AlertTrace>(fixture),
        "UserProfile" => check.run::<user::UserProfile>(fixture),
        "User" => check.run::<user::User>(fixture),
        "ExportLine" => check.run::<export::ExportLine>(fixture),
        "DisconnectBody" => check.run::<user::DisconnectBody>(fixture),
        "DisconnectAnswer" => check.run::<user::DisconnectAnswer>(fixture),
        "GroupMembers" => check.run::<group::GroupMembers>(fixture),
        "GroupSize" => check.run::<group::GroupSize>(fixture),
        "Group" => check.run::<group::Group>(fixture),
        "Stats" => check.run::<stats::Stats>(fixture),
        "InboxPage" => check.run::<inbox::InboxPage>(fixture),
        "InboxStateBody" => check.run::<inbox::InboxStateBody>(fixture),
        "InboxStateAnswer" => check.run::<inbox::InboxStateAnswer>(fixture),
        "UnreadCount" => check.run::<inbox::UnreadCount>(fixture),
        "AckBody" => check.run::<inbox::AckBody>(fixture),
        "AuthenticateAnswer" => check.run::<operation::AuthenticateAnswer>(fixture),
        "RevokedKey" => check.run::<operation::RevokedKey>(fixture),
        "RevokedKeys" => check.run::<operation::RevokedKeys>(fixture),
        "DoNotDisturb" => check.run::<DoNotDisturb>(fixture),
        "DeviceBody" => check.run::<device::DeviceBody>(fixture),
        "Device" => check.run::<device::Device>(fixture),
        "Devices" => check.run::<device::Devices>(fixture),
        "UserDevices" => check.run::<device::UserDevices>(fixture),
        "Preferences" => check.run::<preferences::Preferences>(fixture),
        "WebPushKey" => check.run::<device::WebPushKey>(fixture),
        "ReceiptBody" => check.run::<delivery::ReceiptBody>(fixture),
        "WebhookBody" => check.run::<webhook::WebhookBody>(fixture),
        "Webhook" => check.run::<webhook::Webhook>(fixture),
        "Webhooks" => check.run::<webhook::Webhooks>(fixture),
        "WebhookTest" => check.run::<webhook::WebhookTest>(fixture),
        "StatusEvent" => check.run::<webhook::StatusEvent>(fixture),
        "Health" => check.run::<operation::Health>(fixture),
        "BackupBody" => check.run::<operation::BackupBody>(fixture),
        "BackupLine" => check.run::<operation::BackupLine>(fixture),
        "DeadLetters" => check.run::<delivery::DeadLetters>(fixture),
        "ReplayBody" => check.run::<delivery::ReplayBody>(fixture),
        "ReplayAnswer" => check.run::<delivery::ReplayAnswer>(fixture),
        "ResumeBody" => check.run::<delivery::ResumeBody>(fixture),
        "ResumeAnswer" => check.run::<delivery::ResumeAnswer>(fixture),
        "Providers" => check.run::<delivery::Providers>(fixture),
        "ProviderStatus" => check.run::<delivery::ProviderStatus>(fixture),
        "Problem" => check.run::<Problem>(fixture),
        other => panic!("`{}` is of a type that this test does not know: {other}", fixture.name),
    }
}

/// Bodies: what a caller sends. A field they do not know is the caller's mistake.
const BODIES: &[&str] = &[
    "NewAlert",
    "UserProfile",
    "DisconnectBody",
    "GroupMembers",
    "InboxStateBody",
    "AckBody",
    "ReplayBody",
    "ResumeBody",
    "DoNotDisturb",
    "DeviceBody",
    "Preferences",
    "ReceiptBody",
    "BackupBody",
    "WebhookBody",
];

#[test]
fn every_fixture_file_is_listed_once() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
    let files: BTreeSet<String> = std::fs::read_dir(directory)
        .expect("the directory exists")
        .map(|entry| entry.expect("is readable").file_name().into_string().expect("is UTF-8"))
        .collect();
    let listed: Vec<String> = ALL.iter().map(|fixture| format!("{}.json", fixture.name)).collect();
    assert_eq!(files.len(), listed.len(), "a fixture is listed twice or not at all");
    assert_eq!(files, listed.into_iter().collect());
}

#[test]
fn every_fixture_survives_its_rust_type() {
    struct Survives;
    impl Check for Survives {
        fn run<T: DeserializeOwned + Serialize>(&self, fixture: &Fixture) {
            let parsed: T = serde_json::from_str(fixture.text)
                .unwrap_or_else(|error| panic!("`{}` does not parse: {error}", fixture.name));
            let again = serde_json::to_value(&parsed).expect("serialises");
            assert_eq!(again, fixture.value(), "`{}` changes on its way", fixture.name);
        }
    }
    for fixture in ALL {
        for_type(fixture, &Survives);
    }
}

#[test]
fn unknown_fields_are_ignored_in_frames_and_answers_and_refused_in_bodies() {
    struct WithUnknown;
    impl Check for WithUnknown {
        fn run<T: DeserializeOwned + Serialize>(&self, fixture: &Fixture) {
            let mut value = fixture.value();
            let object = value.as_object_mut().expect("every fixture is an object");
            // Of an export line the only key is the variant; the unknown field goes inside.
            let inside = if fixture.schema == "ExportLine" {
                object.values_mut().next().and_then(Value::as_object_mut).expect("holds an object")
            } else {
                object
            };
            inside.insert("x_later".into(), 1.into());
            let refused = serde_json::from_str::<T>(&value.to_string()).is_err();
            assert_eq!(refused, BODIES.contains(&fixture.schema), "`{}` with an unknown field", fixture.name);
        }
    }
    for fixture in ALL {
        for_type(fixture, &WithUnknown);
    }
}

#[test]
fn unknown_fields_inside_frame_data_are_ignored() {
    struct WithUnknownData;
    impl Check for WithUnknownData {
        fn run<T: DeserializeOwned + Serialize>(&self, fixture: &Fixture) {
            let mut value = fixture.value();
            value["data"]["x_later"] = Value::Null;
            serde_json::from_str::<T>(&value.to_string()).unwrap_or_else(|error| {
                panic!("`{}` with an unknown field in `data`: {error}", fixture.name)
            });
        }
    }
    for fixture in
        ALL.iter().filter(|fixture| matches!(fixture.schema, "ServerFrame" | "Item" | "ClientFrame"))
    {
        for_type(fixture, &WithUnknownData);
    }
}

#[test]
fn each_frame_type_has_a_fixture() {
    let types = |schema| -> BTreeSet<String> {
        let fixtures = ALL.iter().filter(|fixture| fixture.schema == schema);
        fixtures.map(|fixture| fixture.value()["type"].as_str().expect("is text").to_owned()).collect()
    };
    let list = |types: &[&str]| types.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(types("ServerFrame"), list(belfry_protocol::frame::SERVER_TYPES));
    assert_eq!(types("ClientFrame"), list(belfry_protocol::frame::CLIENT_TYPES));
}

#[test]
fn a_client_reads_every_server_fixture_and_the_server_every_client_fixture() {
    use belfry_protocol::frame::{ClientFrame, ParsedFrame};
    for fixture in ALL {
        match fixture.schema {
            "ServerFrame" => {
                assert!(
                    matches!(ServerMessage::parse(fixture.text), Ok(ServerMessage::Frame(_))),
                    "{}",
                    fixture.name
                );
            }
            "Item" => {
                assert!(
                    matches!(ServerMessage::parse(fixture.text), Ok(ServerMessage::Alert(_))),
                    "{}",
                    fixture.name
                );
            }
            "ClientFrame" => {
                let Ok(ParsedFrame::Known(frame)) = ClientFrame::parse(fixture.text) else {
                    panic!("`{}` is not understood", fixture.name)
                };
                assert_eq!(
                    serde_json::to_value(&frame).expect("serialises"),
                    fixture.value(),
                    "{}",
                    fixture.name
                );
            }
            _ => {}
        }
    }
}

#[test]
fn the_encoded_once_form_of_an_alert_is_that_of_its_fixture() {
    for fixture in ALL.iter().filter(|fixture| fixture.schema == "Item") {
        let item: Item = serde_json::from_str(fixture.text).expect("is an item");
        let mut bytes = AlertBody {
            r#type: &item.r#type,
            data: &item.data,
            timestamp: item.timestamp,
            id: item.id,
            stream: item.stream,
            title: &item.title,
            body: item.body.as_deref(),
            severity: item.severity,
            category: &item.category,
            link: item.link.as_deref(),
            image: item.image.as_deref(),
            actions: &item.actions,
            thread: item.thread.as_deref(),
            expires_at: item.expires_at,
        }
        .encode();
        let (seq, quiet) = (item.seq, item.quiet);
        match (item.version.zip(item.state), item.unread) {
            (Some((version, state)), None) => ItemTail { seq, version, state, quiet }.write(&mut bytes),
            (None, Some(unread)) => {
                LiveTail { seq, replaces: item.replaces.first().copied(), unread, quiet }.write(&mut bytes);
            }
            _ => panic!("`{}` is neither live nor an item with state", fixture.name),
        }
        let encoded: Value = serde_json::from_slice(&bytes).expect("is JSON");
        assert_eq!(encoded, fixture.value(), "{}", fixture.name);
    }
}
