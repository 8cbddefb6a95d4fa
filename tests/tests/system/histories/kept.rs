//! What is kept in `tests/histories/`: today's code replays all of it, and it has everything that workflows can do.

use std::collections::BTreeSet;

use evercal_tests::histories;
use evercal_workflows::names;
use prost::Message as _;
use temporalio_common::protos::temporal::api::common::v1::ActivityType;
use temporalio_common::protos::temporal::api::enums::v1::EventType;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_common::protos::temporal::api::history::v1::{ActivityTaskScheduledEventAttributes, History};

#[tokio::test(flavor = "multi_thread")]
async fn every_kept_history_replays_and_no_changed_copy_does() {
    for (name, mut history) in histories::kept() {
        histories::replay(vec![(name.clone(), history.clone())]).await.unwrap();
        assert!(has_another_first_step(&mut history), "{name} has neither an activity nor a timer");
        let error = histories::replay(vec![(name.clone(), history)]).await.expect_err(&name);
        assert!(error.contains("ondeterminis"), "{name} fails for another reason: {error}");
    }
}

/// Gives the first activity another name; where there is none, as in pollers, the first timer becomes an activity.
fn has_another_first_step(history: &mut History) -> bool {
    let other = ActivityType { name: "read_calendar".to_owned() };
    let scheduled = history.events.iter_mut().find_map(|event| match &mut event.attributes {
        Some(Attributes::ActivityTaskScheduledEventAttributes(scheduled)) => Some(scheduled),
        _ => None,
    });
    if let Some(scheduled) = scheduled {
        scheduled.activity_type = Some(other);
        return true;
    }
    let timer = history.events.iter_mut().find(|event| event.event_type() == EventType::TimerStarted);
    let Some(timer) = timer else { return false };
    timer.set_event_type(EventType::ActivityTaskScheduled);
    let activity = ActivityTaskScheduledEventAttributes {
        activity_id: "1".to_owned(),
        activity_type: Some(other),
        ..ActivityTaskScheduledEventAttributes::default()
    };
    timer.attributes = Some(Attributes::ActivityTaskScheduledEventAttributes(activity));
    true
}

#[test]
fn the_kept_histories_cover_every_name_of_the_workflows_and_hold_nothing_private() {
    let kept = histories::kept();
    let mut met = BTreeSet::new();
    for (name, history) in &kept {
        for event in &history.events {
            match event.attributes.as_ref().unwrap() {
                Attributes::WorkflowExecutionStartedEventAttributes(it) => {
                    met.insert(it.workflow_type.clone().unwrap().name)
                }
                Attributes::ActivityTaskScheduledEventAttributes(it) => {
                    met.insert(it.activity_type.clone().unwrap().name)
                }
                Attributes::WorkflowExecutionSignaledEventAttributes(it) => met.insert(it.signal_name.clone()),
                Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(it) => {
                    let input = it.accepted_request.clone().and_then(|request| request.input);
                    met.insert(input.map(|input| input.name).unwrap_or_default())
                }
                _ => false,
            };
        }
        let bytes = history.encode_to_vec();
        for private in ["example.com", "ya29", "evk_", "evercal-simulator-secret", "/root/", "/home/", "/tmp/"] {
            let found = bytes.windows(private.len()).any(|window| window == private.as_bytes());
            assert!(!found, "{private} is in {name}");
        }
    }
    let all = names::ALL.iter().filter(|name| !NOT_IN_HISTORIES.contains(*name));
    let missing: Vec<_> = all.filter(|name| !met.contains(**name)).collect();
    assert!(missing.is_empty(), "no kept history has {missing:?}: record one that does");
    assert!(kept.iter().any(|(name, _)| name.contains("/subscription-year")), "one is a year old");
}

/// Queries leave no trace in a history, and queues have no event of their own.
const NOT_IN_HISTORIES: [&str; 3] = [names::QUERY_STATUS, names::QUEUE_WORKFLOWS, names::QUEUE_STORE];

#[test]
fn the_kept_histories_have_every_way_in_which_a_workflow_ends() {
    let completed = EventType::WorkflowExecutionCompleted;
    let continued_as_new = EventType::WorkflowExecutionContinuedAsNew;
    let cancelled = EventType::WorkflowExecutionCanceled;
    let wanted = [
        (names::SUBSCRIPTION, completed),
        (names::SUBSCRIPTION, continued_as_new),
        (names::SUBSCRIPTION, cancelled),
        (names::ACCOUNT, completed),
        (names::ACCOUNT, continued_as_new),
        (names::ACCOUNT, cancelled),
        (names::POLLING, completed),
        (names::POLLING, continued_as_new),
    ];
    let met: Vec<_> = histories::kept().iter().map(|(_, history)| (type_of(history), end_of(history))).collect();
    let is_missing = |(kind, end): &(&str, EventType)| !met.iter().any(|(met, ended)| met == kind && ended == end);
    let missing: Vec<_> = wanted.into_iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "no kept history ends like {missing:?}: record one that does");
}

fn type_of(history: &History) -> String {
    match history.events.first().and_then(|event| event.attributes.clone()) {
        Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => started.workflow_type.unwrap().name,
        other => panic!("a history begins with {other:?}"),
    }
}

fn end_of(history: &History) -> EventType {
    history.events.last().unwrap().event_type()
}
