//! A kind file of any bytes, and a payload of any JSON behind its first zero byte: what is read must be checked,
//! rendered, typed and printed without a panic.
//!
//! Run by `cargo xtask fuzz kind_file`, or by hand with a nightly compiler:
//!     cargo +nightly fuzz run kind_file -- -max_total_time=120
#![no_main]

use std::path::Path;

use belfry_server::kinds::{AlertFacts, Given, Kinds, KindsOptions, RenderInput, typescript};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (file, payload) = text.split_once('\0').unwrap_or((text, "{}"));
    // The folder does not exist, so that a schema file is never found.
    let kinds = match Kinds::from_text(Path::new("no-such-folder/k.toml"), file, &KindsOptions::default()) {
        Ok(kinds) => kinds,
        Err(faults) => {
            assert!(!faults.is_empty());
            for fault in faults {
                assert!(!fault.problem.is_empty() && !fault.remedy.is_empty());
            }
            return;
        }
    };
    assert_eq!(typescript(&kinds), typescript(&kinds));
    let data = serde_json::from_str(payload).unwrap_or_default();
    for kind in kinds.iter() {
        assert!(!kind.ladder.timeline().is_empty());
        if let Err(faults) = kind.validate(&data) {
            assert!(faults.iter().all(|fault| fault.pointer.starts_with("/data")));
        }
        let alert = AlertFacts {
            id: "0199",
            kind: &kind.name,
            severity: kind.severity,
            created_at: Default::default(),
        };
        let input = RenderInput { locale: "en-GB", data: &data, alert, user: None, given: Given::default() };
        if let Ok(rendered) = kind.render(&input) {
            assert!(!rendered.title.is_empty() && rendered.title.len() <= 512);
            assert!(rendered.link.is_none_or(|link| link.starts_with('/') || link.len() > 8));
        }
        let _ = kind.html(&input);
    }
});
