use super::*;

#[test]
fn a_failure_is_read_by_its_type() {
    for (name, cause) in [
        ("timed_out", Cause::Provider(ProviderErrorKind::TimedOut)),
        ("project_refused", Cause::Provider(ProviderErrorKind::ProjectRefused)),
        ("store_unavailable", Cause::Store),
        ("store_of_a_newer_version", Cause::Store),
        ("endless_list", Cause::EndlessList),
        ("provider_off", Cause::ProviderOff),
        ("superseded", Cause::NoAnswer),
    ] {
        assert_eq!(Cause::from_name(name), cause, "{name}");
    }
}

#[test]
fn every_cause_is_read_back_from_the_wire() {
    let own = [
        Cause::ProviderOff,
        Cause::Store,
        Cause::EndlessList,
        Cause::NoAnswer,
        Cause::LifetimeTooShort,
        Cause::UnknownOutcome,
    ];
    for cause in ProviderErrorKind::ALL.map(Cause::Provider).into_iter().chain(own) {
        let wire = serde_json::to_string(&cause).unwrap();
        assert_eq!(serde_json::from_str::<Cause>(&wire).unwrap(), cause, "{wire}");
    }
}

#[test]
fn people_read_the_kind_and_the_providers_own_word() {
    let failure = Failure::of(Cause::Provider(ProviderErrorKind::Forbidden));
    assert_eq!(failure.to_string(), "forbidden");
    let named = Failure { reason: Some("requiredAccessLevel".into()), ..failure };
    assert_eq!(named.to_string(), "forbidden: requiredAccessLevel");
}
