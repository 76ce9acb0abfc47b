//! Revocation: which tokens a user's `revoke_before` refuses.

use belfry_store::UnixMs;

/// Whether a token issued then is refused by a user's `revoke_before`.
///
/// Equality is refused, because `iat` counts whole seconds and a token of the same second may be the stolen one.
/// A token that does not say when it was issued is refused as soon as anything was revoked.
pub fn is_revoked(issued_at: Option<UnixMs>, revoke_before: Option<UnixMs>) -> bool {
    match (issued_at, revoke_before) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(issued_at), Some(before)) => issued_at <= before,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_revoked_until_something_was() {
        assert!(!is_revoked(None, None));
        assert!(!is_revoked(Some(UnixMs(0)), None));
    }

    #[test]
    fn a_token_without_issue_time_is_refused_once_something_was_revoked() {
        assert!(is_revoked(None, Some(UnixMs(0))));
    }

    #[test]
    fn tokens_issued_at_or_before_the_moment_are_refused() {
        let before = Some(UnixMs(5_000));
        assert!(is_revoked(Some(UnixMs(4_999)), before));
        assert!(is_revoked(Some(UnixMs(5_000)), before), "equality is refused");
        assert!(!is_revoked(Some(UnixMs(5_001)), before));
    }
}
