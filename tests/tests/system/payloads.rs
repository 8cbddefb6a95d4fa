//! Sealed payloads: what Temporal keeps is read with the key alone, and changing keys loses nothing.

use evercal_domain::{CalendarId, CalendarState};
use evercal_http::Method;
use evercal_payload_codec::SealingCodec;
use evercal_storage::Keyring;
use evercal_tests::{ProviderUnderTest, USER, World, eventually, mirror};
use evercal_workflows::{SubscriptionWorkflow, names};
use prost::Message as _;
use temporalio_client::WorkflowExecuteUpdateOptions;
use temporalio_common::data_converters::RawValue;
use temporalio_common::protos::temporal::api::enums::v1::EventType;
use temporalio_common::protos::temporal::api::history::v1::{History, HistoryEvent};

fn new_key(id: &str) -> String {
    Keyring::generate(id).unwrap().expose().to_owned()
}

fn codec(keys: &str) -> SealingCodec {
    SealingCodec::new(Keyring::parse(keys).unwrap())
}

async fn events(world: &World, calendar: CalendarId) -> Vec<HistoryEvent> {
    let history = world.history(&names::subscription_id(calendar)).await;
    History::decode(history.as_slice()).unwrap().events
}

/// Whether a field of a payload can be read: ids stand in the names of workflows too, their field's name does not.
fn is_readable(event: &HistoryEvent) -> bool {
    contains(event, br#""calendar_id""#)
}

fn contains(event: &HistoryEvent, wanted: &[u8]) -> bool {
    event.encode_to_vec().windows(wanted.len()).any(|window| window == wanted)
}

pub async fn with_a_key_temporal_keeps_nothing_readable_and_what_ran_before_goes_on<P: ProviderUnderTest>() {
    let mut world = World::start::<P>().await;
    let (_account, calendar) = world.connect_and_mirror().await;
    world.stop_worker().await.unwrap();
    let before = events(&world, calendar).await;
    assert!(before.iter().any(is_readable), "without a key it is readable, else this test sees nothing");

    world.seal_payloads(codec(&new_key("p1"))).await.unwrap();
    world.change_events(USER, 10).await;
    mirror::equals_provider(&world, calendar).await;
    eventually("the sync is in the history", || async {
        let after: Vec<_> = events(&world, calendar).await.into_iter().skip(before.len()).collect();
        let syncs = after.iter().filter(|event| event.event_type() == EventType::ActivityTaskCompleted).count();
        let signals = after.iter().filter(|event| event.event_type() == EventType::WorkflowExecutionSignaled).count();
        if syncs == 0 || signals == 0 {
            return Err(format!("{syncs} activities, {signals} signals in {} events", after.len()));
        }
        let readable: Vec<_> = after.iter().filter(|event| is_readable(event)).collect();
        assert!(readable.is_empty(), "{readable:#?}");
        let sealed = after.iter().filter(|event| contains(event, b"binary/encrypted")).count();
        assert!(sealed >= 3, "{sealed} sealed events: a signal, an activity's input and its result");
        Ok(())
    })
    .await;
    assert_eq!(world.status(calendar).await.state, CalendarState::Live, "a query's answer is opened again");
    world.end().await;
}

pub async fn an_account_that_is_connected_under_a_key_is_sealed_from_its_first_event_on<P: ProviderUnderTest>() {
    let mut world = World::start::<P>().await;
    world.seal_payloads(codec(&new_key("p1"))).await.unwrap();
    let (account, calendar) = world.connect_and_mirror().await;
    for workflow in [names::subscription_id(calendar), names::account_id(account)] {
        let history = History::decode(world.history(&workflow).await.as_slice()).unwrap();
        let readable: Vec<_> = history.events.iter().filter(|event| is_readable(event)).collect();
        assert!(readable.is_empty(), "{workflow}: {readable:#?}");
        assert!(history.events.iter().any(|event| contains(event, b"binary/encrypted")));
    }
    world.end().await;
}

pub async fn why_a_subscription_refuses_a_sync_is_answered_under_a_key_as_without<P: ProviderUnderTest>() {
    let mut world = World::start::<P>().await;
    world.seal_payloads(codec(&new_key("p1"))).await.unwrap();
    let (_account, calendar) = world.connect_and_mirror().await;
    let pause = world.subscription(calendar);
    let pause =
        pause.execute_update(SubscriptionWorkflow::pause, RawValue::empty(), WorkflowExecuteUpdateOptions::default());
    pause.await.unwrap();
    let path = format!("/v1/calendars/{calendar}/sync");
    let answer = world.call(Method::POST, &path, None, Some(&world.api_key)).await.unwrap();
    let body = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 409, "{body}");
    assert!(body.contains("paused"), "{body}");
    world.end().await;
}

pub async fn a_new_key_beside_the_old_one_reads_all_and_a_wrong_key_loses_nothing<P: ProviderUnderTest>() {
    let mut world = World::start::<P>().await;
    let (old, new) = (new_key("p1"), new_key("p2"));
    world.seal_payloads(codec(&old)).await.unwrap();
    let (_account, calendar) = world.connect_and_mirror().await;

    // Somebody gave the wrong key to all processes.
    world.seal_payloads(codec(&new)).await.unwrap();
    world.change_events(USER, 5).await;
    eventually("the workflow's task fails", || async {
        let failed = events(&world, calendar).await;
        let failed = failed.iter().filter(|event| event.event_type() == EventType::WorkflowTaskFailed).count();
        if failed > 0 { Ok(()) } else { Err("no failed task") }
    })
    .await;

    world.seal_payloads(codec(&format!("{new},{old}"))).await.unwrap();
    world.change_events(USER, 5).await;
    mirror::equals_provider(&world, calendar).await;
    world.end().await;
}
