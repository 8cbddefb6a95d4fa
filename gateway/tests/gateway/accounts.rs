//! Connecting, connecting again and disconnecting.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use evercal_domain::tenant::TenantLimits;
use evercal_domain::{
    AccountId, AccountState, Clock as _, ConsentOutcome, PendingGrant, Provider, SyncStrategy, SystemClock,
};
use evercal_providers::registry::profiles;
use evercal_storage::Settlement;
use evercal_workflow_client::AccountSignal;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{Answer, Call, Customer, World, bearer, eventually};

const START: &str = "/v1/oauth/google/start";

/// The parameters of the consent page that a start sends the browser to.
fn consent(start: &Answer) -> HashMap<String, String> {
    assert_eq!(start.status, 201, "{start:?}");
    let url: url::Url = start.json()["authorization_url"].as_str().unwrap().parse().unwrap();
    url.query_pairs().into_owned().collect()
}

async fn come_back(world: &World, query: &str) -> Answer {
    let path = format!("/v1/oauth/google/callback?{query}");
    world.send(Method::GET, &path, &[], Body::empty()).await
}

async fn connect(world: &World, customer: &Customer) -> (AccountId, Answer) {
    let start = world.post(&customer.key, START, &json!({"label": "Ada's"})).await;
    let account = start.json()["account_id"].as_str().unwrap().parse().unwrap();
    let state = &consent(&start)["state"];
    (account, come_back(world, &format!("state={state}&code=marker-code&scope=ignored")).await)
}

#[tokio::test]
async fn a_consent_becomes_an_account_with_a_sealed_code_and_a_running_workflow() {
    let world = World::running().await;
    let customer = world.customer().await;
    let (account, page) = connect(&world, &customer).await;
    assert_eq!(page.status, 202, "nobody has redeemed it yet");
    assert!(page.body.contains("being checked") && !page.body.contains("marker"), "{}", page.body);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(world.workflows.calls(), [Call::Start(account)]);
    let row = world.store.account(account).await.unwrap().unwrap();
    assert_eq!((row.tenant_id, row.state, row.label.as_str()), (customer.tenant, AccountState::Connecting, "Ada's"));
    assert!(world.store.credentials(account).await.unwrap().is_none());
    let (consent, _) = world.store.consent(account).await.unwrap().unwrap();
    let PendingGrant::Code { code, redirect_uri, .. } = consent.grant else { panic!("{consent:?}") };
    assert_eq!(code.expose(), "marker-code");
    assert_eq!(redirect_uri, "https://calendar.example.com/v1/oauth/google/callback");
}

/// Asks each route that names a provider, as people, browsers and the provider do. It answers with this sentence.
async fn each_route_of_a_provider_is_not_found(world: &World, customer: &Customer, provider: &str, sentence: &str) {
    let mut with_key = bearer(&customer.key);
    with_key.push(("content-type", "application/json".to_owned()));
    let form = vec![("content-type", "application/x-www-form-urlencoded".to_owned())];
    let notice = world.notice(customer.calendar, "exists");
    for (method, path, headers, body) in [
        (Method::POST, format!("/v1/oauth/{provider}/start"), with_key, "{}"),
        (Method::GET, format!("/v1/oauth/{provider}/callback?state=s&code=c"), vec![], ""),
        (Method::POST, format!("/v1/oauth/{provider}/again"), form, "state=s"),
        (Method::POST, format!("/api/webhooks/{provider}"), notice, ""),
    ] {
        let answer = world.send(method, &path, &headers, Body::from(body)).await;
        assert_eq!((answer.problem(), answer.kind().as_str()), (404, "provider-not-found"), "{path}: {answer:?}");
        assert_eq!(answer.json()["detail"], sentence, "{path}");
    }
}

#[tokio::test]
async fn a_provider_that_nobody_knows_is_not_found_and_those_that_evercal_knows_are_named() {
    let world = World::running().await;
    let customer = world.customer().await;
    let known: Vec<String> = profiles().map(|profile| format!("`{}`", profile.provider)).collect();
    let sentence = format!("There is no provider of this name; evercal knows {}.", known.join(", "));
    for unknown in ["nobody", "google-calendar"] {
        each_route_of_a_provider_is_not_found(&world, &customer, unknown, &sentence).await;
    }
    assert_eq!(world.workflows.calls(), []);
}

#[tokio::test]
async fn an_installation_that_is_not_set_up_for_google_says_so_and_takes_no_notice_of_it() {
    let mut world = World::new().await;
    world.config.fronts.clear();
    world.start().await;
    let customer = world.customer().await;
    let sentence = "This installation is not set up for Google: GOOGLE_CLIENT_ID is not set.";
    each_route_of_a_provider_is_not_found(&world, &customer, "google", sentence).await;
    let accounts = world.get(&customer.key, "/v1/accounts").await.json();
    let detail = accounts["items"][0]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("not set up for the account's provider"), "{accounts}");
}

/// A consent that comes back in a browser of which nothing is left but its connection.
async fn come_back_in_a_browser(world: &World, customer: &Customer) -> (AccountId, TcpStream) {
    let start = world.post(&customer.key, START, &json!({})).await;
    let state = &consent(&start)["state"];
    let request = format!("GET /v1/oauth/google/callback?state={state}&code=c HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let mut browser = TcpStream::connect(world.gateway.as_ref().unwrap().address()).await.unwrap();
    browser.write_all(request.as_bytes()).await.unwrap();
    (start.json()["account_id"].as_str().unwrap().parse().unwrap(), browser)
}

#[tokio::test]
async fn a_browser_that_goes_away_during_the_callback_takes_no_consent_with_it() {
    let mut world = World::running().await;
    let customer = world.customer().await;
    *world.workflows.delay.lock().unwrap() = Duration::from_millis(200);

    *world.faults.held.lock().unwrap() = Some("insert_account");
    let (account, browser) = come_back_in_a_browser(&world, &customer).await;
    eventually(&true, async || world.faults.called("insert_account")).await;
    drop(browser);
    *world.faults.held.lock().unwrap() = None;
    eventually(&vec![Call::Start(account)], async || world.workflows.calls()).await;

    world.workflows.reached.store(false, Ordering::SeqCst);
    let (account, browser) = come_back_in_a_browser(&world, &customer).await;
    eventually(&true, async || world.workflows.reached.load(Ordering::SeqCst)).await;
    drop(browser);
    // A gateway that stops waits for it.
    world.stop().await;
    assert_eq!(world.workflows.calls().last(), Some(&Call::Start(account)));
}

#[tokio::test]
async fn of_consents_that_were_begun_together_only_so_many_become_accounts_as_the_tenant_may_have() {
    let world = World::running().await;
    let customer = world.customer().await;
    let limits = TenantLimits { accounts_max: 2, ..TenantLimits::default() };
    world.store.set_tenant_limits(customer.tenant, limits).await.unwrap();
    let mut begun = Vec::new();
    for _ in 0..3 {
        begun.push(consent(&world.post(&customer.key, START, &json!({})).await)["state"].clone());
    }
    let mut pages = Vec::new();
    for state in begun {
        pages.push(come_back(&world, &format!("state={state}&code=marker-code")).await);
    }
    // One account was there before.
    let statuses: Vec<u16> = pages.iter().map(|page| page.status.as_u16()).collect();
    assert_eq!(statuses, [202, 409, 409]);
    assert!(pages[1].body.contains("No more accounts") && !pages[1].body.contains("marker"), "{}", pages[1].body);
    assert_eq!(world.store.open_accounts(customer.tenant).await.unwrap(), 2);
    assert_eq!(world.workflows.calls().len(), 1, "no workflow for what was not connected");
}

#[tokio::test]
async fn a_link_that_was_tampered_with_ends_on_a_page_for_people() {
    let world = World::running().await;
    for query in ["state=a&state=b", "code=%ff&state=%ff", ""] {
        let page = come_back(&world, query).await;
        assert_eq!(page.status, 400, "{query}: {page:?}");
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8", "{query}");
    }
}

#[tokio::test]
async fn an_account_starts_with_the_strategy_of_its_provider() {
    let mut world = World::new().await;
    world.config.strategies = [(Provider::new("google"), SyncStrategy::Hybrid)].into_iter().collect();
    // Before the gateway: its first search for consents that nobody settled would start this account too.
    let customer = world.customer().await;
    world.start().await;
    let (_account, page) = connect(&world, &customer).await;
    assert_eq!(page.status, 202);
    let strategies = world.workflows.strategies.lock().unwrap().clone();
    assert!(!strategies.is_empty() && strategies.iter().all(|one| *one == SyncStrategy::Hybrid), "{strategies:?}");
}

#[tokio::test]
async fn the_consent_page_gets_pkce_and_the_hint() {
    let world = World::running().await;
    let customer = world.customer().await;
    let start = world.post(&customer.key, START, &json!({"login_hint": "ada@example.com"})).await;
    let parameters = consent(&start);
    assert_eq!(parameters["code_challenge_method"], "S256");
    assert_eq!(parameters["login_hint"], "ada@example.com");
    assert_eq!((parameters["state"].len(), parameters["code_challenge"].len()), (43, 43));
    assert_ne!(parameters["state"], consent(&world.post(&customer.key, START, &json!({})).await)["state"]);
}

#[tokio::test]
async fn a_state_is_good_for_one_use_and_an_unknown_one_is_noted() {
    let world = World::running().await;
    let customer = world.customer().await;
    let state = consent(&world.post(&customer.key, START, &json!({})).await)["state"].clone();
    assert_eq!(come_back(&world, &format!("state={state}&error=access_denied")).await.status, 400);
    let again = come_back(&world, &format!("state={state}&error=access_denied")).await;
    assert!(again.status == 400 && again.body.contains("Not connected"), "a reload shows the same page: {again:?}");
    for query in [format!("state={state}&code=c"), "state=%3Cscript%3E&code=c".into(), "code=c".into()] {
        let page = come_back(&world, &query).await;
        assert_eq!(page.status, 400);
        assert!(!page.body.contains("script>"), "{}", page.body);
    }
    eventually(&3, async || world.security_events("oauth_state_refused").await).await;
    assert_eq!(world.workflows.calls(), []);
}

#[tokio::test]
async fn a_consent_while_temporal_is_down_is_kept_and_settled_when_it_is_back() {
    let world = World::running().await;
    let customer = world.customer().await;
    world.workflows.down.store(true, Ordering::SeqCst);
    let (account, page) = connect(&world, &customer).await;
    assert_eq!(page.status, 202);
    world.workflows.down.store(false, Ordering::SeqCst);
    eventually(&true, async || world.workflows.calls().contains(&Call::Start(account))).await;
}

#[tokio::test]
async fn a_consent_that_a_killed_gateway_left_behind_is_settled_by_the_next_one() {
    let mut world = World::new().await;
    let customer = world.customer().await;
    let account = world.account(customer.tenant, AccountState::Connecting).await;
    world.start().await;
    eventually(&vec![Call::Start(account)], async || world.workflows.calls()).await;
}

#[tokio::test]
async fn a_disconnect_whose_workflow_was_lost_goes_on_and_a_late_notice_does_not_undo_it() {
    let mut world = World::new().await;
    let customer = world.customer().await;
    let account = customer.account;
    world.store.set_account_state(account, AccountState::Disconnecting, None, SystemClock.now()).await.unwrap();
    world.start().await;
    let calls = vec![Call::Start(account), Call::Signal(account, AccountSignal::Disconnect)];
    eventually(&calls, async || world.workflows.calls()).await;
    // Both workflows are gone again when a notice comes.
    world.workflows.accounts.lock().unwrap().clear();
    world.workflows.missing.lock().unwrap().insert(customer.calendar);
    world.send_notice(&world.notice(customer.calendar, "exists")).await;
    let brought_back = Call::Signal(account, AccountSignal::SubscriptionMissing(customer.calendar));
    eventually(&2, async || world.workflows.calls().iter().filter(|call| **call == calls[1]).count()).await;
    assert!(!world.workflows.calls().contains(&brought_back));
}

#[tokio::test]
async fn one_account_that_cannot_be_started_does_not_keep_the_others_waiting() {
    let mut world = World::new().await;
    let customer = world.customer().await;
    let broken = world.account(customer.tenant, AccountState::Connecting).await;
    let healthy = world.account(customer.tenant, AccountState::Connecting).await;
    world.workflows.broken.lock().unwrap().insert(broken);
    world.start().await;
    eventually(&true, async || world.workflows.calls().contains(&Call::Start(healthy))).await;
    world.workflows.broken.lock().unwrap().clear();
    eventually(&true, async || world.workflows.calls().contains(&Call::Start(broken))).await;
}

#[tokio::test]
async fn connecting_again_leaves_the_credentials_until_the_consent_is_settled_and_signals_the_running_workflow() {
    let world = World::running().await;
    let customer = world.customer().await;
    let start = world.post(&customer.key, START, &json!({"account_id": customer.account})).await;
    assert_eq!(start.json()["account_id"], customer.account.to_string());
    let page = come_back(&world, &format!("state={}&code=new-code", consent(&start)["state"])).await;
    assert_eq!(page.status, 202);
    let calls = [Call::Start(customer.account), Call::Signal(customer.account, AccountSignal::Authorized)];
    assert_eq!(world.workflows.calls(), calls);
    assert!(world.store.credentials(customer.account).await.unwrap().is_some(), "what worked works on");
    let (waiting, _) = world.store.consent(customer.account).await.unwrap().unwrap();
    assert!(matches!(waiting.grant, PendingGrant::Code { .. }), "{waiting:?}");
}

/// The page of a consent that a worker settles while the browser waits, its reload, and the query that it was asked with.
async fn settled_page(world: &World, start: &Answer, settlement: Option<Settlement>) -> (Answer, String) {
    let account: AccountId = start.json()["account_id"].as_str().unwrap().parse().unwrap();
    let query = format!("state={}&code=c", consent(start)["state"]);
    let settle = async {
        eventually(&true, async || world.store.consent(account).await.unwrap().is_some()).await;
        match &settlement {
            Some(settlement) => drop(world.settle(account, settlement).await),
            None => drop(world.redeem(account, &account.to_string()).await),
        }
    };
    let (page, ()) = tokio::join!(come_back(world, &query), settle);
    let reload = come_back(world, &query).await;
    assert_eq!((page.status, &page.body), (reload.status, &reload.body), "a reload shows the same page");
    (page, query)
}

async fn patient_world() -> World {
    let mut world = World::new().await;
    // Longer than this test may take: the page comes as soon as it is known how it went.
    world.config.limits.consent_timeout = Duration::from_hours(1);
    world.config.limits.request_timeout = Duration::from_hours(1);
    world.start().await;
    world
}

#[tokio::test]
async fn the_page_shows_what_really_happened() {
    let world = patient_world().await;
    let customer = world.customer().await;
    let refused = |outcome| Some(Settlement::Rejected(outcome));
    let scopes = vec!["https://www.googleapis.com/auth/calendar.events.readonly".to_owned()];
    for (settlement, status, words) in [
        (None, 200, "Your calendars are being read now"),
        (refused(ConsentOutcome::AnotherUser), 409, "works on as before"),
        (refused(ConsentOutcome::MissingScopes { scopes }), 400, "See the events of your calendars"),
        (refused(ConsentOutcome::Refused), 400, "Google did not accept"),
        (refused(ConsentOutcome::TooLate), 400, "could not be reached in time"),
    ] {
        let start = world.post(&customer.key, START, &json!({})).await;
        let (page, _query) = settled_page(&world, &start, settlement).await;
        assert_eq!(page.status, status, "{page:?}");
        assert!(page.body.contains(words), "{words}: {}", page.body);
        assert_eq!(page.body.contains("Begin again"), status != 200, "{}", page.body);
    }
}

#[tokio::test]
async fn whoever_left_something_out_begins_again_from_the_page() {
    let world = patient_world().await;
    let customer = world.customer().await;
    let start = world.post(&customer.key, START, &json!({"account_id": customer.account})).await;
    let missing = Settlement::Rejected(ConsentOutcome::MissingScopes { scopes: vec!["a<b>".into()] });
    let (page, query) = settled_page(&world, &start, Some(missing)).await;
    assert!(!page.body.contains("<b>"), "{}", page.body);
    let state = query.split('&').next().unwrap();
    assert!(page.body.contains(&state.replace('=', "\" value=\"")), "{}", page.body);
    let form = [("content-type", "application/x-www-form-urlencoded".to_owned())];
    let again = world.send(Method::POST, "/v1/oauth/google/again", &form, Body::from(state.to_owned())).await;
    assert_eq!(again.status, 303, "{again:?}");
    let consent_page: url::Url = again.headers["location"].to_str().unwrap().parse().unwrap();
    let parameters: HashMap<String, String> = consent_page.query_pairs().into_owned().collect();
    assert_ne!(format!("state={}", parameters["state"]), state, "a consent of its own");
    let query = format!("state={}&code=c2", parameters["state"]);
    let settle = async {
        eventually(&true, async || world.store.consent(customer.account).await.unwrap().is_some()).await;
        world.redeem(customer.account, &customer.account.to_string()).await
    };
    let (page, outcome) = tokio::join!(come_back(&world, &query), settle);
    assert_eq!((page.status.as_u16(), outcome), (200, ConsentOutcome::Granted));
    for unknown in ["state=made-up".to_owned(), query.split('&').next().unwrap().to_owned()] {
        let refused = world.send(Method::POST, "/v1/oauth/google/again", &form, Body::from(unknown)).await;
        assert_eq!(refused.status, 400, "neither an unknown nor a good one: {refused:?}");
    }
}

#[tokio::test]
async fn the_page_for_a_user_who_is_connected_already_names_the_account() {
    let world = patient_world().await;
    let customer = world.customer().await;
    let start = world.post(&customer.key, START, &json!({})).await;
    let account: AccountId = start.json()["account_id"].as_str().unwrap().parse().unwrap();
    let settle = async {
        eventually(&true, async || world.store.account(account).await.unwrap().is_some()).await;
        world.redeem(account, &customer.account.to_string()).await
    };
    let query = format!("state={}&code=c", consent(&start)["state"]);
    let (page, outcome) = tokio::join!(come_back(&world, &query), settle);
    assert_eq!(outcome, ConsentOutcome::Duplicate { account_id: customer.account });
    assert_eq!(page.status, 409);
    assert!(page.body.contains(&customer.account.to_string()), "{}", page.body);

    let start = world.post(&customer.key, START, &json!({"account_id": account, "allow_duplicate": true})).await;
    let settle = async {
        eventually(&true, async || world.store.consent(account).await.unwrap().is_some()).await;
        world.redeem(account, &customer.account.to_string()).await
    };
    let query = format!("state={}&code=c", consent(&start)["state"]);
    let (page, outcome) = tokio::join!(come_back(&world, &query), settle);
    assert_eq!((page.status.as_u16(), outcome), (200, ConsentOutcome::Granted));
}

#[tokio::test]
async fn head_has_no_effect_at_the_callback() {
    let world = World::running().await;
    let customer = world.customer().await;
    let start = world.post(&customer.key, START, &json!({})).await;
    let path = format!("/v1/oauth/google/callback?state={}&code=c", consent(&start)["state"]);
    let answer = world.send(Method::HEAD, &path, &[], Body::empty()).await;
    let allowed = answer.headers["allow"].to_str().unwrap();
    assert_eq!((answer.status.as_u16(), allowed, answer.body.as_str()), (405, "GET", ""));
    assert_eq!(world.workflows.calls(), []);
    assert_eq!(come_back(&world, path.split_once('?').unwrap().1).await.status, 202, "it is as good as before");
}

#[tokio::test]
async fn what_is_being_disconnected_is_not_connected_again_not_even_by_a_consent_under_way() {
    let world = World::running().await;
    let customer = world.customer().await;
    let reconnect = json!({"account_id": customer.account});
    let begun =
        [world.post(&customer.key, START, &reconnect).await, world.post(&customer.key, START, &reconnect).await];
    let [early, racing] = begun.each_ref().map(|start| consent(start)["state"].clone());
    // This one has been read as connected when the account is disconnected.
    *world.faults.held.lock().unwrap() = Some("replace_consent");
    let disconnect = async {
        eventually(&true, async || world.faults.called("replace_consent")).await;
        let path = format!("/v1/accounts/{}", customer.account);
        let answer = world.send(Method::DELETE, &path, &bearer(&customer.key), Body::empty()).await;
        *world.faults.held.lock().unwrap() = None;
        answer
    };
    let racing = format!("state={racing}&code=c");
    let (page, answer) = tokio::join!(come_back(&world, &racing), disconnect);
    assert_eq!((answer.status.as_u16(), page.status.as_u16()), (202, 409));
    assert_eq!(come_back(&world, &format!("state={early}&code=c")).await.status, 409);
    assert_eq!(world.post(&customer.key, START, &reconnect).await.problem(), 409);
    assert!(world.store.consent(customer.account).await.unwrap().is_none());
    assert_eq!(world.workflows.calls(), [Call::Signal(customer.account, AccountSignal::Disconnect)]);
}

#[tokio::test]
async fn disconnecting_twice_is_the_same_and_what_is_disconnected_stays_so() {
    let world = World::running().await;
    let customer = world.customer().await;
    let path = format!("/v1/accounts/{}", customer.account);
    for _ in 0..2 {
        let answer = world.send(Method::DELETE, &path, &bearer(&customer.key), Body::empty()).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["state"]), (202, &json!("disconnecting")));
    }
    let call = Call::Signal(customer.account, AccountSignal::Disconnect);
    assert_eq!(world.workflows.calls(), [call.clone(), call]);
    let now = chrono::DateTime::UNIX_EPOCH;
    world.store.set_account_state(customer.account, AccountState::Disconnected, None, now).await.unwrap();
    let answer = world.send(Method::DELETE, &path, &bearer(&customer.key), Body::empty()).await;
    assert_eq!(answer.json()["state"], "disconnected");
    let again = world.post(&customer.key, START, &json!({"account_id": customer.account})).await;
    assert_eq!(again.problem(), 409);
    assert_eq!(world.workflows.calls().len(), 2);
}

#[tokio::test]
async fn a_refresh_waits_for_a_listing_that_began_after_it() {
    let world = World::running().await;
    let customer = world.customer().await;
    world.store.set_listed(customer.account, SystemClock.now()).await.unwrap();
    let path = format!("/v1/accounts/{}/refresh", customer.account);
    let body = json!({});
    let list = async {
        let call = Call::Signal(customer.account, AccountSignal::Discover);
        eventually(&true, async || world.workflows.calls().contains(&call)).await;
        world.store.set_listed(customer.account, SystemClock.now()).await.unwrap();
    };
    let (answer, ()) = tokio::join!(world.post(&customer.key, &path, &body), list);
    assert_eq!((answer.status.as_u16(), &answer.json()["state"]), (200, &json!("done")));
    let now = SystemClock.now();
    world.store.set_account_state(customer.account, AccountState::NeedsReauth, None, now).await.unwrap();
    assert_eq!(world.post(&customer.key, &path, &body).await.problem(), 409);
}

#[tokio::test]
async fn a_refresh_that_nobody_carries_out_in_time_is_said_to_be_under_way() {
    let mut world = World::new().await;
    world.config.limits.refresh_timeout = Duration::from_millis(50);
    world.start().await;
    let customer = world.customer().await;
    let answer = world.post(&customer.key, &format!("/v1/accounts/{}/refresh", customer.account), &json!({})).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["state"]), (202, &json!("underway")));
}
