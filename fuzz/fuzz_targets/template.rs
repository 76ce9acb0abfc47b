//! A template of any text, as text and as HTML, on a payload of any JSON behind its first zero byte: it must end, and keep to its limits.
//!
//! Run by `cargo xtask fuzz template`, or by hand with a nightly compiler:
//!     cargo +nightly fuzz run template -- -max_total_time=120
#![no_main]

use std::path::Path;

use belfry_server::kinds::{AlertFacts, Given, Kinds, KindsOptions, RenderInput};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (template, payload) = text.split_once('\0').unwrap_or((text, "{}"));
    let quoted = serde_json::Value::from(template).to_string();
    let file = format!("kind = \"k\"\nlink = {quoted}\ncollapse = {quoted}\n[templates.en]\ntitle = {quoted}\nbody = {quoted}");
    let Ok(kinds) = Kinds::from_text(Path::new("k.toml"), &file, &KindsOptions::default()) else { return };
    let data = serde_json::from_str(payload).unwrap_or_default();
    let kind = kinds.get("k").expect("is declared");
    let alert = AlertFacts { id: "0199", kind: "k", severity: kind.severity, created_at: Default::default() };
    let input = RenderInput { locale: "en", data: &data, alert, user: None, given: Given::default() };
    if let Ok(rendered) = kind.render(&input) {
        assert!(rendered.title.len() <= 512 && rendered.body.is_none_or(|body| body.len() <= 4096));
        assert!(rendered.collapse_key.is_none_or(|key| key.len() <= 256));
    }
    let file = format!("kind = \"k\"\n[templates.en]\ntitle = \"t\"\nhtml = {quoted}");
    let Ok(kinds) = Kinds::from_text(Path::new("k.toml"), &file, &KindsOptions::default()) else { return };
    let html = kinds.get("k").expect("is declared").html(&input);
    assert!(html.is_ok_and(|html| html.is_none_or(|html| html.len() <= 100 * 1024)) || template.contains('{'));
});
