use super::*;

fn codec() -> SealingCodec {
    SealingCodec::new(Keyring::parse(Keyring::generate("k1").unwrap().expose()).unwrap())
}

fn plain() -> Payload {
    let metadata = HashMap::from([(ENCODING.to_owned(), b"json/plain".to_vec())]);
    Payload { metadata, data: br#"{"calendar_id":"a marker"}"#.to_vec(), ..Payload::default() }
}

#[test]
fn a_sealed_payload_shows_neither_its_content_nor_its_metadata_and_opens_whole() {
    let codec = codec();
    let sealed = codec.seal(&plain()).unwrap();
    let wire = sealed.encode_to_vec();
    for hidden in [&b"a marker"[..], b"json/plain"] {
        assert!(!wire.windows(hidden.len()).any(|window| window == hidden));
    }
    assert_eq!(codec.open(sealed).unwrap(), plain());
}

#[test]
fn a_payload_from_before_the_key_is_read_as_it_is() {
    assert_eq!(codec().open(plain()).unwrap(), plain());
}

#[test]
fn sealing_twice_seals_once() {
    let codec = codec();
    let sealed = codec.seal(&plain()).unwrap();
    assert_eq!(codec.seal(&sealed).unwrap(), sealed);
}

#[test]
fn another_key_opens_nothing_and_the_error_shows_nothing() {
    let sealed = codec().seal(&plain()).unwrap();
    let error = codec().open(sealed).unwrap_err().to_string();
    assert!(error.starts_with("temporal.payload") && !error.contains("marker"), "{error}");
}

#[test]
fn a_document_reads_back_and_what_is_not_base64_is_named() {
    let sealed = codec().seal(&plain()).unwrap();
    let json = serde_json::to_string(&PayloadsDocument::of(std::slice::from_ref(&sealed))).unwrap();
    let document: PayloadsDocument = serde_json::from_str(&json).unwrap();
    assert_eq!(document.into_payloads().unwrap(), [sealed]);
    let bad: PayloadsDocument = serde_json::from_str(r#"{"payloads":[{"data":"%"}]}"#).unwrap();
    assert_eq!(bad.into_payloads().unwrap_err().to_string(), "payload 0: `data` is not base64");
    let none: PayloadsDocument = serde_json::from_str("{}").unwrap();
    assert!(none.into_payloads().unwrap().is_empty(), "protobuf's JSON leaves out what is empty");
}
