//! Microsoft's subscriptions: of one application there is one for the same calendar at a time, whoever wants it.

use chrono::TimeDelta;
use evercal_domain::account::Secret;
use evercal_domain::journal::AuditKind;
use evercal_domain::{AccountId, AccountState, CalendarState, ChannelId, Clock as _, SystemClock};
use evercal_http::{Body, HttpRequest};
use evercal_simulator::microsoft::{LifecycleEvent, Quirks};
use evercal_simulator::{DeliveryStatus, NoticePlan, TokenRequest};
use evercal_storage::{AuditOf, PageRequest};
use evercal_tests::{
    Graph, ProviderCall, USER, World, calls, channels, disconnect, eventually, mirror, reach, reach_account,
};
use serde_json::json;

use super::control;

/// A consent for a further account of the usual user.
async fn connect_twice(world: &World) -> AccountId {
    let (second, callback) = world.consent(json!({"login_hint": USER})).await.unwrap();
    assert_eq!(world.last_page_of(callback).await.status, 409);
    reach_account(world, second, AccountState::Duplicate).await;
    let asked_for = json!({"login_hint": USER, "account_id": second.to_string(), "allow_duplicate": true});
    let (_, callback) = world.consent(asked_for).await.unwrap();
    assert_eq!(world.last_page_of(callback).await.status, 200);
    second
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_accounts_of_one_mailbox_one_is_told_of_changes_and_the_other_polls_and_says_so() {
    let world = World::start::<Graph>().await;
    let (first, calendar) = world.connect_and_mirror().await;
    channels::are_owned(&world, calendar, 1).await;
    let second = connect_twice(&world).await;
    let other = eventually("its calendar is polled, and says why", || async {
        let calendars = world.store.calendars_of_account(second).await.unwrap();
        let polled = calendars.iter().find(|row| row.state == CalendarState::Polling);
        let says_why = |row: &&evercal_domain::Calendar| {
            row.detail.as_ref().is_some_and(|detail| detail.contains("another account here watches the same calendar"))
        };
        polled.filter(says_why).map(|row| row.id).ok_or(calendars)
    })
    .await;
    // Its own is not taken away from the first, however often the second asks.
    channels::are_owned(&world, calendar, 1).await;
    world.change_events(USER, 5).await;
    mirror::equals_provider(&world, calendar).await;
    mirror::equals_provider(&world, other).await;
    assert_eq!(calls(&world, ProviderCall::CloseChannel), 0);

    disconnect(&world, first).await;
    // It would try again within hours; a person who consents anew does not wait.
    let (_, callback) = world.consent(json!({"login_hint": USER, "account_id": second.to_string()})).await.unwrap();
    assert_eq!(world.last_page_of(callback).await.status, 200);
    reach(&world, other, CalendarState::Live).await;
    channels::are_owned(&world, other, 1).await;
    world.end().await;
}

/// A subscription on the user's default calendar with our application, by somebody else: its notices come to this path.
async fn subscribe(world: &World, path: &str) -> String {
    let access = TokenRequest { user: USER.to_owned(), client_id: None, scopes: vec![] };
    let access = Secret::new(control(world).issue_tokens(&access).unwrap().access_token);
    let root = Graph::of(&*world.provider).root_url();
    let body = json!({
        "changeType": "created,updated,deleted", "resource": "me/events", "clientState": "of somebody else",
        "notificationUrl": format!("{}{path}", world.public_url()),
        "expirationDateTime": (SystemClock.now() + TimeDelta::days(2)).to_rfc3339(),
    });
    let url = format!("{root}v1.0/subscriptions").parse().unwrap();
    let request = HttpRequest { bearer: Some(access), ..HttpRequest::post("subscribe", url, Body::Json(body)) };
    let answer = world.send(request).await.unwrap();
    assert!(answer.is_success(), "{} {}", answer.status, String::from_utf8_lossy(&answer.body));
    let made: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    made["id"].as_str().unwrap().to_owned()
}

/// Whether a subscription lives at the provider.
fn lives(world: &World, subscription: &str) -> bool {
    let channels = world.control().channels().unwrap();
    channels.iter().any(|channel| channel.live && channel.remote_id == subscription)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_of_another_service_is_left_alone_and_the_calendar_is_polled() {
    let world = World::start::<Graph>().await;
    // It answers handshakes as any receiver does, at another address than ours.
    let theirs = subscribe(&world, "api/webhooks/microsoft/lifecycle").await;
    world.connect().await;
    let calendar = world.calendar_of(USER).await.id;
    reach(&world, calendar, CalendarState::Polling).await;
    let detail = world.store.calendar(calendar).await.unwrap().unwrap().detail.unwrap_or_default();
    assert!(detail.contains("another service has a subscription on this calendar"), "{detail}");
    assert!(lives(&world, &theirs), "it is not ours to end");
    world.change_events(USER, 3).await;
    mirror::equals_provider(&world, calendar).await;
    world.end().await;
}

/// The messages of the audit log about gaps.
async fn gaps(world: &World) -> Vec<String> {
    let page = PageRequest::first(200);
    let entries = world.store.audit_entries(AuditOf::Everything, &page).await.unwrap().items;
    entries.into_iter().filter(|entry| entry.kind == AuditKind::ChannelGap).map(|entry| entry.message).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_ours_that_nobody_knows_is_replaced_and_the_gap_is_written_down() {
    let world = World::start::<Graph>().await;
    let stray = subscribe(&world, &format!("api/webhooks/microsoft?channel={}", ChannelId::generate())).await;
    let (_account, calendar) = world.connect_and_mirror().await;
    channels::are_owned(&world, calendar, 1).await;
    assert!(!lives(&world, &stray));
    let gaps = gaps(&world).await;
    assert!(gaps.len() == 1 && gaps[0].contains("stood in the way"), "{gaps:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_microsoft_says_of_a_subscription_is_acted_on() {
    let world = World::start::<Graph>().await;
    let (_account, calendar) = world.connect_and_mirror().await;
    let live = || channels::of_events(&world).into_iter().find(|channel| channel.live).unwrap().remote_id;
    // Notices that were lost are made good by what changed, without a reading of everything.
    world.control().set_notice_plan(NoticePlan { drop_percent: 100, ..NoticePlan::default() }).unwrap();
    world.change_events(USER, 4).await;
    eventually("the notices are lost", || async {
        let waiting = world.control().deliveries().unwrap().count(DeliveryStatus::Pending);
        if waiting == 0 { Ok(()) } else { Err(waiting) }
    })
    .await;
    world.control().set_notice_plan(NoticePlan::default()).unwrap();
    control(&world).send_lifecycle_notice(&live(), &LifecycleEvent::Missed).unwrap();
    mirror::equals_provider(&world, calendar).await;
    // One that was removed is replaced.
    let first = live();
    control(&world).send_lifecycle_notice(&first, &LifecycleEvent::SubscriptionRemoved).unwrap();
    eventually("another one has taken its place", || async {
        let now = channels::of_events(&world).into_iter().find(|channel| channel.live).map(|channel| channel.remote_id);
        if now.as_ref().is_some_and(|now| *now != first) { Ok(()) } else { Err(now) }
    })
    .await;
    channels::are_owned(&world, calendar, 1).await;
    // What nobody knows yet is counted, and nothing else.
    control(&world).send_lifecycle_notice(&live(), &LifecycleEvent::Other("somethingNew".to_owned())).unwrap();
    world.change_events(USER, 4).await;
    mirror::equals_provider(&world, calendar).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_for_another_subscription_the_calendar_is_polled_and_says_so() {
    let world = World::start::<Graph>().await;
    world.new_calendar("Team");
    control(&world).set_quirks(Quirks { subscriptions_max: 1, ..Quirks::default() }).unwrap();
    let account = world.connect().await;
    let polled = eventually("one of them is polled", || async {
        let calendars = world.store.calendars_of_account(account).await.unwrap();
        let polled = calendars.iter().find(|row| row.state == CalendarState::Polling);
        polled.cloned().ok_or(calendars)
    })
    .await;
    let detail = polled.detail.unwrap_or_default();
    assert!(detail.contains("as many subscriptions"), "{detail}");
    mirror::equals_provider(&world, polled.id).await;
    world.end().await;
}
