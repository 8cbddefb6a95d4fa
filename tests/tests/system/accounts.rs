//! What reaches an account: new consents, also by the wrong person, and changes of its list of calendars.

use evercal_domain::account::Credentials;
use evercal_domain::journal::{AuditEntry, AuditKind};
use evercal_domain::limits::{CALENDAR_LIST_PAGES_MAX, CALENDARS_PER_ACCOUNT_MAX};
use evercal_domain::{AccountId, AccountState, Calendar, CalendarState};
use evercal_http::Method;
use evercal_simulator::{DeliveryStatus, FaultAction, FaultPlan, NewUser};
use evercal_storage::{AuditOf, PageRequest};
use evercal_tests::{
    ProviderCall, ProviderUnderTest, Refused, USER, World, WorldOptions, arm, ask_for_sync, calls, channels,
    disconnect, discover, eventually, histories, is_list_watched, list_is_watched, made, mirror, quick, reach,
    reach_account,
};
use evercal_workflows::{AccountWorkflow, Timing, names};
use serde_json::json;
use temporalio_client::WorkflowTerminateOptions;

const OTHER: &str = "bob@example.com";

async fn connect_again(world: &World, account: AccountId, user: &str) {
    let again = json!({"label": "Ada", "login_hint": user, "account_id": account.to_string()});
    world.try_connect(again).await.unwrap();
}

pub async fn a_new_consent_heals_calendars_whose_account_workflow_was_lost_with_the_grant<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let (account, calendar) = world.connect_and_mirror().await;
    world.control().revoke_grants(USER).unwrap();
    world.change_events(USER, 3).await;
    // Not every provider announces changes to who has no grant any more.
    ask_for_sync(&world, calendar).await;
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

fn other_user(world: &World) {
    let other = NewUser { email: OTHER.to_owned(), name: "Bob".to_owned(), time_zone: "Europe/Paris".to_owned() };
    world.control().create_user(&other).unwrap();
}

/// The page that a consent of this user ends on.
async fn page_of(world: &World, start: serde_json::Value) -> (AccountId, u16, String) {
    let (account, callback) = world.consent(start).await.unwrap();
    let page = world.last_page_of(callback).await;
    (account, page.status, String::from_utf8_lossy(&page.body).into_owned())
}

/// The messages of the audit log about an account.
async fn audit(world: &World, account: AccountId) -> Vec<String> {
    let page = PageRequest::first(200);
    let entries = world.store.audit_entries(AuditOf::Tenant(world.tenant_id), &page).await.unwrap().items;
    entries.into_iter().filter(|entry| entry.account_id == Some(account)).map(|entry| entry.message).collect()
}

/// It is written down a moment after it is shown, or before.
async fn is_audited(world: &World, account: AccountId, what: &str) {
    eventually("the audit log has it", || async {
        let messages = audit(world, account).await;
        if messages.iter().any(|message| message.contains(what)) { Ok(()) } else { Err(messages) }
    })
    .await;
}

pub async fn a_consent_of_another_user_gets_an_error_page_and_the_account_works_on<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    other_user(&world);
    let (account, calendar) = world.connect_and_mirror().await;
    let (Credentials::OAuth(before), _) = world.store.credentials(account).await.unwrap().unwrap();
    let again = json!({"label": "Ada", "login_hint": OTHER, "account_id": account.to_string()});
    let (_, status, page) = page_of(&world, again).await;
    assert_eq!(status, 409, "{page}");
    assert!(
        page.contains(&format!("another {} account", world.provider.profile().title))
            && page.contains("works on as before"),
        "{page}"
    );
    assert_eq!(world.store.account(account).await.unwrap().unwrap().state, AccountState::Connected);
    let (Credentials::OAuth(after), _) = world.store.credentials(account).await.unwrap().unwrap();
    assert_eq!(after.refresh_token, before.refresh_token, "it has its own tokens");
    is_audited(&world, account, "another user's").await;
    world.control().expire_access_tokens(Some(USER)).unwrap();
    world.change_events(USER, 3).await;
    mirror::equals_provider(&world, calendar).await;
    let calendars = world.store.calendars_of_account(account).await.unwrap();
    assert_eq!(calendars.len(), 1, "no row of the other person: {calendars:#?}");
    assert_eq!(world.control().revoke_grants(OTHER).unwrap(), 1, "the other person's grant is theirs to end");
    disconnect(&world, account).await;
    histories::keep(&world, "another-user", calendar, Some(account)).await;
    world.end().await;
}

pub async fn a_consent_of_another_user_heals_no_dead_grant_and_the_right_one_does<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    other_user(&world);
    let (account, calendar) = world.connect_and_mirror().await;
    world.control().revoke_grants(USER).unwrap();
    world.change_events(USER, 3).await;
    // Not every provider announces changes to who has no grant any more.
    ask_for_sync(&world, calendar).await;
    reach_account(&world, account, AccountState::NeedsReauth).await;
    let again = json!({"label": "Ada", "login_hint": OTHER, "account_id": account.to_string()});
    assert_eq!(page_of(&world, again).await.1, 409);
    eventually("the account says whose consent it was", || async {
        let row = world.store.account(account).await.unwrap().unwrap();
        let says_so = row.detail.as_ref().is_some_and(|detail| detail.contains("another user's"));
        if row.state == AccountState::NeedsReauth && says_so { Ok(()) } else { Err((row.state, row.detail)) }
    })
    .await;
    connect_again(&world, account, USER).await;
    reach(&world, calendar, CalendarState::Live).await;
    mirror::equals_provider(&world, calendar).await;
    world.end().await;
}

pub async fn the_same_user_twice_is_reported_at_once_and_mirrored_twice_only_when_asked_for<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let (first, calendar) = world.connect_and_mirror().await;
    let (second, status, page) = page_of(&world, json!({"login_hint": USER})).await;
    assert_eq!(status, 409, "{page}");
    assert!(page.contains(&first.to_string()), "{page}");
    reach_account(&world, second, AccountState::Duplicate).await;
    let row = world.api(Method::GET, &format!("/v1/accounts/{second}"), None).await.unwrap();
    assert!(row["detail"].as_str().unwrap().contains(&first.to_string()), "{row}");
    is_audited(&world, second, &first.to_string()).await;
    assert_eq!(world.store.calendars_of_account(second).await.unwrap().len(), 0, "nothing is mirrored twice");

    let asked_for = json!({"login_hint": USER, "account_id": second.to_string(), "allow_duplicate": true});
    assert_eq!(page_of(&world, asked_for).await.1, 200);
    reach_account(&world, second, AccountState::Connected).await;
    eventually("it has calendars too", || async {
        let calendars = world.store.calendars_of_account(second).await.unwrap();
        // Where a provider has one channel for a mailbox, the first account has it.
        let works = |row: &Calendar| {
            row.confirmed_at.is_some() && matches!(row.state, CalendarState::Live | CalendarState::Polling)
        };
        if calendars.iter().any(works) { Ok(()) } else { Err(calendars) }
    })
    .await;
    disconnect(&world, second).await;
    world.change_events(USER, 3).await;
    mirror::equals_provider(&world, calendar).await;
    world.end().await;
}

pub async fn a_wish_of_a_day_on_the_list_holds_neither_a_new_consent_nor_a_refresh_and_is_shown_with_its_end<
    P: ProviderUnderTest,
>() {
    let world = World::start::<P>().await;
    let (account, _calendar) = world.connect_and_mirror().await;
    let wish = FaultAction::Status { status: 429, reason: None, retry_after_s: Some(86_400) };
    arm(&world, world.always(ProviderCall::ListCalendars, wish));
    discover(&world, account).await;
    let detail = async || world.store.account(account).await.unwrap().unwrap().detail;
    eventually("the wait is shown, with its end", || async {
        let detail = detail().await;
        let shown = detail.as_ref().is_some_and(|detail| detail.contains("asked to wait until 20"));
        if shown { Ok(()) } else { Err(detail) }
    })
    .await;
    let redeemed = calls(&world, ProviderCall::Redeem);
    let (_, status, page) = page_of(&world, json!({"login_hint": USER, "account_id": account.to_string()})).await;
    assert_eq!(status, 200, "the code is redeemed while the list waits: {page}");
    assert!(calls(&world, ProviderCall::Redeem) > redeemed);
    eventually("the new consent passed the wait, and was asked to wait again", || async {
        let (made, detail) = (calls(&world, ProviderCall::ListCalendars), detail().await);
        if made >= 3 && detail.is_some() { Ok(()) } else { Err((made, detail)) }
    })
    .await;
    world.control().set_faults(FaultPlan::default()).unwrap();
    let answer = world.api(Method::POST, &format!("/v1/accounts/{account}/refresh"), None).await.unwrap();
    assert_eq!(answer["state"], "done");
    eventually("nothing is left of it", || async {
        match detail().await {
            None => Ok(()),
            detail => Err(detail),
        }
    })
    .await;
    world.end().await;
}

pub async fn a_wish_of_a_day_with_the_channel_on_the_list_is_shown_with_its_end_and_a_refresh_passes_it<
    P: ProviderUnderTest,
>() {
    let world = World::start::<P>().await;
    let watch = ProviderCall::OpenListChannel;
    let wish = FaultAction::Status { status: 429, reason: None, retry_after_s: Some(86_400) };
    arm(&world, world.always(watch, wish));
    let (account, _calendar) = world.connect_and_mirror().await;
    let detail = async || world.store.account(account).await.unwrap().unwrap().detail;
    eventually("the wait is shown, with its end", || async {
        let detail = detail().await.unwrap_or_default();
        let shown = detail.contains("the channel on the list of calendars") && detail.contains("wait until 20");
        if shown { Ok(()) } else { Err(detail) }
    })
    .await;
    let asked = calls(&world, watch);
    discover(&world, account).await;
    eventually("somebody who does not want to wait passes it", || async {
        let now = calls(&world, watch);
        if now > asked { Ok(()) } else { Err(now) }
    })
    .await;
    world.control().set_faults(FaultPlan::default()).unwrap();
    eventually("a refresh has it opened", || async {
        discover(&world, account).await;
        if is_list_watched(&world, account).await { Ok(()) } else { Err(detail().await) }
    })
    .await;
    eventually("nothing is left of it", || async { detail().await.map_or(Ok(()), Err) }).await;
    world.end().await;
}

pub async fn an_installation_that_the_provider_does_not_accept_is_the_operators_affair_and_heals_by_itself<
    P: ProviderUnderTest,
>() {
    let world = World::start::<P>().await;
    arm(&world, world.always(ProviderCall::Redeem, world.provider.refusal(Refused::Client)));
    let (account, callback) = world.consent(json!({"login_hint": USER})).await.unwrap();
    let page = world.last_page_of(callback.clone()).await;
    let text = String::from_utf8_lossy(&page.body).into_owned();
    assert_eq!(page.status, 503, "{text}");
    assert!(text.contains("operator"), "{text}");
    let row = world.store.account(account).await.unwrap().unwrap();
    assert_eq!(row.state, AccountState::Connecting, "not the user's state: {row:?}");
    eventually("the operator gets one alert", || async {
        let everything = world.store.audit_entries(AuditOf::Everything, &PageRequest::first(50)).await.unwrap().items;
        // The account's own entry has these words too.
        let is_alert =
            |entry: &&AuditEntry| entry.kind == AuditKind::AlertRaised && entry.message.contains("OAuth client");
        let alerts = everything.iter().filter(is_alert).count();
        if alerts == 1 { Ok(()) } else { Err(everything) }
    })
    .await;
    world.control().set_faults(FaultPlan::default()).unwrap();
    reach_account(&world, account, AccountState::Connected).await;
    assert_eq!(world.last_page_of(callback).await.status, 200, "the page is the truth when it is reloaded");
    world.end().await;
}

pub async fn a_client_secret_that_is_not_accepted_any_more_is_the_operators_alert_and_no_users_state<
    P: ProviderUnderTest,
>() {
    let world = World::start::<P>().await;
    let (account, calendar) = world.connect_and_mirror().await;
    arm(&world, world.always(ProviderCall::Refresh, world.provider.refusal(Refused::Client)));
    world.control().expire_access_tokens(Some(USER)).unwrap();
    world.change_events(USER, 1).await;
    eventually("health shows it to the operator", || async {
        let health = world.api(Method::GET, "/api/health/sync", None).await.unwrap();
        let is_shown = health["warnings"].to_string().contains("OAuth client");
        if is_shown { Ok(()) } else { Err(health.to_string()) }
    })
    .await;
    let row = world.store.account(account).await.unwrap().unwrap();
    assert_eq!(row.state, AccountState::Connected, "not the user's state: {row:?}");
    let row = world.store.calendar(calendar).await.unwrap().unwrap();
    assert_eq!(row.state, CalendarState::Live, "nor the calendar's: {row:?}");
    world.control().set_faults(FaultPlan::default()).unwrap();
    mirror::equals_provider(&world, calendar).await;
    world.end().await;
}

pub async fn a_list_of_endless_empty_pages_costs_a_bounded_number_of_calls_and_is_said<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let (account, calendar) = world.connect_and_mirror().await;
    list_is_watched(&world, account).await;
    let before = calls(&world, ProviderCall::ListCalendars);
    arm(&world, world.always(ProviderCall::ListCalendars, FaultAction::EmptyPage));
    discover(&world, account).await;
    eventually("it is said", || async {
        let detail = world.store.account(account).await.unwrap().unwrap().detail;
        if detail.as_ref().is_some_and(|text| text.contains("does not end")) { Ok(()) } else { Err(detail) }
    })
    .await;
    let (made, pages_max) = (calls(&world, ProviderCall::ListCalendars) - before, u64::from(CALENDAR_LIST_PAGES_MAX));
    // An attempt that Temporal repeats begins with the first page again.
    assert!((pages_max..=2 * pages_max).contains(&made), "{made}");
    is_audited(&world, account, "does not end").await;
    let row = world.store.calendar(calendar).await.unwrap().unwrap();
    assert_eq!(row.state, CalendarState::Live, "absence proves nothing");
    world.control().set_faults(FaultPlan::default()).unwrap();
    discover(&world, account).await;
    eventually("it is over", || async {
        let detail = world.store.account(account).await.unwrap().unwrap().detail;
        if detail.is_none() { Ok(()) } else { Err(detail) }
    })
    .await;
    world.end().await;
}

pub async fn of_more_calendars_than_an_account_may_have_the_first_are_listed_with_a_warning<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    for number in 0..CALENDARS_PER_ACCOUNT_MAX {
        world.new_calendar(&format!("Calendar {number}"));
    }
    let account = world.connect().await;
    eventually("it is said", || async {
        let row = world.api(Method::GET, &format!("/v1/accounts/{account}"), None).await.unwrap();
        if row["detail"].as_str().is_some_and(|text| text.contains("first 5,000")) { Ok(()) } else { Err(row) }
    })
    .await;
    assert_eq!(world.store.calendars_of_account(account).await.unwrap().len(), CALENDARS_PER_ACCOUNT_MAX);
    is_audited(&world, account, "first 5,000").await;
    world.end().await;
}

pub async fn more_calendars_than_one_run_of_the_account_can_start_are_all_watched_and_all_closed<
    P: ProviderUnderTest,
>() {
    // Three batches, and more than one run may start.
    const CALENDARS: usize = 120;
    let timing = Timing { history_events_max: 200, ..quick() };
    let world = World::with::<P>(WorldOptions { timing, events: 0, ..WorldOptions::default() }).await;
    for number in 1..CALENDARS {
        world.new_calendar(&format!("Calendar {number}"));
    }
    let account = world.connect().await;
    eventually("all are live", || async {
        let calendars = world.store.calendars_of_account(account).await.unwrap();
        let live = calendars.iter().filter(|row| row.state == CalendarState::Live).count();
        if live == CALENDARS { Ok(()) } else { Err((live, calendars.len())) }
    })
    .await;
    disconnect(&world, account).await;
    assert_eq!(world.store.calendars_of_account(account).await.unwrap().len(), 0, "none is open");
    let alive = world.control().channels().unwrap().into_iter().filter(|channel| channel.live).count();
    assert_eq!(alive, 0, "no channel lives on");
    world.end().await;
}

pub async fn new_renamed_and_rezoned_calendars_show_by_the_channel_on_the_list<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let (account, _calendar) = world.connect_and_mirror().await;
    eventually("the list is watched", || async {
        let row = world.store.account(account).await.unwrap().unwrap();
        let live = channels::of_list(&world, USER).into_iter().filter(|channel| channel.live).count();
        if row.channel_expires_at.is_some() && live == 1 { Ok(()) } else { Err((row, live)) }
    })
    .await;
    let id = world.new_calendar("Team");
    let team = world.calendar_of(&id).await;
    world.wait_until_mirrored(team.id).await;
    world.control().patch_calendar(&id, "Team Tokyo", "Asia/Tokyo").unwrap();
    eventually("its new name and zone show", || async {
        let row = world.store.calendar(team.id).await.unwrap().unwrap();
        let seen = (row.remote.title.clone(), row.remote.time_zone.clone());
        if seen == ("Team Tokyo".to_owned(), Some("Asia/Tokyo".to_owned())) { Ok(()) } else { Err(seen) }
    })
    .await;
    disconnect(&world, account).await;
    let alive = channels::of_list(&world, USER).into_iter().filter(|channel| channel.live).count();
    assert_eq!(alive, 0, "it is stopped with the account");
    world.end().await;
}

pub async fn the_channel_on_the_list_is_renewed_before_it_ends_and_the_old_one_stopped<P: ProviderUnderTest>() {
    // An account's time cannot be skipped while its subscriptions run: this one's channels live for less than a minute.
    let timing = Timing { channel_lifetime_s: 40, channel_lifetime_spread_s: 0, ..quick() };
    let world = World::with::<P>(WorldOptions { timing, ..WorldOptions::default() }).await;
    let _account = world.connect().await;
    eventually("its successor lives, and it was stopped before its end", || async {
        let channels = channels::of_list(&world, USER);
        let first_ended = channels.first().and_then(|first| Some((first.stopped_at?, first.expires_at)));
        let is_stopped = first_ended.is_some_and(|(stopped_at, expires_at)| stopped_at < expires_at);
        let lives_on = channels.iter().skip(1).any(|channel| channel.live);
        if is_stopped && lives_on { Ok(()) } else { Err(channels) }
    })
    .await;
    world.end().await;
}

pub async fn terminated_workflows_are_found_shown_and_started_again_by_the_check_of_the_fleet<P: ProviderUnderTest>() {
    let fleet_interval = std::time::Duration::from_secs(3);
    let world = World::with::<P>(WorldOptions { fleet_interval, ..WorldOptions::default() }).await;
    let (account, calendar) = world.connect_and_mirror().await;
    let workflow = world.temporal.client.get_workflow_handle::<AccountWorkflow>(names::account_id(account));
    for round in 1..=2 {
        // A notice on its way would bring back what is missing before the gateway checks.
        eventually("all is quiet", || async {
            let status = world.status(calendar).await;
            let waiting = world.control().deliveries().unwrap().count(DeliveryStatus::Pending);
            let is_quiet = status.state == CalendarState::Live && !status.syncing && waiting == 0;
            if is_quiet { Ok(()) } else { Err((status, waiting)) }
        })
        .await;
        world.subscription(calendar).terminate(WorkflowTerminateOptions::default()).await.unwrap();
        if round == 2 {
            workflow.terminate(WorkflowTerminateOptions::default()).await.unwrap();
        }
        eventually("they run again, and it is written down", || async {
            let page = PageRequest::first(200);
            let entries = world.store.audit_entries(AuditOf::Everything, &page).await.unwrap().items;
            let missed = entries.iter().filter(|entry| entry.kind == AuditKind::WorkflowMissing).count();
            let status = world.api(Method::GET, &format!("/v1/calendars/{calendar}/status"), None).await.unwrap();
            let runs = status["workflow"]["state"] == "running";
            if missed >= round && runs { Ok(()) } else { Err((missed, status["workflow"].clone())) }
        })
        .await;
        world.wait_until_mirrored(calendar).await;
        world.change_events(USER, 3).await;
        mirror::equals_provider(&world, calendar).await;
    }
    world.end().await;
}

pub async fn a_calendar_that_needed_action_is_tried_twice_with_each_listing_until_it_works<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let refusal = FaultAction::Status { status: 404, reason: None, retry_after_s: None };
    arm(&world, world.always(ProviderCall::OpenChannel, refusal));
    let account = world.connect().await;
    let calendar = world.calendar_of(USER).await.id;
    reach(&world, calendar, CalendarState::ActionRequired).await;
    made(&world, calendar, calls(&world, ProviderCall::OpenChannel), 2, "confirmed once").await;
    discover(&world, account).await;
    eventually("it was tried again, and given up again", || async {
        let made = calls(&world, ProviderCall::OpenChannel);
        let state = world.store.calendar(calendar).await.unwrap().unwrap().state;
        if made >= 4 && state == CalendarState::ActionRequired { Ok(()) } else { Err((made, state)) }
    })
    .await;
    world.control().set_faults(FaultPlan::default()).unwrap();
    discover(&world, account).await;
    world.wait_until_mirrored(calendar).await;
    disconnect(&world, account).await;
    histories::keep(&world, "listed-again", calendar, Some(account)).await;
    world.end().await;
}

pub async fn a_listing_that_is_asked_for_during_one_comes_after_it<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let (account, calendar) = world.connect_and_mirror().await;
    list_is_watched(&world, account).await;
    let before = calls(&world, ProviderCall::ListCalendars);
    arm(&world, world.once(ProviderCall::ListCalendars, FaultAction::Delay { delay_ms: 5_000 }));
    for listings in 1..=2 {
        discover(&world, account).await;
        eventually("the list is read, or about to be", || async {
            let made = calls(&world, ProviderCall::ListCalendars) - before;
            if made == listings { Ok(()) } else { Err(made) }
        })
        .await;
    }
    disconnect(&world, account).await;
    histories::keep(&world, "asked-meanwhile", calendar, Some(account)).await;
    world.end().await;
}
