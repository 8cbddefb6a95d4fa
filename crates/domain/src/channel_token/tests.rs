use super::*;

fn keys(text: &str) -> ChannelTokenKeys {
    ChannelTokenKeys::parse(text).unwrap()
}

fn claim() -> ChannelClaim {
    let watched = Watched::Calendar { account_id: AccountId::generate(), calendar_id: CalendarId::generate() };
    ChannelClaim { watched, channel_id: ChannelId::generate() }
}

#[test]
fn a_token_for_a_list_of_calendars_says_so() {
    let keys = keys("a-key-of-sixteen-chars");
    let claim = ChannelClaim { watched: Watched::CalendarList { account_id: AccountId::generate() }, ..claim() };
    assert_eq!(keys.verify(&keys.sign(claim)), Ok(claim));
}

#[test]
fn a_signed_token_verifies_and_fits_every_provider() {
    let (keys, claim) = (keys("a-key-of-sixteen-chars"), claim());
    let token = keys.sign(claim);
    assert!(token.len() <= TOKEN_CHARS_MAX, "{} characters", token.len());
    assert_eq!(keys.verify(&token), Ok(claim));
}

#[test]
fn a_token_signed_before_the_rotation_still_verifies() {
    let claim = claim();
    let token = keys("the-old-key-of-2025").sign(claim);
    assert_eq!(keys("the-new-key-of-2026,the-old-key-of-2025").verify(&token), Ok(claim));
    assert_eq!(keys("the-new-key-of-2026").verify(&token), Err(TokenRefused::UnknownKey));
}

#[test]
fn a_token_of_one_provider_proves_nothing_at_another_and_keys_rotate_for_each() {
    let (one, other, claim) = (Provider::new("one"), Provider::new("other"), claim());
    let installation = keys("the-old-key-of-2025");
    let token = installation.of(one).sign(claim);
    let rotated = keys("the-new-key-of-2026,the-old-key-of-2025");
    assert_eq!(rotated.of(one).verify(&token), Ok(claim));
    assert_eq!(rotated.of(other).verify(&token), Err(TokenRefused::UnknownKey));
    assert_eq!(installation.verify(&token), Err(TokenRefused::UnknownKey));
}

#[test]
fn changing_any_part_of_a_token_makes_it_refused() {
    let keys = keys("a-key-of-sixteen-chars");
    let token = keys.sign(claim());
    for position in 0..token.len() {
        let mut forged = token.clone().into_bytes();
        forged[position] = if forged[position] == b'a' { b'b' } else { b'a' };
        let forged = String::from_utf8(forged).unwrap();
        // The last base64 character carries two unused bits; decoding refuses those forms as well.
        assert!(keys.verify(&forged).is_err(), "position {position} is not covered");
    }
}

#[test]
fn nonsense_is_refused_without_a_panic() {
    let keys = keys("a-key-of-sixteen-chars");
    for token in ["", ".", "....", "v1.a.b.c.d", "v2.x.y.z.w", &"x".repeat(10_000)] {
        assert!(keys.verify(token).is_err(), "{token:?}");
    }
}

#[test]
fn short_or_missing_keys_are_refused() {
    assert_eq!(ChannelTokenKeys::parse(" , ").unwrap_err(), InvalidKeys::Empty);
    assert_eq!(ChannelTokenKeys::parse("short").unwrap_err(), InvalidKeys::TooShort);
}
