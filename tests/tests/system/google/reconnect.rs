//! Connecting an account again.

use evercal_domain::account::Credentials;
use evercal_domain::{AccountId, AccountState};
use evercal_gateway::HEARTBEAT;
use evercal_simulator::Consent;
use evercal_tests::{Google, ProviderCall, USER, World, calls, eventually, mirror};
use serde_json::json;

use super::control;

fn redemptions(world: &World) -> u64 {
    calls(world, ProviderCall::Redeem)
}

/// Consents again, but unticks what evercal needs: the code is good, and what it is worth is not enough.
async fn consent_to_too_little(world: &World, account: Option<AccountId>) -> AccountId {
    let untick_scopes = vec!["https://www.googleapis.com/auth/calendar.events.readonly".to_owned()];
    control(world).set_consent(&Consent { user: USER.to_owned(), deny: false, untick_scopes }).unwrap();
    let mut start = json!({"login_hint": USER});
    if let Some(account) = account {
        start["account_id"] = account.to_string().into();
    }
    let (account, callback) = world.consent(start).await.unwrap();
    let page = world.last_page_of(callback).await;
    let text = String::from_utf8_lossy(&page.body).into_owned();
    assert_eq!(page.status, 400, "{text}");
    assert!(text.contains("See the events of your calendars") && text.contains("Begin again"), "{text}");
    account
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_consent_that_is_refused_leaves_the_one_that_works() {
    let world = World::start::<Google>().await;
    let (account, calendar) = world.connect_and_mirror().await;
    let refresh_token = async || {
        let (Credentials::OAuth(tokens), _) = world.store.credentials(account).await.unwrap().unwrap();
        tokens.refresh_token
    };
    let working = refresh_token().await;
    consent_to_too_little(&world, Some(account)).await;
    assert_eq!(refresh_token().await, working, "the old token works on");
    world.control().expire_access_tokens(Some(USER)).unwrap();
    world.change_events(USER, 3).await;
    mirror::equals_provider(&world, calendar).await;
    assert_eq!(world.store.account(account).await.unwrap().unwrap().state, AccountState::Connected);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_code_is_not_tried_again_by_the_next_gateway() {
    let mut world = World::start::<Google>().await;
    let account = consent_to_too_little(&world, None).await;
    eventually("the account asks for a consent", || async {
        let state = world.store.account(account).await.unwrap().unwrap().state;
        if state == AccountState::NeedsReauth { Ok(()) } else { Err(state) }
    })
    .await;
    assert!(world.store.credentials(account).await.unwrap().is_none(), "nothing is left to try");
    let before = redemptions(&world);
    world.stop_gateway().await;
    let beat = world.store.last_beat(HEARTBEAT).await.unwrap();
    world.start_gateway().await.unwrap();
    eventually("the next gateway has caught up", || async {
        let moved = world.store.last_beat(HEARTBEAT).await.unwrap();
        if moved > beat { Ok(()) } else { Err(moved) }
    })
    .await;
    assert_eq!(redemptions(&world), before);
    world.end().await;
}
