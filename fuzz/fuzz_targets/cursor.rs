//! Any text as a cursor, a page token and an alert's id: what is read prints as it was read.
#![no_main]

use belfry_protocol::{AlertId, Cursor, Epoch, Seq};
use belfry_server::wire;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some((numbers, _)) = data.split_first_chunk::<24>() {
        let number =
            |nth: usize| u64::from_le_bytes(*numbers[nth * 8..].first_chunk().expect("there are 24"));
        let epoch = Epoch { store: number(0) as u32, user: (number(0) >> 32) as u32 };
        // Positions are numbers that JavaScript holds exactly.
        let cursor = Cursor { epoch, user: Seq(number(1) >> 11), all: Seq(number(2) >> 11) };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        // Page tokens are keys of alerts, which are positive.
        let key = (number(0) >> 1) as i64;
        assert_eq!(wire::parse_page_token(&wire::page_token(key)), Some(key));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        assert_eq!(serde_json::to_string(&cursor).expect("is JSON"), format!("\"{cursor}\""));
        assert_eq!(text[..16], cursor.to_string()[..16]);
    }
    if let Some(key) = wire::parse_page_token(text) {
        assert!(key >= 0);
        assert_eq!(wire::parse_page_token(&wire::page_token(key)), Some(key));
    }
    if let Ok(id) = text.parse::<AlertId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(AlertId::from_parts(id.key(), id.tail()), id);
    }
});
