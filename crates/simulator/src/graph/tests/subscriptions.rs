//! Subscriptions and their notices.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;

use super::receiver::{Manner, Receiver};
use super::*;
use crate::core::channels::Collection;
use crate::core::control::NewCalendar;
use crate::core::deliveries::DeliveryStatus;
use crate::core::notices::{NoticeAction, NoticePlan, NoticeRule};
use crate::core::options::DeliveryOptions;
use crate::graph::exports::{EndpointRules, LifecycleEvent};

impl Mailbox {
    fn in_minutes(&self, minutes: i64) -> String {
        let at = self.control.clock().unwrap().now + TimeDelta::minutes(minutes);
        at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    fn wanted(&self, receiver: &Receiver, resource: &str) -> Value {
        json!({
            "changeType": "created,updated,deleted",
            "notificationUrl": receiver.address,
            "lifecycleNotificationUrl": receiver.address,
            "resource": resource,
            "expirationDateTime": self.in_minutes(3 * 24 * 60),
            "clientState": "channel-1.secret",
        })
    }

    async fn subscribe(&self, receiver: &Receiver, resource: &str) -> String {
        id(&self.post("subscriptions", &self.wanted(receiver, resource)).await.expect(201))
    }

    fn second_calendar(&self) -> String {
        let calendar = NewCalendar {
            owner: ADA.to_owned(),
            summary: "Second".to_owned(),
            time_zone: "UTC".to_owned(),
            id: None,
            watchable: true,
        };
        self.control.create_calendar(&calendar).unwrap()
    }
}

fn quick() -> SimulatorOptions {
    let delivery = DeliveryOptions { retry_base_delay: Duration::from_millis(20), ..DeliveryOptions::default() };
    SimulatorOptions { delivery, ..SimulatorOptions::default() }
}

fn lunch() -> Value {
    event("Lunch", "2027-03-02T12:00:00", "2027-03-02T13:00:00")
}

/// How many notices there ever were: a change queues its own before it is answered.
fn queued(mailbox: &Mailbox) -> u64 {
    mailbox.control.deliveries().unwrap().counts.values().sum()
}

/// Waits until exactly one notice has this status.
async fn once(mailbox: &Mailbox, status: DeliveryStatus) {
    for _ in 0..500 {
        if mailbox.control.deliveries().unwrap().count(status) == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no notice is {status:?}: {:?}", mailbox.control.deliveries());
}

#[tokio::test]
async fn both_addresses_are_asked_before_a_subscription_is_there() {
    let mailbox = Mailbox::start().await;
    let receiver = Receiver::start().await;
    let made = mailbox.post("subscriptions", &mailbox.wanted(&receiver, "me/events")).await.expect(201);
    assert_eq!(made["resource"], "me/events");
    let asked = receiver.received().validations;
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|token| token.starts_with("Validation: Testing client application reachability for")));
    let channels = mailbox.control.channels().unwrap();
    assert_eq!((channels[0].id.clone(), channels[0].remote_id.clone()), (id(&made), id(&made)));
    assert_eq!(channels[0].token.as_deref(), Some("channel-1.secret"));
    assert_eq!(channels[0].collection, Collection::Events { calendar: mailbox.calendar.clone() });
    assert!(channels[0].live);
}

#[tokio::test]
async fn a_wrong_answer_to_the_question_leaves_no_subscription() {
    let mailbox = Mailbox::start().await;
    let receiver = Receiver::start().await;
    let rules = EndpointRules { validation_timeout_ms: 300, ..EndpointRules::default() };
    mailbox.control.set_endpoint_rules(rules).unwrap();
    for manner in [Manner::Created, Manner::Html, Manner::OtherBody, Manner::Late] {
        receiver.set_manner(manner);
        let refused = mailbox.post("subscriptions", &mailbox.wanted(&receiver, "me/events")).await;
        assert_eq!((refused.status, refused.code()), (400, "ValidationError"), "{manner:?}");
    }
    let mut nobody = mailbox.wanted(&receiver, "me/events");
    nobody["notificationUrl"] = json!("http://127.0.0.1:9/hook?of=ada");
    assert_eq!(mailbox.post("subscriptions", &nobody).await.code(), "ValidationError");
    assert!(mailbox.control.channels().unwrap().is_empty());
}

#[tokio::test]
async fn bodies_are_checked_before_anybody_is_asked() {
    let mailbox = Mailbox::start().await;
    let receiver = Receiver::start().await;
    create(&mailbox.control, "ben@example.com");
    let bens = mailbox.control.default_calendar("ben@example.com").unwrap();
    let share = crate::core::control::CalendarAccess {
        calendar: bens.clone(),
        user: ADA.to_owned(),
        role: Some(crate::core::access::AccessRole::Writer),
    };
    mailbox.control.set_access(&share).unwrap();
    let unwatchable = mailbox.second_calendar();
    mailbox.control.set_watchable(&unwatchable, false).unwrap();
    for (field, value, status, code) in [
        ("clientState", json!("x".repeat(129)), 400, "InvalidRequest"),
        ("changeType", json!("moved"), 400, "InvalidRequest"),
        ("notificationUrl", json!("ftp://127.0.0.1/"), 400, "InvalidRequest"),
        ("expirationDateTime", json!(mailbox.in_minutes(10_090)), 400, "ExtensionError"),
        ("resource", json!("me/messages"), 400, "ExtensionError"),
        ("resource", json!(format!("me/calendars/{bens}/events")), 403, "ExtensionError"),
        ("resource", json!(format!("me/calendars/{unwatchable}/events")), 403, "ExtensionError"),
    ] {
        let mut body = mailbox.wanted(&receiver, "me/events");
        body[field] = value;
        let refused = mailbox.post("subscriptions", &body).await;
        assert_eq!((refused.status, refused.code()), (status, code), "{field}");
    }
    assert!(receiver.received().validations.is_empty());
}

#[tokio::test]
async fn there_is_one_for_each_resource_and_only_so_many() {
    let mailbox = Mailbox::start().await;
    let receiver = Receiver::start().await;
    let first = mailbox.subscribe(&receiver, "me/events").await;
    let again = mailbox.post("subscriptions", &mailbox.wanted(&receiver, "me/events")).await;
    assert_eq!(again.status, 409);
    assert!(again.body["error"]["message"].as_str().unwrap().contains(&first));
    mailbox.quirks(Quirks { subscriptions_max: 1, ..Quirks::default() });
    let resource = format!("me/calendars/{}/events", mailbox.second_calendar());
    assert_eq!(mailbox.post("subscriptions", &mailbox.wanted(&receiver, &resource)).await.status, 403);
    let listed = mailbox.get("subscriptions").await.expect(200);
    assert_eq!(listed["value"][0]["clientState"], json!(null));
    let read = mailbox.get(&format!("subscriptions/{first}")).await.expect(200);
    assert_eq!(read["clientState"], "channel-1.secret");
    mailbox.quirks(Quirks { duplicate_subscriptions: true, ..Quirks::default() });
    let twin = mailbox.subscribe(&receiver, "me/events").await;
    mailbox.delete(&format!("subscriptions/{twin}")).await.expect(204);
    mailbox.quirks(Quirks { subscriptions_max: 1, ..Quirks::default() });
    assert_eq!(ids(listed["value"].as_array().unwrap()), std::slice::from_ref(&first));
    mailbox.delete(&format!("subscriptions/{first}")).await.expect(204);
    assert_eq!(mailbox.get(&format!("subscriptions/{first}")).await.status, 404);
    mailbox.subscribe(&receiver, &resource).await;
}

#[tokio::test]
async fn renewal_moves_the_expiry_and_two_ways_at_once_break_it() {
    let mailbox = Mailbox::start().await;
    let receiver = Receiver::start().await;
    let id = mailbox.subscribe(&receiver, "me/events").await;
    let path = format!("subscriptions/{id}");
    let until = mailbox.in_minutes(5_000);
    let renewed = mailbox.patch(&path, &json!({"expirationDateTime": until})).await.expect(200);
    assert_eq!(renewed["expirationDateTime"], json!(until));
    let lifecycle = json!({"lifecycleNotificationUrl": receiver.address, "expirationDateTime": until});
    assert_eq!(mailbox.patch(&path, &lifecycle).await.status, 400);
    assert_eq!(mailbox.patch("subscriptions/none", &json!({"expirationDateTime": until})).await.status, 404);
    mailbox.create(&lunch()).await;
    receiver.after(1).await;
    mailbox.post(&format!("{path}/reauthorize"), &json!({})).await.expect(204);
    mailbox.create(&lunch()).await;
    assert_eq!(queued(&mailbox), 1, "it is there, and says nothing");
    mailbox.get(&path).await.expect(200);
    let report = mailbox.control.subscriptions().unwrap();
    assert!(report[0].is_corrupted && report[0].immutable_ids);
}

#[tokio::test]
async fn changes_are_told_in_graphs_words() {
    let mailbox = Mailbox::start().await;
    let receiver = Receiver::start().await;
    let subscription = mailbox.subscribe(&receiver, "me/events").await;
    let lunch_id = mailbox.create(&lunch()).await;
    let items = receiver.after(1).await;
    let item = &items[0];
    assert_eq!((item["changeType"].as_str(), item["subscriptionId"].as_str()), (Some("created"), Some(&*subscription)));
    assert_eq!(item["clientState"], "channel-1.secret");
    assert_eq!(item["resourceData"]["id"], json!(lunch_id));
    assert_eq!(item["resourceData"]["@odata.type"], "#Microsoft.Graph.Event");
    assert!(item["resource"].as_str().unwrap().starts_with("Users/"));
    assert_eq!(item["tenantId"].as_str().unwrap().len(), 36);
    mailbox.delete(&format!("me/events/{lunch_id}")).await.expect(204);
    assert_eq!(receiver.after(2).await[1]["changeType"], "deleted");
    // Another calendar is not what is watched, unless the mailbox is.
    let second = mailbox.second_calendar();
    let path = format!("me/calendars/{second}/events");
    mailbox.post(&path, &lunch()).await.expect(201);
    assert_eq!(queued(&mailbox), 2);
    mailbox.quirks(Quirks { whole_mailbox_subscriptions: true, ..Quirks::default() });
    mailbox.post(&path, &lunch()).await.expect(201);
    receiver.after(3).await;
    mailbox.control.revoke_grants(ADA).unwrap();
    mailbox.control.insert_event(ADA, object(lunch())).unwrap();
    assert_eq!(queued(&mailbox), 3);
}

#[tokio::test]
async fn notices_are_repeated_until_they_are_accepted() {
    let mailbox = Mailbox::start_with(quick()).await;
    let receiver = Receiver::start().await;
    mailbox.subscribe(&receiver, "me/events").await;
    receiver.answer_with(&[404, 500, 302]);
    mailbox.create(&lunch()).await;
    let items = receiver.after(4).await;
    assert!(items.iter().all(|item| item["id"] == items[0]["id"]));
    once(&mailbox, DeliveryStatus::Delivered).await;
    let rules = EndpointRules { retry_for_ms: 30, ..EndpointRules::default() };
    mailbox.control.set_endpoint_rules(rules).unwrap();
    receiver.answer_with(&[500, 500, 500, 500]);
    mailbox.create(&lunch()).await;
    receiver.after(6).await;
    once(&mailbox, DeliveryStatus::Exhausted).await;
}

#[tokio::test]
async fn items_of_several_subscriptions_come_together_and_often() {
    let mailbox = Mailbox::start().await;
    let receiver = Receiver::start().await;
    let second = mailbox.second_calendar();
    let first_id = mailbox.subscribe(&receiver, "me/events").await;
    let second_id = mailbox.subscribe(&receiver, &format!("me/calendars/{second}/events")).await;
    mailbox.quirks(Quirks { notice_batch_max: 10, notice_delay_ms: 150, ..Quirks::default() });
    mailbox.create(&lunch()).await;
    mailbox.control.insert_event(&second, object(lunch())).unwrap();
    let items = receiver.after(1).await;
    let told: Vec<&str> = items.iter().map(|item| item["subscriptionId"].as_str().unwrap()).collect();
    assert_eq!(told, [first_id.as_str(), second_id.as_str()]);
    mailbox.quirks(Quirks { notice_duplicates_max: 4, ..Quirks::default() });
    for _ in 0..10 {
        mailbox.create(&lunch()).await;
    }
    assert!(receiver.after(15).await.len() > 12);
}

#[tokio::test]
async fn the_notice_plan_loses_and_delays() {
    let mailbox = Mailbox::start().await;
    let receiver = Receiver::start().await;
    mailbox.subscribe(&receiver, "me/events").await;
    let rules = vec![NoticeRule { notice_index: 1, action: NoticeAction::Drop }];
    mailbox.control.set_notice_plan(NoticePlan { rules, ..NoticePlan::default() }).unwrap();
    mailbox.create(&lunch()).await;
    let second = mailbox.create(&lunch()).await;
    assert_eq!(receiver.after(1).await[0]["resourceData"]["id"], json!(second));
    assert_eq!(mailbox.control.deliveries().unwrap().count(DeliveryStatus::Lost), 1);
}

#[tokio::test]
async fn slow_receivers_are_not_told_at_once() {
    let mailbox = Mailbox::start_with(quick()).await;
    let receiver = Receiver::start().await;
    mailbox.subscribe(&receiver, "me/events").await;
    let rules = EndpointRules { answers_min: 1, drop_ms: 0, penalty_ms: 60_000, ..EndpointRules::default() };
    mailbox.control.set_endpoint_rules(rules).unwrap();
    mailbox.create(&lunch()).await;
    receiver.after(1).await;
    once(&mailbox, DeliveryStatus::Delivered).await;
    mailbox.create(&lunch()).await;
    assert_eq!(mailbox.control.deliveries().unwrap().count(DeliveryStatus::Lost), 1);
}

#[tokio::test]
async fn the_life_of_a_subscription_is_told_too() {
    let mailbox = Mailbox::start().await;
    let receiver = Receiver::start().await;
    let id = mailbox.subscribe(&receiver, "me/events").await;
    let events = [
        LifecycleEvent::ReauthorizationRequired,
        LifecycleEvent::Missed,
        LifecycleEvent::Other("somethingNew".to_owned()),
        LifecycleEvent::SubscriptionRemoved,
    ];
    for (position, event) in events.iter().enumerate() {
        mailbox.control.send_lifecycle_notice(&id, event).unwrap();
        let items = receiver.after(position + 1).await;
        assert_eq!(items[position]["lifecycleEvent"], json!(event.word()));
        assert_eq!(items[position].get("resourceData"), None);
    }
    assert_eq!(mailbox.get(&format!("subscriptions/{id}")).await.status, 404);
    assert!(!mailbox.control.channels().unwrap()[0].live);
    let read: LifecycleEvent = serde_json::from_value(json!("somethingNew")).unwrap();
    assert_eq!(read, LifecycleEvent::Other("somethingNew".to_owned()));
}

#[tokio::test]
async fn the_list_of_calendars_can_be_watched_but_for_new_ones() {
    let mailbox = Mailbox::start().await;
    let receiver = Receiver::start().await;
    let mut wanted = mailbox.wanted(&receiver, "me/calendars");
    assert_eq!(mailbox.post("subscriptions", &wanted).await.status, 400);
    wanted["changeType"] = json!("updated,deleted");
    mailbox.post("subscriptions", &wanted).await.expect(201);
    let calendar = mailbox.second_calendar();
    let items = receiver.after(1).await;
    assert_eq!(
        (items[0]["changeType"].as_str(), items[0]["resourceData"]["id"].as_str()),
        (Some("updated"), Some(&*calendar))
    );
}

#[tokio::test]
async fn a_kill_forgets_neither_subscriptions_nor_notices_that_wait() {
    let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let in_folder = |folder: &std::path::Path| SimulatorOptions { data_dir: Some(folder.to_owned()), ..quick() };
    let mailbox = Mailbox::start_with(in_folder(folder.path())).await;
    let receiver = Receiver::start().await;
    let subscription = mailbox.subscribe(&receiver, "me/events").await;
    mailbox.quirks(Quirks { notice_delay_ms: 1_500, ..Quirks::default() });
    let lunch = mailbox.create(&lunch()).await;
    // What a kill leaves is what is in the file at any moment.
    std::fs::copy(folder.path().join("simulator.jsonl"), copy.path().join("simulator.jsonl")).unwrap();
    mailbox.simulator.shutdown().await;
    let mailbox = Mailbox::start_with(in_folder(copy.path())).await;
    let items = receiver.after(1).await;
    assert_eq!((&items[0]["resourceData"]["id"], &items[0]["subscriptionId"]), (&json!(lunch), &json!(subscription)));
    assert_eq!(mailbox.control.channels().unwrap()[0].remote_id, subscription);
    mailbox.get(&format!("me/events/{lunch}")).await.expect(200);
}
