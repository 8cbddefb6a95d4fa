use super::*;

const CONTEXT: Context<'static> = Context { table: "accounts", row: "acc_1", field: "credentials" };

fn key_text(id: &str) -> String {
    Keyring::generate(id).unwrap().expose().to_owned()
}

#[test]
fn a_sealed_value_opens_in_its_place_and_hides_the_plain_text() {
    let keyring = Keyring::parse(&key_text("k1")).unwrap();
    let sealed = keyring.seal(CONTEXT, b"a marker").unwrap();
    assert!(!sealed.windows(8).any(|window| window == b"a marker"));
    assert_eq!(keyring.open(CONTEXT, &sealed).unwrap().as_slice(), b"a marker");
}

#[test]
fn a_value_opens_in_no_other_place() {
    let keyring = Keyring::parse(&key_text("k1")).unwrap();
    let sealed = keyring.seal(CONTEXT, b"secret").unwrap();
    for other in [
        Context { table: "authorizations", ..CONTEXT },
        Context { row: "acc_2", ..CONTEXT },
        Context { field: "code_verifier", ..CONTEXT },
    ] {
        assert!(keyring.open(other, &sealed).is_err(), "{other:?}");
    }
}

#[test]
fn after_a_rotation_old_values_still_open_and_new_ones_need_the_new_key() {
    let (old, new) = (key_text("k0"), key_text("k1"));
    let before = Keyring::parse(&old).unwrap();
    let after = Keyring::parse(&format!("{new},{old}")).unwrap();
    let sealed_before = before.seal(CONTEXT, b"old").unwrap();
    let sealed_after = after.seal(CONTEXT, b"new").unwrap();
    assert_eq!(after.open(CONTEXT, &sealed_before).unwrap().as_slice(), b"old");
    assert!(before.open(CONTEXT, &sealed_after).is_err());
}

#[test]
fn another_key_under_the_same_id_does_not_open_it() {
    let sealed = Keyring::parse(&key_text("k1")).unwrap().seal(CONTEXT, b"secret").unwrap();
    let other = Keyring::parse(&key_text("k1")).unwrap();
    assert!(other.open(CONTEXT, &sealed).is_err());
}

#[test]
fn a_value_changed_or_cut_anywhere_is_refused_without_a_panic() {
    let keyring = Keyring::parse(&key_text("k1")).unwrap();
    let sealed = keyring.seal(CONTEXT, b"secret").unwrap();
    for position in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[position] ^= 1;
        assert!(keyring.open(CONTEXT, &changed).is_err(), "byte {position} is not covered");
        assert!(keyring.open(CONTEXT, &sealed[..position]).is_err(), "cut at {position}");
    }
}

#[test]
fn two_seals_of_one_value_look_different() {
    let keyring = Keyring::parse(&key_text("k1")).unwrap();
    assert_ne!(keyring.seal(CONTEXT, b"same").unwrap(), keyring.seal(CONTEXT, b"same").unwrap());
}

#[test]
fn a_bad_key_text_says_what_is_wrong_and_never_shows_the_key() {
    let good = key_text("k1");
    let twice = format!("{good},{good}");
    let cases = [
        ("", InvalidKeyring::Empty),
        ("bWFya2Vy", InvalidKeyring::NoId { position: 1 }),
        ("k 1:bWFya2Vy", InvalidKeyring::BadId { position: 1 }),
        ("k1:bWFya2Vy!", InvalidKeyring::NotBase64 { id: "k1".into() }),
        ("k1:bWFya2Vy", InvalidKeyring::WrongLength { id: "k1".into(), bytes: 6 }),
        (twice.as_str(), InvalidKeyring::Duplicate { id: "k1".into() }),
    ];
    for (text, expected) in cases {
        let error = Keyring::parse(text).unwrap_err();
        assert_eq!(error, expected);
        assert!(!error.to_string().contains("bWFya2Vy"), "{error}");
    }
}

#[test]
fn the_debug_output_shows_ids_only() {
    let text = key_text("k1");
    assert_eq!(format!("{:?}", Keyring::parse(&text).unwrap()), "[\"k1\"]");
}
