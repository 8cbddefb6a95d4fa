use chrono::{DateTime, NaiveDate, Utc};

use super::*;
use crate::event::{
    Attachment, Attendee, Conference, ConferenceKind, EventStatus, EventTime, EventWarning, Person, Reminders,
    Response, ShowAs, Visibility,
};
use crate::ids::ProviderEventId;

fn day(day: u32) -> EventTime {
    EventTime::Date { date: NaiveDate::from_ymd_opt(2026, 1, day).unwrap() }
}

fn event() -> Event {
    Event::minimal(ProviderEventId::new("e1"), day(1), day(2))
}

/// Each field of an event, changed by itself. A field that is new does not compile until it is here.
fn changed_in_each_field() -> Vec<(&'static str, Event)> {
    let Event {
        provider_id: _,
        ical_uid: _,
        status: _,
        title: _,
        description: _,
        location: _,
        start: _,
        end: _,
        recurrence: _,
        series: _,
        show_as: _,
        visibility: _,
        event_type: _,
        categories: _,
        creator: _,
        organizer: _,
        attendees: _,
        self_response: _,
        reminders: _,
        attachments: _,
        sequence: _,
        link: _,
        conference: _,
        created_at: _,
        updated_at: _,
        warnings: _,
    } = event();
    let text = || Some("other".to_owned());
    let person = || Person { email: text(), name: None, is_self: false };
    let instant = || Some("2026-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap());
    macro_rules! changed {
        ($($field:ident = $value:expr;)+) => {
            vec![$((stringify!($field), Event { $field: $value, ..event() })),+]
        };
    }
    changed! {
        provider_id = ProviderEventId::new("e2");
        ical_uid = text();
        status = EventStatus::Cancelled;
        title = text();
        description = text();
        location = text();
        start = day(2);
        end = day(3);
        recurrence = vec!["RRULE:FREQ=DAILY".to_owned()];
        series = Some(SeriesPosition { master_id: ProviderEventId::new("m"), original_start: day(1) });
        show_as = ShowAs::Tentative;
        visibility = Visibility::Confidential;
        event_type = text();
        categories = vec!["red".to_owned()];
        creator = Some(person());
        organizer = Some(person());
        attendees = vec![Attendee { person: person(), response: Response::Accepted, optional: false, resource: false }];
        self_response = Some(Response::NeedsAction);
        reminders = Reminders { use_default: true, own: vec![] };
        attachments = vec![Attachment { title: None, url: "https://example.com/a".to_owned() }];
        sequence = Some(1);
        link = text();
        conference = Some(Conference { url: "tel:1".to_owned(), kind: ConferenceKind::THIRD_PARTY });
        created_at = instant();
        updated_at = instant();
        warnings = vec![EventWarning::UnknownZone];
    }
}

#[test]
fn a_change_of_any_field_that_is_answered_changes_the_fingerprint() {
    let mut known = vec![Fingerprint::of_event(&event())];
    for (field, changed) in changed_in_each_field() {
        let after = Fingerprint::of_event(&changed);
        assert!(!known.contains(&after), "{field}");
        known.push(after);
    }
}

#[test]
fn the_same_instant_in_two_zones_is_the_same_occurrence() {
    let at = "2026-06-01T08:00:00Z".parse().unwrap();
    let in_zone = |name: &str| EventTime::Instant { at, zone: evercal_zones::Zone::of_iana(name) };
    assert_eq!(in_zone("Europe/Berlin").key(), in_zone("Asia/Tokyo").key());
}
