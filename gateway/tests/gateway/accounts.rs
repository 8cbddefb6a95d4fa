//! Connecting, connecting again and disconnecting.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use evercal_domain::account::Credentials;
use evercal_domain::tenant::TenantLimits;
use evercal_domain::{AccountId, AccountState, Clock as _, Provider, SyncStrategy, SystemClock};
use evercal_gateway::AccountNews;
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
    assert_eq!(page.status, 200);
    assert!(page.body.contains("Connected") && !page.body.contains("marker"), "{}", page.body);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(world.workflows.calls(), [Call::Start(account)]);
    let row = world.store.account(account).await.unwrap().unwrap();
    assert_eq!((row.tenant_id, row.state, row.label.as_str()), (customer.tenant, AccountState::Connecting, "Ada's"));
    let (credentials, _) = world.store.credentials(account).await.unwrap().unwrap();
    let Credentials::AuthorizationCode { code, redirect_uri, .. } = credentials else { panic!("{credentials:?}") };
    assert_eq!(code.expose(), "marker-code");
    assert_eq!(redirect_uri, "https://calendar.example.com/v1/oauth/google/callback");
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
    assert_eq!(statuses, [200, 409, 409]);
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
    world.config.strategies = [(Provider::Google, SyncStrategy::Hybrid)].into_iter().collect();
    world.start().await;
    let customer = world.customer().await;
    let (_account, page) = connect(&world, &customer).await;
    assert_eq!(page.status, 200);
    assert_eq!(*world.workflows.strategies.lock().unwrap(), [SyncStrategy::Hybrid]);
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
    assert_eq!(page.status, 200);
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
    let told = vec![Call::Start(account), Call::Tell(account, AccountNews::Disconnect)];
    eventually(&told, async || world.workflows.calls()).await;
    // Both workflows are gone again when a notice comes.
    world.workflows.accounts.lock().unwrap().clear();
    world.workflows.missing.lock().unwrap().insert(customer.calendar);
    world.send_notice(&world.notice(customer.calendar, "exists")).await;
    let brought_back = Call::Tell(account, AccountNews::SubscriptionMissing(customer.calendar));
    eventually(&2, async || world.workflows.calls().iter().filter(|call| **call == told[1]).count()).await;
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
async fn connecting_again_replaces_the_credentials_and_tells_the_running_workflow() {
    let world = World::running().await;
    let customer = world.customer().await;
    let start = world.post(&customer.key, START, &json!({"account_id": customer.account})).await;
    assert_eq!(start.json()["account_id"], customer.account.to_string());
    let page = come_back(&world, &format!("state={}&code=new-code", consent(&start)["state"])).await;
    assert_eq!(page.status, 200);
    let told = [Call::Start(customer.account), Call::Tell(customer.account, AccountNews::Authorized)];
    assert_eq!(world.workflows.calls(), told);
    let (credentials, _) = world.store.credentials(customer.account).await.unwrap().unwrap();
    assert!(matches!(credentials, Credentials::AuthorizationCode { .. }), "{credentials:?}");
    assert!(credentials.tokens().is_some(), "those that worked are kept until the code is redeemed");
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
    *world.faults.held.lock().unwrap() = Some("replace_credentials");
    let disconnect = async {
        eventually(&true, async || world.faults.called("replace_credentials")).await;
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
    let (credentials, _) = world.store.credentials(customer.account).await.unwrap().unwrap();
    assert!(matches!(credentials, Credentials::Tokens { .. }), "{credentials:?}");
    assert_eq!(world.workflows.calls(), [Call::Tell(customer.account, AccountNews::Disconnect)]);
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
    let told = Call::Tell(customer.account, AccountNews::Disconnect);
    assert_eq!(world.workflows.calls(), [told.clone(), told]);
    let now = chrono::DateTime::UNIX_EPOCH;
    world.store.set_account_state(customer.account, AccountState::Disconnected, None, now).await.unwrap();
    let answer = world.send(Method::DELETE, &path, &bearer(&customer.key), Body::empty()).await;
    assert_eq!(answer.json()["state"], "disconnected");
    let again = world.post(&customer.key, START, &json!({"account_id": customer.account})).await;
    assert_eq!(again.problem(), 409);
    assert_eq!(world.workflows.calls().len(), 2);
}
