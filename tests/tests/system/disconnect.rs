//! Taking an account down.

use evercal_domain::{AccountState, CalendarState};
use evercal_http::Method;
use evercal_tests::{World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnected_account_leaves_no_channel_no_token_and_no_grant() {
    let world = World::start().await;
    world.new_calendar("Team");
    let (account, calendar) = world.connect_and_settle().await;
    world.api(Method::DELETE, &format!("/v1/accounts/{account}"), None).await.unwrap();
    eventually("the account is disconnected", || async {
        let row = world.store.account(account).await.unwrap().unwrap();
        if row.state == AccountState::Disconnected { Ok(()) } else { Err(row.state) }
    })
    .await;
    let alive: Vec<_> = world.control().channels().unwrap().into_iter().filter(|channel| channel.live).collect();
    assert!(alive.is_empty(), "{alive:#?}");
    assert!(world.store.credentials(account).await.unwrap().is_none());
    assert_eq!(world.store.calendar(calendar).await.unwrap().unwrap().state, CalendarState::Closed);
    let revoked = world.control().calls().unwrap().counts.get("oauth.revoke").copied();
    assert_eq!(revoked, Some(1));
    world.end().await;
}
