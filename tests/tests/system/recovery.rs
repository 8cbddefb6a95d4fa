//! What fails comes back by itself, soon after the fault's end, and is seen meanwhile; and what a provider refuses or asks for
//! is taken for what it is.

use std::time::{Duration, Instant};

use evercal_activities::failure::{PassLimit, endless_list};
use evercal_domain::journal::{AuditEntry, AuditKind};
use evercal_domain::{AccessRole, AccountId, CalendarId, CalendarState, Clock as _, SystemClock};
use evercal_http::{HttpSettings, Method};
use evercal_simulator::{AccessRole as RemoteRole, CalendarAccess, FaultAction, FaultPlan, FaultRule, NewUser};
use evercal_storage::{AuditOf, PageRequest};
use evercal_tests::{
    ProviderCall, ProviderUnderTest, Refused, USER, World, WorldOptions, arm, calls, disconnect, discover, eventually,
    histories, mirror, quick, reach,
};
use evercal_workflows::{SubscriptionWorkflow, Timing, names};
use serde_json::Value;
use temporalio_client::WorkflowSignalOptions;
use temporalio_sdk::activities::ActivityError;

const READ: ProviderCall = ProviderCall::ReadEvents;
const BOB: &str = "bob@example.com";
/// After the end of a fault; half of a minute would be the bar, and this is a busy machine.
const BACK_WITHIN: Duration = Duration::from_secs(20);

/// Waits here are so long that only what is cut short ends in time.
fn long_waits() -> Timing {
    Timing { sync_backoff_initial_ms: 3_600_000, ladder_s: vec![3_600], ..quick() }
}

async fn world<P: ProviderUnderTest>(timing: Timing) -> World {
    World::with::<P>(WorldOptions { timing, ..WorldOptions::default() }).await
}

/// With a second calendar, both read: its own id, and the provider's and ours of the other one.
async fn world_of_two<P: ProviderUnderTest>() -> (World, CalendarId, String, CalendarId) {
    let world = world::<P>(Timing { failed_sync_pause_s: 2, ..quick() }).await;
    let other = world.new_calendar("Team");
    let (_account, calendar) = world.connect_and_mirror().await;
    let other_id = world.calendar_of(&other).await.id;
    world.wait_until_mirrored(other_id).await;
    (world, calendar, other, other_id)
}

fn status(status: u16, retry_after_s: Option<u64>) -> FaultAction {
    FaultAction::Status { status, reason: None, retry_after_s }
}

/// The provider's own word for what it refuses.
fn reason_of(refusal: &FaultAction) -> String {
    let FaultAction::Status { reason: Some(reason), .. } = refusal else { panic!("{refusal:?}") };
    reason.clone()
}

fn no_faults(world: &World) {
    world.control().set_faults(FaultPlan::default()).unwrap();
}

async fn has_failed(world: &World, status: u16) {
    has_called(world, READ, status).await;
}

/// Waits until a call was answered with this status.
async fn has_called(world: &World, call: ProviderCall, status: u16) {
    eventually("a call was answered so", || async {
        let calls = world.control().calls().unwrap().calls;
        if calls.iter().any(|made| made.method == world.method(call) && made.status == Some(status)) {
            Ok(())
        } else {
            Err(calls.len())
        }
    })
    .await;
}

/// Waits until a calendar's detail, as the API shows it, has these words.
async fn has_detail(world: &World, calendar: CalendarId, words: &str) {
    eventually(words, || async {
        let status = world.api(Method::GET, &format!("/v1/calendars/{calendar}/status"), None).await.unwrap();
        let detail = status["detail"].as_str().unwrap_or_default().to_owned();
        if detail.contains(words) { Ok(()) } else { Err((status["state"].clone(), detail)) }
    })
    .await;
}

async fn has_no_detail(world: &World, calendar: CalendarId) {
    eventually("there is no detail", || async {
        let row = world.store.calendar(calendar).await.unwrap().unwrap();
        if row.state == CalendarState::Live && row.detail.is_none() { Ok(()) } else { Err((row.state, row.detail)) }
    })
    .await;
}

async fn alerts(world: &World, kind: AuditKind) -> Vec<AuditEntry> {
    let mut entries = world.store.audit_entries(AuditOf::Everything, &PageRequest::first(500)).await.unwrap().items;
    entries.retain(|entry| entry.kind == kind);
    entries
}

pub async fn when_a_provider_answers_again_nobody_waits_for_an_old_backoff<P: ProviderUnderTest>() {
    let world = world::<P>(long_waits()).await;
    let (account, calendar) = world.connect_and_mirror().await;
    arm(&world, world.always(READ, status(503, None)));
    world.change_events(USER, 3).await;
    has_failed(&world, 503).await;
    no_faults(&world);
    let is_back = tokio::time::timeout(BACK_WITHIN, mirror::equals_provider(&world, calendar)).await;
    assert!(is_back.is_ok(), "not within {BACK_WITHIN:?} of the fault's end");
    has_no_detail(&world, calendar).await;
    disconnect(&world, account).await;
    histories::keep(&world, "woken", calendar, Some(account)).await;
    world.end().await;
}

pub async fn a_refusal_of_the_whole_installation_pauses_it_raises_one_alert_and_is_over_by_itself<
    P: ProviderUnderTest,
>() {
    let (world, calendar, other, other_id) = world_of_two::<P>().await;
    let refusal = world.provider.refusal(Refused::Installation);
    let reason = reason_of(&refusal);
    arm(&world, FaultRule::always(world.provider.calls_with_token(), refusal));
    for changed in [USER, &other] {
        world.change_events(changed, 2).await;
    }
    for id in [calendar, other_id] {
        has_detail(&world, id, &format!("refuses this installation (project_refused: {reason})")).await;
        let row = world.store.calendar(id).await.unwrap().unwrap();
        assert_eq!(row.state, CalendarState::Live, "it is not a matter of its sharing");
    }
    eventually("operators are alerted", || async {
        let raised = alerts(&world, AuditKind::AlertRaised).await;
        if raised.is_empty() { Err(raised) } else { Ok(()) }
    })
    .await;
    nobody_calls_the_provider(&world, calendar).await;
    no_faults(&world);
    for id in [calendar, other_id] {
        mirror::equals_provider(&world, id).await;
        has_no_detail(&world, id).await;
    }
    eventually("operators see its end", || async {
        let cleared = alerts(&world, AuditKind::AlertCleared).await;
        if cleared.is_empty() { Err(cleared) } else { Ok(()) }
    })
    .await;
    let (raised, cleared) =
        (alerts(&world, AuditKind::AlertRaised).await, alerts(&world, AuditKind::AlertCleared).await);
    assert_eq!((raised.len(), cleared.len()), (1, 1), "one alert, whoever saw it: {raised:#?} {cleared:#?}");
    assert!(raised[0].message.contains(&reason), "{raised:#?}");
    world.end().await;
}

/// However much there is to read: it is asked twice a minute whether it is over, and that is all.
async fn nobody_calls_the_provider(world: &World, calendar: CalendarId) {
    let (begun, before) = (Instant::now(), calls(world, READ));
    for _ in 0..3 {
        let runs = world.store.sync_runs(calendar, 1_000).await.unwrap().len();
        world.change_events(USER, 2).await;
        eventually("a sync has come to nothing", || async {
            let now = world.store.sync_runs(calendar, 1_000).await.unwrap().len();
            if now > runs { Ok(()) } else { Err(now) }
        })
        .await;
    }
    let (made, questions_max) = (calls(world, READ) - before, begun.elapsed().as_secs() / 30 + 1);
    assert!(made <= questions_max, "{made} calls in {:?}", begun.elapsed());
}

pub async fn a_page_for_people_instead_of_an_answer_is_a_refusal_of_the_installation<P: ProviderUnderTest>() {
    let (world, calendar, other, other_id) = world_of_two::<P>().await;
    let page = FaultAction::ErrorPage { status: 403 };
    arm(&world, FaultRule::always(world.provider.calls_with_token(), page));
    for changed in [USER, &other] {
        world.change_events(changed, 2).await;
    }
    for id in [calendar, other_id] {
        has_detail(&world, id, "refuses this installation (project_refused").await;
    }
    no_faults(&world);
    for id in [calendar, other_id] {
        mirror::equals_provider(&world, id).await;
        has_no_detail(&world, id).await;
    }
    world.end().await;
}

pub async fn only_a_refusal_of_this_calendar_needs_action_names_it_and_is_tried_again_by_itself<
    P: ProviderUnderTest,
>() {
    let (world, calendar, other, other_id) = world_of_two::<P>().await;
    let refusal = world.provider.refusal(Refused::Calendar);
    let reason = reason_of(&refusal);
    arm(&world, FaultRule { calendar: Some(other.clone()), ..world.always(READ, refusal) });
    world.change_events(&other, 2).await;
    reach(&world, other_id, CalendarState::ActionRequired).await;
    has_detail(&world, other_id, &format!("refuses to read this calendar (forbidden: {reason})")).await;
    world.change_events(USER, 2).await;
    mirror::equals_provider(&world, calendar).await;
    assert_eq!(world.store.calendar(calendar).await.unwrap().unwrap().state, CalendarState::Live);
    no_faults(&world);
    has_no_detail(&world, other_id).await;
    mirror::equals_provider(&world, other_id).await;
    world.end().await;
}

pub async fn a_refusal_of_all_calendars_of_an_account_is_nobodys_sharing<P: ProviderUnderTest>() {
    let (world, calendar, _, _) = world_of_two::<P>().await;
    let refusal = world.provider.refusal(Refused::Account);
    let reason = reason_of(&refusal);
    arm(&world, world.always(READ, refusal));
    world.change_events(USER, 2).await;
    has_detail(&world, calendar, &format!("refuses all calendars of this account (account_refused: {reason})")).await;
    assert_eq!(world.store.calendar(calendar).await.unwrap().unwrap().state, CalendarState::Live);
    no_faults(&world);
    mirror::equals_provider(&world, calendar).await;
    has_no_detail(&world, calendar).await;
    world.end().await;
}

pub async fn a_wish_of_a_day_is_shown_with_its_end_after_an_hour_at_most_and_a_person_passes_it<
    P: ProviderUnderTest,
>() {
    let world = world::<P>(quick()).await;
    let (_account, calendar) = world.connect_and_mirror().await;
    arm(&world, world.once(READ, status(429, Some(86_400))));
    world.change_events(USER, 2).await;
    has_detail(&world, calendar, "asked us to wait until").await;
    let summary = world.status(calendar).await.summary;
    let in_an_hour = SystemClock.now() + chrono::TimeDelta::minutes(61);
    let until = summary.split("wait until ").nth(1).and_then(|rest| rest.get(..16)).unwrap();
    let until = chrono::NaiveDateTime::parse_from_str(until, "%Y-%m-%d %H:%M").unwrap().and_utc();
    assert!(until <= in_an_hour, "{summary}");
    let synced = world.api(Method::POST, &format!("/v1/calendars/{calendar}/sync"), None).await.unwrap();
    assert_eq!(synced["state"], "done", "{synced}");
    mirror::equals_provider(&world, calendar).await;
    has_no_detail(&world, calendar).await;
    world.end().await;
}

pub async fn a_new_consent_passes_a_wait_that_the_provider_asked_for<P: ProviderUnderTest>() {
    let world = world::<P>(quick()).await;
    let (account, calendar) = world.connect_and_mirror().await;
    arm(&world, world.once(READ, status(429, Some(86_400))));
    world.change_events(USER, 2).await;
    has_detail(&world, calendar, "asked us to wait until").await;
    let again = serde_json::json!({"login_hint": USER, "account_id": account.to_string()});
    assert_eq!(world.try_connect(again).await.unwrap(), account);
    mirror::equals_provider(&world, calendar).await;
    has_no_detail(&world, calendar).await;
    world.end().await;
}

pub async fn a_retry_that_is_asked_for_during_an_attempt_follows_when_that_attempt_fails<P: ProviderUnderTest>() {
    counts_when_the_attempt_fails::<P>(long_waits()).await;
}

pub async fn a_retry_that_is_asked_for_during_the_last_attempt_follows_too<P: ProviderUnderTest>() {
    counts_when_the_attempt_fails::<P>(Timing { sync_retries_max: Some(0), ..long_waits() }).await;
}

/// Each change causes one notice: a second notice would be a reason to sync by itself.
async fn counts_when_the_attempt_fails<P: ProviderUnderTest>(timing: Timing) {
    let http = HttpSettings { total_timeout: Duration::from_secs(4), ..HttpSettings::default() };
    let world = World::with::<P>(WorldOptions { timing, http, ..WorldOptions::default() }).await;
    let (_account, calendar) = world.connect_and_mirror().await;
    // The worker itself wakes a calendar that fails alone once, and then for minutes not any more.
    arm(&world, world.once(READ, status(503, None)));
    change_with_one_notice(&world, 1).await;
    mirror::equals_provider(&world, calendar).await;
    eventually("the sync is over", || async { if world.status(calendar).await.syncing { Err(()) } else { Ok(()) } })
        .await;

    arm(&world, world.once(READ, FaultAction::Hang));
    change_with_one_notice(&world, 2).await;
    eventually("an attempt is under way", || async {
        if world.status(calendar).await.syncing { Ok(()) } else { Err(()) }
    })
    .await;
    let payload = evercal_workflows::contract::pack(&());
    let subscription = world.subscription(calendar);
    subscription.signal(SubscriptionWorkflow::retry_now, payload, WorkflowSignalOptions::default()).await.unwrap();
    mirror::equals_provider(&world, calendar).await;
    has_no_detail(&world, calendar).await;
    world.end().await;
}

async fn change_with_one_notice(world: &World, seed: u32) {
    let change =
        serde_json::json!({"calendar": USER, "count": 2, "seed": seed, "kinds": ["insert"], "notices": "once"});
    world.control().make_changes(&serde_json::from_value(change).unwrap()).await.unwrap();
}

pub async fn a_list_of_empty_pages_without_an_end_is_given_up_shown_and_read_anew<P: ProviderUnderTest>() {
    let world = world::<P>(Timing { failed_sync_pause_s: 2, ..quick() }).await;
    let (_account, calendar) = world.connect_and_mirror().await;
    let before = calls(&world, READ);
    arm(&world, world.always(READ, FaultAction::EmptyPage));
    world.change_events(USER, 2).await;
    let words = "the provider's list of events does not end (endless_list: too many empty pages in a row)";
    has_detail(&world, calendar, words).await;
    let made = calls(&world, READ) - before;
    assert!(made < 1_000, "{made} calls");
    no_faults(&world);
    mirror::equals_provider(&world, calendar).await;
    has_no_detail(&world, calendar).await;
    world.end().await;
}

/// The words go into the calendar's state as they are, as the test before this one sees of one of them.
#[test]
fn each_limit_at_which_a_pass_is_given_up_has_its_words_in_the_failure() {
    for (limit, words) in [
        (PassLimit::EmptyPages, "too many empty pages in a row"),
        (PassLimit::Pages, "too many pages"),
        (PassLimit::Events, "too many events"),
        (PassLimit::Duration, "it takes longer than a day"),
    ] {
        let ActivityError::Application(failure) = endless_list(limit) else { panic!("{limit}: no failure") };
        assert_eq!(failure.type_name(), Some(names::FAILURE_ENDLESS_LIST));
        assert!(failure.is_non_retryable(), "{limit}: going on where it is would end there again");
        assert_eq!(failure.source_error().to_string(), format!("the provider's list does not end: {words}"));
    }
}

/// The events of a calendar as the API answers, around now.
async fn shown(world: &World, calendar: CalendarId) -> Value {
    let (from, to) =
        (SystemClock.now() - chrono::TimeDelta::days(20), SystemClock.now() + chrono::TimeDelta::days(200));
    let format = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let path = format!("/v1/calendars/{calendar}/events?from={}&to={}&limit=500", format(from), format(to));
    world.api(Method::GET, &path, None).await.unwrap()
}

fn titles(events: &Value) -> usize {
    events["items"].as_array().unwrap().iter().filter(|event| !event["title"].is_null()).count()
}

/// Lets the user who is connected see so much of Bob's calendar.
fn share(world: &World, role: Option<RemoteRole>) {
    let access = CalendarAccess { calendar: BOB.to_owned(), user: USER.to_owned(), role };
    world.control().set_access(&access).unwrap();
}

/// Bob's calendar with events, which the user who is connected may read, and which is mirrored.
async fn shared_calendar(world: &World) -> (AccountId, CalendarId) {
    let bob = NewUser { email: BOB.to_owned(), name: "Bob".to_owned(), time_zone: "Europe/Paris".to_owned() };
    world.control().create_user(&bob).unwrap();
    world.change_events(BOB, 12).await;
    share(world, Some(RemoteRole::Reader));
    let (account, _) = world.connect_and_mirror().await;
    let calendar = world.calendar_of(BOB).await.id;
    world.wait_until_mirrored(calendar).await;
    (account, calendar)
}

pub async fn a_reduced_share_shows_nothing_more_than_it_may_from_the_next_read_on_and_one_that_ended_nothing<
    P: ProviderUnderTest,
>() {
    let world = world::<P>(quick()).await;
    let (account, calendar) = shared_calendar(&world).await;
    assert!(titles(&shown(&world, calendar).await) > 0);

    // Nothing can be read anew; the role alone is known.
    arm(&world, world.always(READ, status(503, None)));
    share(&world, Some(RemoteRole::FreeBusyReader));
    discover(&world, account).await;
    eventually("the role is known", || async {
        let role = world.store.calendar(calendar).await.unwrap().unwrap().remote.access_role;
        if role == AccessRole::FreeBusyReader { Ok(()) } else { Err(role) }
    })
    .await;
    let events = shown(&world, calendar).await;
    assert_eq!((titles(&events), events["items"].as_array().unwrap().is_empty()), (0, false), "{events:#}");
    no_faults(&world);
    mirror::equals_provider(&world, calendar).await;

    share(&world, None);
    discover(&world, account).await;
    reach(&world, calendar, CalendarState::Closed).await;
    let events = shown(&world, calendar).await;
    assert!(events["items"].as_array().unwrap().is_empty(), "{events:#}");
    assert_eq!((&events["state"], &events["confirmed_at"]), (&"closed".into(), &Value::Null));
    world.end().await;
}

pub async fn a_share_whose_role_is_none_from_now_on_serves_nothing_and_is_erased_a_day_later<P: ProviderUnderTest>() {
    let world = world::<P>(quick()).await;
    let (account, calendar) = shared_calendar(&world).await;
    let events = shown(&world, calendar).await;
    let path = format!("/v1/calendars/{calendar}/events/{}", events["items"][0]["event_id"].as_str().unwrap());
    let one = async || world.call(Method::GET, &path, None, Some(&world.api_key)).await.unwrap();
    assert_eq!(one().await.status, 200);
    share(&world, Some(RemoteRole::None));
    discover(&world, account).await;
    reach(&world, calendar, CalendarState::Closed).await;
    let events = shown(&world, calendar).await;
    assert!(events["items"].as_array().unwrap().is_empty(), "{events:#}");
    assert_eq!((&events["state"], &events["confirmed_at"]), (&"closed".into(), &Value::Null));
    assert_eq!(one().await.status, 404, "nor is it served by its id");

    // As a worker asks for it every few minutes: of those that are gone for a day.
    let erase_those_gone_before = async |at| world.store.erase_withdrawn(at).await.unwrap();
    let now = SystemClock.now();
    assert_eq!(erase_those_gone_before(now - chrono::TimeDelta::days(1)).await, 0, "it may come back");
    assert_eq!(erase_those_gone_before(now + chrono::TimeDelta::minutes(1)).await, 1);
    let row = world.store.calendar(calendar).await.unwrap().unwrap();
    assert_eq!((row.state, row.event_count), (CalendarState::Closed, 0));

    share(&world, Some(RemoteRole::Reader));
    discover(&world, account).await;
    world.wait_until_mirrored(calendar).await;
    assert!(titles(&shown(&world, calendar).await) > 0, "it is read anew");
    world.end().await;
}

pub async fn a_role_that_falls_is_seen_by_the_next_sync_too<P: ProviderUnderTest>() {
    let world = world::<P>(quick()).await;
    let (_account, calendar) = shared_calendar(&world).await;
    share(&world, Some(RemoteRole::FreeBusyReader));
    world.api(Method::POST, &format!("/v1/calendars/{calendar}/sync"), None).await.unwrap();
    assert_eq!(titles(&shown(&world, calendar).await), 0);
    let row = world.store.calendar(calendar).await.unwrap().unwrap();
    assert_eq!(row.remote.access_role, AccessRole::FreeBusyReader);
    mirror::equals_provider(&world, calendar).await;
    world.end().await;
}

pub async fn a_calendar_that_is_listed_again_while_its_subscription_ends_is_watched_again_when_it_has_ended<
    P: ProviderUnderTest,
>() {
    let world = world::<P>(Timing { sync_backoff_initial_ms: 1_000, ..quick() }).await;
    let (account, calendar) = shared_calendar(&world).await;

    // Its channel cannot be stopped, so that its end takes a while.
    arm(&world, world.always(ProviderCall::CloseChannel, status(503, None)));
    share(&world, None);
    discover(&world, account).await;
    has_called(&world, ProviderCall::CloseChannel, 503).await;
    // Whoever reads does not wait for that.
    assert_eq!(world.store.calendar(calendar).await.unwrap().unwrap().state, CalendarState::Closed);
    let events = shown(&world, calendar).await;
    assert!(events["items"].as_array().unwrap().is_empty(), "{events:#}");
    share(&world, Some(RemoteRole::Reader));
    let listed_at = async || world.store.account(account).await.unwrap().unwrap().listed_at;
    let before = listed_at().await;
    discover(&world, account).await;
    eventually("it is listed again", || async {
        let now = listed_at().await;
        if now > before { Ok(()) } else { Err(now) }
    })
    .await;
    // From here on no other reading of the list can be what brings it back.
    let rules = vec![world.always(ProviderCall::ListCalendars, status(503, None))];
    world.control().set_faults(FaultPlan { rules, random: None }).unwrap();
    world.change_events(BOB, 3).await;
    world.wait_until_mirrored(calendar).await;
    world.end().await;
}
