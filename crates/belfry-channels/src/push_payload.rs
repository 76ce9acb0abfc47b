//! What every push says about its alert, whoever carries it.

use crate::notice::Notice;
use belfry_protocol::Severity;
use serde_json::{Map, Value, json};

/// `{id, user, receipt}`: which alert it is, for whom, and where a device without a credential reports that it has it.
pub(crate) fn belfry(notice: &Notice) -> Value {
    let mut belfry = Map::new();
    belfry.insert("id".to_owned(), json!(notice.alert));
    belfry.insert("user".to_owned(), json!(notice.user));
    if let Some(receipt) = &notice.receipt_url {
        belfry.insert("receipt".to_owned(), json!(receipt));
    }
    Value::Object(belfry)
}

/// Apple's `interruption-level`.
pub(crate) fn interruption_level(notice: &Notice) -> &'static str {
    match (notice.quiet, notice.severity) {
        (true, _) => "passive",
        (false, Severity::Critical) => "time-sensitive",
        (false, _) => "active",
    }
}
