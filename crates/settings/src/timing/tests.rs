//! Which of several sources a duration comes from.

use super::*;

fn read(values: &[(&str, &str)]) -> Result<Vec<Timing>, ConfigError> {
    let find = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let timings = by_provider(&Lookup::new(&find))?;
    Ok(profiles().map(|profile| timings.of(profile.provider)).collect())
}

fn of_each(fields: &str) -> String {
    let of_each: Vec<String> = profiles().map(|profile| format!(r#""{}":{{{fields}}}"#, profile.provider)).collect();
    of_each.join(",")
}

#[test]
fn what_suits_a_provider_is_what_nobody_set() {
    for (timing, profile) in read(&[]).unwrap().into_iter().zip(profiles()) {
        assert_eq!(timing, Timing::of(&profile.defaults));
    }
}

#[test]
fn what_is_said_of_a_provider_goes_over_what_is_said_of_all_and_a_setting_of_its_own_over_both() {
    let of_each = of_each(r#""regain_interval_s":3,"polling_interval_s":3"#);
    let document = format!(r#"{{"regain_interval_s":2,"ladder_s":[2],"renew_lead_s":2,{of_each}}}"#);
    let own = [("EVERCAL_TIMING", document.as_str()), ("POLLING_INTERVAL_MS", "4000"), ("RENEW_LEAD", "4")];
    for timing in read(&own).unwrap() {
        let found = (timing.regain_interval_s, timing.ladder_s, timing.polling_interval_s, timing.renew_lead_s);
        assert_eq!(found, (3, vec![2], 4, 4));
    }
}

#[test]
fn what_would_change_nothing_or_leave_no_pause_is_an_error() {
    let (of_one, no_pause) = (of_each(r#""ladder":[1]"#), of_each(r#""regain_interval_s":0"#));
    for (document, problem) in [
        (r#"{"ladder":[1]}"#.to_owned(), "there is no duration `ladder`"),
        (format!("{{{of_one}}}"), "there is no duration `ladder`"),
        (r#"{"nowhere":{"ladder_s":[1]}}"#.to_owned(), "there is no duration `nowhere`"),
        (format!("{{{no_pause}}}"), "`regain_interval_s` has to be at least 1"),
    ] {
        let error = read(&[("EVERCAL_TIMING", &document)]).unwrap_err();
        assert_eq!((error.variable.as_str(), error.problem.as_str()), ("EVERCAL_TIMING", problem));
    }
}

#[test]
fn how_often_gateways_check_the_fleet_depends_on_no_provider() {
    let read = |document: &str| {
        let find = |name: &str| (name == "EVERCAL_TIMING").then(|| document.to_owned());
        fleet_interval(&Lookup::new(&find))
    };
    assert_eq!(read(""), Ok(FLEET_INTERVAL));
    assert_eq!(read(r#"{"fleet_interval_s":7}"#), Ok(Duration::from_secs(7)));
    assert!(read(r#"{"fleet_interval_s":0}"#).is_err());
}
