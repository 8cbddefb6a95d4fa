//! What an account hears and passes on: new consents, also by the wrong person, and looks at its list of calendars.

use evercal_domain::{AccountId, AccountState, CalendarState};
use evercal_simulator::{FaultAction, FaultPlan, FaultRule, NewUser};
use evercal_tests::{
    USER, World, arm, calls, disconnect, discover, eventually, histories, made, mirror, reach, reach_account,
};
use evercal_workflows::{AccountWorkflow, names};
use serde_json::json;
use temporalio_client::WorkflowTerminateOptions;

const OTHER: &str = "bob@example.com";

async fn connect_again(world: &World, account: AccountId, user: &str) {
    let again = json!({"label": "Ada", "login_hint": user, "account_id": account.to_string()});
    world.try_connect(again).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_consent_heals_calendars_whose_account_workflow_was_lost_with_the_grant() {
    let world = World::start().await;
    let (account, calendar) = world.connect_and_settle().await;
    world.control().revoke_grants(USER).unwrap();
    world.change_events(USER, 3).await;
    reach_account(&world, account, AccountState::NeedsReauth).await;
    reach(&world, calendar, CalendarState::NeedsReauth).await;
    let workflow = world.temporal.client.get_workflow_handle::<AccountWorkflow>(names::account_id(account));
    workflow.terminate(WorkflowTerminateOptions::default()).await.unwrap();
    connect_again(&world, account, USER).await;
    reach(&world, calendar, CalendarState::Live).await;
    mirror::equals_provider(&world, calendar).await;
    reach_account(&world, account, AccountState::Connected).await;
    disconnect(&world, account).await;
    histories::keep(&world, "adopted", calendar, Some(account)).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_of_another_user_changes_nothing_but_asks_for_the_right_one() {
    let world = World::start().await;
    let other = NewUser { email: OTHER.to_owned(), name: "Bob".to_owned(), time_zone: "Europe/Paris".to_owned() };
    world.control().create_user(&other).unwrap();
    let (account, calendar) = world.connect_and_settle().await;
    connect_again(&world, account, OTHER).await;
    eventually("the account says whose consent it was", || async {
        let row = world.store.account(account).await.unwrap().unwrap();
        let says_so = row.detail.as_ref().is_some_and(|detail| detail.contains("another user's"));
        if row.state == AccountState::NeedsReauth && says_so { Ok(()) } else { Err((row.state, row.detail)) }
    })
    .await;
    reach(&world, calendar, CalendarState::NeedsReauth).await;
    let calendars = world.store.calendars_of_account(account).await.unwrap();
    assert_eq!(calendars.len(), 1, "no row of the other person: {calendars:#?}");
    assert!(world.store.credentials(account).await.unwrap().is_none(), "nor a token");
    connect_again(&world, account, USER).await;
    reach(&world, calendar, CalendarState::Live).await;
    mirror::equals_provider(&world, calendar).await;
    assert_eq!(world.control().revoke_grants(OTHER).unwrap(), 1, "the other person's grant is theirs to end");
    disconnect(&world, account).await;
    histories::keep(&world, "another-user", calendar, Some(account)).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_of_another_user_that_a_look_under_way_redeems_changes_nothing_either() {
    let world = World::start().await;
    let other = NewUser { email: OTHER.to_owned(), name: "Bob".to_owned(), time_zone: "Europe/Paris".to_owned() };
    world.control().create_user(&other).unwrap();
    let (account, calendar) = world.connect_and_settle().await;
    let answers = |status| FaultAction::Status { status, reason: None, retry_after_s: None };
    arm(&world, FaultRule::always("calendar.calendarList.list", answers(503)));
    let before = calls(&world, "calendar.calendarList.list");
    discover(&world, account).await;
    eventually("the look has begun, and gets no answer", || async {
        let made = calls(&world, "calendar.calendarList.list") - before;
        if made > 0 { Ok(()) } else { Err(made) }
    })
    .await;
    connect_again(&world, account, OTHER).await;
    // The next attempt needs new tokens, and finds the code of which the workflow has not heard yet.
    arm(&world, FaultRule::once("calendar.calendarList.list", answers(401)));
    reach_account(&world, account, AccountState::NeedsReauth).await;
    let calendars = world.store.calendars_of_account(account).await.unwrap();
    assert_eq!(calendars.len(), 1, "no row of the other person: {calendars:#?}");
    connect_again(&world, account, USER).await;
    reach(&world, calendar, CalendarState::Live).await;
    mirror::equals_provider(&world, calendar).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_that_needed_action_is_tried_twice_with_each_listing_until_it_works() {
    let world = World::start().await;
    let refusal = FaultAction::Status { status: 404, reason: None, retry_after_s: None };
    arm(&world, FaultRule::always("calendar.events.watch", refusal));
    let account = world.connect().await;
    let calendar = world.calendar_of(USER).await.id;
    reach(&world, calendar, CalendarState::ActionRequired).await;
    made(&world, calendar, calls(&world, "calendar.events.watch"), 2, "confirmed once").await;
    discover(&world, account).await;
    eventually("it was tried again, and given up again", || async {
        let made = calls(&world, "calendar.events.watch");
        let state = world.store.calendar(calendar).await.unwrap().unwrap().state;
        if made >= 4 && state == CalendarState::ActionRequired { Ok(()) } else { Err((made, state)) }
    })
    .await;
    world.control().set_faults(FaultPlan::default()).unwrap();
    discover(&world, account).await;
    world.settled(calendar).await;
    disconnect(&world, account).await;
    histories::keep(&world, "listed-again", calendar, Some(account)).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_the_list_that_is_asked_for_during_one_comes_after_it() {
    let world = World::start().await;
    let (account, calendar) = world.connect_and_settle().await;
    let before = calls(&world, "calendar.calendarList.list");
    arm(&world, FaultRule::once("calendar.calendarList.list", FaultAction::Delay { delay_ms: 5_000 }));
    for looks in 1..=2 {
        discover(&world, account).await;
        eventually("the list is read, or about to be", || async {
            let made = calls(&world, "calendar.calendarList.list") - before;
            if made == looks { Ok(()) } else { Err(made) }
        })
        .await;
    }
    disconnect(&world, account).await;
    histories::keep(&world, "asked-meanwhile", calendar, Some(account)).await;
    world.end().await;
}
