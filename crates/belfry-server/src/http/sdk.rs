//! `/sdk/*`: the browser's half, as `npm run build` in `web` makes it. A release holds the files; a debug build reads
//! them from the disk. A server that was built without them still runs, and says how to get them.

use crate::refusal::{Answer, Refusal};
use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Body;
use axum::extract::Path as PathOf;
use axum::response::IntoResponse;
use base64::Engine as _;
use belfry_protocol::ErrorCode;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use std::borrow::Cow;
use std::path::{Component, Path};

/// Where the files stand. Pages of other origins may import them: they hold nothing of anybody.
pub(super) const SDK: &str = "/sdk/{*path}";
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// Names in this folder hold a hash of what is in them.
const CHUNKS: &str = "chunks/";

/// Every file of a release, by its path; none in a debug build.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/sdk_files.rs"));
/// Where a debug build finds them.
const FOLDER: &str = env!("BELFRY_SDK_DIR");

/// `GET /sdk/{path}`.
pub(super) async fn read_file(PathOf(path): PathOf<String>, headers: HeaderMap) -> Result<Answer, Refusal> {
    let found = find(&path, &headers).ok_or_else(|| Refusal::new(ErrorCode::NotFound, missing(&path)))?;
    Ok(respond(&path, found, &headers).into_response())
}

fn missing(path: &str) -> String {
    if !FILES.is_empty() || Path::new(FOLDER).is_dir() {
        return format!("the SDK has no file `{path}`: see the guide on browsers for those it has");
    }
    "this server was built without the SDK: run `npm ci && npm run build` in `web`, then build it again"
        .into()
}

struct Found {
    bytes: Cow<'static, [u8]>,
    is_gzip: bool,
}

/// The file, in the smaller form where the client takes it. What lies compressed beside it is no file of its own.
fn find(path: &str, headers: &HeaderMap) -> Option<Found> {
    if path.ends_with(".gz") {
        return None;
    }
    let compressed = takes_gzip(headers).then(|| bytes_of(&format!("{path}.gz"))).flatten();
    let is_gzip = compressed.is_some();
    Some(Found { bytes: compressed.or_else(|| bytes_of(path))?, is_gzip })
}

fn bytes_of(path: &str) -> Option<Cow<'static, [u8]>> {
    if !cfg!(debug_assertions) {
        return FILES.iter().find(|(name, _)| *name == path).map(|(_, bytes)| Cow::Borrowed(*bytes));
    }
    let path = Path::new(path);
    let is_below = path.components().all(|part| matches!(part, Component::Normal(_)));
    is_below.then(|| std::fs::read(Path::new(FOLDER).join(path)).ok()).flatten().map(Cow::Owned)
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    codings.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim() == "gzip" && weight.trim() != "q=0"
    })
}

fn respond(path: &str, found: Found, request: &HeaderMap) -> Answer {
    let hash = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest(&SHA256, &found.bytes));
    let etag = format!("\"{hash}\"");
    let known = request
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| tag.trim().trim_start_matches("W/") == etag);
    let mut answer = Response::new(if known { Body::empty() } else { Body::from(found.bytes.into_owned()) });
    if known {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
    if found.is_gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(ETAG, HeaderValue::from_str(&etag).expect("base64 is a header's text"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    let cache = if path.starts_with(CHUNKS) { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    answer
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(is_gzip: bool) -> Found {
        Found { bytes: b"export {};".as_slice().into(), is_gzip }
    }

    fn asking(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn an_entry_is_asked_for_again_and_a_chunk_never() {
        let entry = respond("auto.js", found(false), &HeaderMap::new());
        assert_eq!(entry.headers()[CACHE_CONTROL], "no-cache");
        assert_eq!(entry.headers()[CONTENT_TYPE], "text/javascript; charset=utf-8");
        let chunk = respond("chunks/push-abc123.js", found(false), &HeaderMap::new());
        assert_eq!(chunk.headers()[CACHE_CONTROL], "public, max-age=31536000, immutable");
    }

    #[test]
    fn who_has_the_file_already_gets_no_second_copy() {
        let first = respond("auto.js", found(false), &HeaderMap::new());
        let etag = first.headers()[ETAG].clone();
        assert_eq!(first.status(), StatusCode::OK);
        let again = respond("auto.js", found(false), &HeaderMap::from_iter([(IF_NONE_MATCH, etag)]));
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let other = respond("auto.js", found(false), &asking(IF_NONE_MATCH, "\"another\""));
        assert_eq!(other.status(), StatusCode::OK);
    }

    #[test]
    fn a_compressed_answer_says_so() {
        let answer = respond("auto.js", found(true), &HeaderMap::new());
        assert_eq!(answer.headers()[CONTENT_ENCODING], "gzip");
        assert_eq!(answer.headers()[VARY], "accept-encoding");
        assert!(
            !respond("auto.js", found(false), &HeaderMap::new()).headers().contains_key(CONTENT_ENCODING)
        );
    }

    #[test]
    fn only_who_takes_gzip_gets_it() {
        for (value, takes) in
            [("gzip", true), ("br, gzip;q=0.5", true), ("gzip;q=0, br", false), ("br", false)]
        {
            assert_eq!(takes_gzip(&asking(ACCEPT_ENCODING, value)), takes, "{value}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_found_and_the_way_out_of_the_folder_is_closed() {
        let headers = asking(ACCEPT_ENCODING, "gzip");
        for path in ["nothing.js", "../package.json", "auto.js.gz", "/etc/passwd", ""] {
            assert!(find(path, &headers).is_none(), "{path}");
        }
    }
}
