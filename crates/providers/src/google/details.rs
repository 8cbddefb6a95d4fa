//! Reminders and attachments, as Google says them. Whatever is odd about one costs that one alone.

use evercal_domain::event::{Attachment, Reminder, ReminderMethod, Reminders};
use serde::Deserialize;
use serde_json::Value;

/// What can be opened. Addresses come from whoever made the event, so no others are passed on.
const SCHEMES: [&str; 2] = ["https://", "http://"];

/// When the user is reminded: by the calendar's own reminders, or by the event's.
pub(super) fn reminders(value: Option<Value>) -> Reminders {
    let Some(wire) = value.and_then(|value| serde_json::from_value::<WireReminders>(value).ok()) else {
        return Reminders::default();
    };
    let own = wire.overrides.into_iter().filter_map(|value| serde_json::from_value::<WireReminder>(value).ok());
    let method = |name: &str| match name {
        "popup" => ReminderMethod::Popup,
        "email" => ReminderMethod::Email,
        _ => ReminderMethod::Other,
    };
    let own = own.map(|wire| Reminder { method: method(&wire.method), minutes_before: wire.minutes });
    Reminders { use_default: wire.use_default, own: own.collect() }
}

/// The files, each by its address.
pub(super) fn attachments(value: Option<Value>) -> Vec<Attachment> {
    let Some(Value::Array(files)) = value else { return Vec::new() };
    let files = files.into_iter().filter_map(|value| serde_json::from_value::<WireAttachment>(value).ok());
    let files = files.filter(|file| SCHEMES.iter().any(|scheme| file.file_url.starts_with(scheme)));
    files.map(|file| Attachment { title: file.title, url: file.file_url }).collect()
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireReminders {
    use_default: bool,
    overrides: Vec<Value>,
}

#[derive(Deserialize)]
struct WireReminder {
    method: String,
    minutes: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAttachment {
    file_url: String,
    title: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reminders_are_the_calendars_or_the_events_own() {
        let none = Reminders::default();
        assert_eq!(reminders(None), none);
        assert_eq!(reminders(Some(json!({"useDefault": true}))), Reminders { use_default: true, ..none.clone() });
        let own = json!({"useDefault": false, "overrides": [
            {"method": "popup", "minutes": 10},
            {"method": "email", "minutes": 1_440},
            {"method": "sms", "minutes": 5},
        ]});
        let expected = [(ReminderMethod::Popup, 10), (ReminderMethod::Email, 1_440), (ReminderMethod::Other, 5)]
            .map(|(method, minutes_before)| Reminder { method, minutes_before });
        assert_eq!(reminders(Some(own)).own, expected);
    }

    #[test]
    fn what_is_odd_costs_itself_alone() {
        let odd =
            json!({"useDefault": false, "overrides": [{"method": "popup"}, "x", {"method": "email", "minutes": 1}]});
        assert_eq!(reminders(Some(odd)).own.len(), 1);
        assert_eq!(reminders(Some(json!("often"))), Reminders::default());
        let files = json!([
            {"fileUrl": "javascript:alert(1)", "title": "no"},
            {"title": "no address"},
            7,
            {"fileUrl": "https://drive.example/1", "title": "Plan"},
        ]);
        let expected = [Attachment { title: Some("Plan".into()), url: "https://drive.example/1".into() }];
        assert_eq!(attachments(Some(files)), expected);
        assert_eq!(attachments(Some(json!({}))), []);
    }
}
