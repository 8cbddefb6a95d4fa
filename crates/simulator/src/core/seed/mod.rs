//! Realistic calendars from a seed: the same seed and week always give the same events. Provider-neutral; each
//! provider folder writes the plan down in its own format. All names are invented.

mod vocabulary;

use super::zones::Zone;
use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use vocabulary::{ALL_DAY, MEETINGS, PEOPLE, PERSONAL, PLACES, TOPICS};

const WEEKS_BEFORE: i64 = 8;
const WEEKS_AFTER: i64 = 16;

/// A calendar to be created.
pub(crate) struct PlannedCalendar {
    pub(crate) summary: String,
    pub(crate) zone: Zone,
    pub(crate) is_primary: bool,
    pub(crate) events: Vec<PlannedEvent>,
}

/// An event to be created.
#[derive(Debug, Clone)]
pub(crate) struct PlannedEvent {
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) time: PlannedTime,
    /// An RRULE without its name.
    pub(crate) rule: Option<String>,
    /// Names and addresses.
    pub(crate) guests: Vec<(String, String)>,
    pub(crate) exceptions: Vec<PlannedException>,
    pub(crate) private: bool,
}

/// When an event is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PlannedTime {
    AllDay { first: NaiveDate, days: i64 },
    Timed { start: NaiveDateTime, minutes: i64, zone: Zone },
}

/// What happens to one occurrence of a series.
#[derive(Debug, Clone)]
pub(crate) struct PlannedException {
    /// Counted from 0.
    pub(crate) occurrence: usize,
    pub(crate) change: ExceptionChange,
}

#[derive(Debug, Clone)]
pub(crate) enum ExceptionChange {
    Cancelled,
    MovedBy { minutes: i64 },
    Renamed { title: String },
}

/// The Monday of a day's week.
pub(crate) fn week_of(anchor: NaiveDate) -> NaiveDate {
    anchor - TimeDelta::days(i64::from(anchor.weekday().num_days_from_monday()))
}

/// The two calendars of the demo user, around the week of `anchor`.
pub(crate) fn demo_calendars(seed: u64, anchor: NaiveDate) -> [PlannedCalendar; 2] {
    let monday = week_of(anchor);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut work = work_series(&mut rng, monday);
    let mut home = home_series(&mut rng, monday);
    for week in -WEEKS_BEFORE..WEEKS_AFTER {
        let week_start = monday + TimeDelta::weeks(week);
        for _ in 0..rng.random_range(6..10) {
            work.push(meeting(&mut rng, week_start));
        }
        for _ in 0..rng.random_range(1..4) {
            home.push(personal(&mut rng, week_start));
        }
        if rng.random_bool(0.4) {
            work.push(all_day(&mut rng, week_start));
        }
    }
    [
        PlannedCalendar { summary: "Robin Hale".to_owned(), zone: Zone::BERLIN, is_primary: true, events: work },
        PlannedCalendar {
            summary: "Family and friends".to_owned(),
            zone: Zone::BERLIN,
            is_primary: false,
            events: home,
        },
    ]
}

/// Some event in the weeks around `anchor`: what a bulk change inserts.
pub(crate) fn any_event(rng: &mut ChaCha8Rng, anchor: NaiveDate) -> PlannedEvent {
    let week = week_of(anchor) + TimeDelta::weeks(rng.random_range(-WEEKS_BEFORE..WEEKS_AFTER));
    match rng.random_range(0..20) {
        0 => all_day(rng, week),
        1 => {
            let weekday = rng.random_range(0..5);
            let mut series = meeting(rng, week);
            series.time = at(week + TimeDelta::days(weekday), 10, 0, 30, Zone::BERLIN);
            series.rule = Some("FREQ=WEEKLY;COUNT=12".to_owned());
            series
        }
        2..5 => personal(rng, week),
        _ => meeting(rng, week),
    }
}

/// A new title for an event.
pub(crate) fn any_title(rng: &mut ChaCha8Rng) -> String {
    format!("{}: {}", pick(rng, &MEETINGS), pick(rng, &TOPICS))
}

pub(crate) fn any_place(rng: &mut ChaCha8Rng) -> &'static str {
    pick(rng, &PLACES)
}

/// One to four people and their addresses.
pub(crate) fn any_guests(rng: &mut ChaCha8Rng) -> Vec<(String, String)> {
    let guests = rng.random_range(1..5);
    PEOPLE.sample(rng, guests).map(|name| person(name)).collect()
}

fn meeting(rng: &mut ChaCha8Rng, week: NaiveDate) -> PlannedEvent {
    let zone = *[Zone::BERLIN, Zone::BERLIN, Zone::BERLIN, Zone::NEW_YORK, Zone::TOKYO, Zone::LONDON]
        .choose(rng)
        .unwrap_or(&Zone::BERLIN);
    let day = week + TimeDelta::days(rng.random_range(0..5));
    let minutes = *[25, 30, 45, 60, 60, 90].choose(rng).unwrap_or(&30);
    let quarter = *[0, 15, 30, 45].choose(rng).unwrap_or(&0);
    let mut event = plain(any_title(rng), at(day, rng.random_range(8..17), quarter, minutes, zone));
    event.location = rng.random_bool(0.6).then(|| pick(rng, &PLACES).to_owned());
    event.description =
        rng.random_bool(0.3).then(|| format!("Agenda: {}, open questions, next steps.", pick(rng, &TOPICS)));
    let guests = rng.random_range(0..5);
    event.guests = PEOPLE.sample(rng, guests).map(|name| person(name)).collect();
    event.private = rng.random_bool(0.04);
    event
}

fn personal(rng: &mut ChaCha8Rng, week: NaiveDate) -> PlannedEvent {
    let day = week + TimeDelta::days(rng.random_range(0..7));
    let minutes = *[45, 60, 90, 120].choose(rng).unwrap_or(&60);
    let mut event = plain(pick(rng, &PERSONAL).to_owned(), at(day, rng.random_range(17..21), 0, minutes, Zone::BERLIN));
    event.private = rng.random_bool(0.2);
    event
}

fn all_day(rng: &mut ChaCha8Rng, week: NaiveDate) -> PlannedEvent {
    let first = week + TimeDelta::days(rng.random_range(0..5));
    let days = *[1, 1, 1, 2, 3, 5].choose(rng).unwrap_or(&1);
    plain(pick(rng, &ALL_DAY).to_owned(), PlannedTime::AllDay { first, days })
}

fn work_series(rng: &mut ChaCha8Rng, monday: NaiveDate) -> Vec<PlannedEvent> {
    let begin = monday - TimeDelta::weeks(WEEKS_BEFORE);
    let berlin = Zone::BERLIN;
    let series = |title: &str, day: i64, time: (u32, u32, i64), zone, rule: &str| {
        let mut event = plain(title.to_owned(), at(begin + TimeDelta::days(day), time.0, time.1, time.2, zone));
        event.rule = Some(rule.to_owned());
        event
    };
    let mut standup = series("Stand-up", 0, (9, 15, 15), berlin, "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR");
    standup.exceptions = vec![cancelled(4), moved(11, 45), cancelled(40), moved(43, 60)];
    let mut planning = series("Sprint planning", 0, (10, 0, 90), berlin, "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO");
    planning.exceptions = vec![moved(4, 1_440), renamed(5, "Sprint planning with the design team")];
    let mut one_to_one = series("1:1 with Mara Lind", 3, (14, 0, 30), berlin, "FREQ=WEEKLY;BYDAY=TH");
    one_to_one.guests = vec![person("Mara Lind")];
    one_to_one.exceptions = vec![cancelled(7), moved(8, -120), cancelled(9)];
    let mut partner = series("Partner call Boston", 1, (10, 0, 45), Zone::NEW_YORK, "FREQ=WEEKLY;BYDAY=TU;COUNT=20");
    partner.exceptions = vec![cancelled(8), moved(10, 30)];
    let tokyo = series("Release hand-over Tokyo", 2, (16, 0, 30), Zone::TOKYO, "FREQ=WEEKLY;BYDAY=WE");
    let review = series("Monthly business review", 0, (15, 0, 60), berlin, "FREQ=MONTHLY;BYDAY=1MO");
    let mut focus = series("Focus time", 0, (13, 0, 120), berlin, "FREQ=DAILY;COUNT=60");
    focus.exceptions = (0..6).map(|_| cancelled(rng.random_range(0..60))).collect();
    let mut pay =
        plain("Payday".to_owned(), PlannedTime::AllDay { first: begin.with_day(28).unwrap_or(begin), days: 1 });
    pay.rule = Some("FREQ=MONTHLY;BYMONTHDAY=28".to_owned());
    vec![standup, planning, one_to_one, partner, tokyo, review, focus, pay]
}

fn home_series(rng: &mut ChaCha8Rng, monday: NaiveDate) -> Vec<PlannedEvent> {
    let begin = monday - TimeDelta::weeks(WEEKS_BEFORE);
    let berlin = Zone::BERLIN;
    let mut yoga = plain("Yoga".to_owned(), at(begin + TimeDelta::days(2), 18, 30, 75, berlin));
    yoga.rule = Some("FREQ=WEEKLY;BYDAY=WE".to_owned());
    yoga.exceptions = vec![cancelled(rng.random_range(0..8)), cancelled(rng.random_range(8..16))];
    let mut violin = plain("Violin lesson Ida".to_owned(), at(begin + TimeDelta::days(4), 16, 0, 45, berlin));
    violin.rule = Some("FREQ=WEEKLY;BYDAY=FR;COUNT=30".to_owned());
    violin.exceptions = vec![moved(9, 60)];
    let mut bins =
        plain("Recycling bins".to_owned(), PlannedTime::AllDay { first: begin + TimeDelta::days(1), days: 1 });
    bins.rule = Some("FREQ=WEEKLY;INTERVAL=2".to_owned());
    let mut birthday =
        plain("Birthday Jonas".to_owned(), PlannedTime::AllDay { first: monday + TimeDelta::days(9), days: 1 });
    birthday.rule = Some("FREQ=YEARLY".to_owned());
    vec![yoga, violin, bins, birthday]
}

fn plain(title: String, time: PlannedTime) -> PlannedEvent {
    PlannedEvent {
        title,
        description: None,
        location: None,
        time,
        rule: None,
        guests: Vec::new(),
        exceptions: Vec::new(),
        private: false,
    }
}

fn at(day: NaiveDate, hour: u32, minute: u32, minutes: i64, zone: Zone) -> PlannedTime {
    let time = NaiveTime::from_hms_opt(hour, minute, 0).unwrap_or(NaiveTime::MIN);
    PlannedTime::Timed { start: day.and_time(time), minutes, zone }
}

fn cancelled(occurrence: usize) -> PlannedException {
    PlannedException { occurrence, change: ExceptionChange::Cancelled }
}

fn moved(occurrence: usize, minutes: i64) -> PlannedException {
    PlannedException { occurrence, change: ExceptionChange::MovedBy { minutes } }
}

fn renamed(occurrence: usize, title: &str) -> PlannedException {
    PlannedException { occurrence, change: ExceptionChange::Renamed { title: title.to_owned() } }
}

/// A name and its address.
fn person(name: &str) -> (String, String) {
    let address = name.to_lowercase().replace(' ', ".");
    (name.to_owned(), format!("{address}@example.com"))
}

fn pick<'a>(rng: &mut ChaCha8Rng, words: &[&'a str]) -> &'a str {
    words.choose(rng).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(seed: u64, anchor: &str) -> Vec<String> {
        demo_calendars(seed, anchor.parse().unwrap())
            .iter()
            .flat_map(|calendar| &calendar.events)
            .map(|event| format!("{} {:?}", event.title, event.time))
            .collect()
    }

    #[test]
    fn the_same_seed_and_week_give_the_same_events() {
        assert_eq!(titles(7, "2026-11-23"), titles(7, "2026-11-29"));
        assert_ne!(titles(7, "2026-11-23"), titles(8, "2026-11-23"));
        assert_ne!(titles(7, "2026-11-23"), titles(7, "2026-11-30"));
    }

    #[test]
    fn there_are_a_few_hundred_events_in_several_zones() {
        let calendars = demo_calendars(1, "2026-11-23".parse().unwrap());
        let events: Vec<_> = calendars.iter().flat_map(|calendar| &calendar.events).collect();
        assert!((200..400).contains(&events.len()), "{}", events.len());
        for zone in [Zone::BERLIN, Zone::NEW_YORK, Zone::TOKYO] {
            assert!(
                events.iter().any(|event| matches!(event.time, PlannedTime::Timed { zone: own, .. } if own == zone))
            );
        }
    }
}
