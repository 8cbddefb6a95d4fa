use chrono::NaiveDate;
use evercal_domain::{AccessRole, AccountId, CalendarId, CalendarState, ProviderCalendarId, RemoteCalendar, TenantId};

use super::*;

fn calendar(time_zone: &str) -> Calendar {
    Calendar {
        id: CalendarId::generate(),
        tenant_id: TenantId::generate(),
        account_id: AccountId::generate(),
        remote: RemoteCalendar {
            provider_id: ProviderCalendarId::new("c"),
            title: "Work".into(),
            time_zone: Some(time_zone.into()),
            access_role: AccessRole::Owner,
            primary: true,
            id_follows_address: true,
        },
        state: CalendarState::Live,
        detail: None,
        state_changed_at: DateTime::UNIX_EPOCH,
        channel_expires_at: None,
        confirmed_at: None,
        confirmed_via: None,
        last_sync: None,
        event_count: 0,
        window_end: None,
    }
}

fn dates(zone: &str, from: &str, to: &str) -> (NaiveDate, NaiveDate) {
    let range = range(&calendar(zone), from.parse().unwrap(), to.parse().unwrap()).unwrap();
    (range.from_date, range.to_date)
}

fn date(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 6, day).unwrap()
}

#[test]
fn the_dates_of_a_window_are_those_of_the_calendars_zone() {
    // One local day west of Greenwich, said in UTC.
    assert_eq!(dates("America/Los_Angeles", "2026-06-10T07:00:00Z", "2026-06-11T07:00:00Z"), (date(10), date(11)));
    // The same instants touch two dates in Tokyo.
    assert_eq!(dates("Asia/Tokyo", "2026-06-10T07:00:00Z", "2026-06-11T07:00:00Z"), (date(10), date(12)));
    assert_eq!(dates("nonsense", "2026-06-10T00:00:00Z", "2026-06-10T00:00:01Z"), (date(10), date(11)));
}

#[test]
fn a_window_has_to_be_one() {
    let refused = |from: &str, to: &str| range(&calendar("UTC"), from.parse().unwrap(), to.parse().unwrap()).is_err();
    assert!(refused("2026-06-10T00:00:00Z", "2026-06-10T00:00:00Z"));
    assert!(refused("2026-06-10T00:00:00Z", "2026-06-09T00:00:00Z"));
    assert!(refused("2026-06-10T00:00:00Z", "2028-06-10T00:00:00Z"));
}
