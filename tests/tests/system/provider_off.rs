//! A provider that was turned off again, while accounts are connected there.

use evercal_domain::journal::{AuditEntry, AuditKind};
use evercal_domain::{AccountId, AccountState};
use evercal_http::Method;
use evercal_storage::{AuditOf, PageRequest};
use evercal_tests::{
    ProviderCall, ProviderUnderTest, USER, World, WorldOptions, calls, channels, disconnect, discover, eventually,
    histories, mirror, quick, reach_account,
};
use evercal_workflows::Timing;

async fn turn(world: &mut World, is_on: bool) {
    world.settings.provider_is_on = is_on;
    world.stop_worker().await.unwrap();
    world.start_worker().unwrap();
}

async fn detail(world: &World, path: &str) -> String {
    let shown = world.api(Method::GET, path, None).await.unwrap();
    shown["detail"].as_str().unwrap_or_default().to_owned()
}

/// What the audit log has of providers that are off, newest first.
async fn alerts(world: &World) -> Vec<AuditEntry> {
    let page = PageRequest::first(100);
    let entries = world.store.audit_entries(AuditOf::Everything, &page).await.unwrap().items;
    entries.into_iter().filter(|entry| entry.dedup_key.contains("/off/")).collect()
}

async fn account_detail(world: &World, account: AccountId) -> String {
    detail(world, &format!("/v1/accounts/{account}")).await
}

pub async fn an_account_of_a_provider_that_is_off_says_so_and_goes_on_by_itself_when_it_is_on_again<
    P: ProviderUnderTest,
>() {
    let timing = Timing { failed_sync_pause_s: 1, ..quick() };
    let mut world = World::with::<P>(WorldOptions { timing, ..WorldOptions::default() }).await;
    let (account, calendar) = world.connect_and_mirror().await;
    turn(&mut world, false).await;
    discover(&world, account).await;
    world.change_events(USER, 1).await;
    eventually("the account and its calendar say so", || async {
        let calendar = detail(&world, &format!("/v1/calendars/{calendar}")).await;
        let said = [account_detail(&world, account).await, calendar];
        if said.iter().all(|detail| detail.contains("not set up for")) { Ok(()) } else { Err(said) }
    })
    .await;
    eventually("the audit log has its beginning", || async {
        let alerts = alerts(&world).await;
        if alerts.first().is_some_and(|newest| newest.kind == AuditKind::AlertRaised) { Ok(()) } else { Err(alerts) }
    })
    .await;
    turn(&mut world, true).await;
    mirror::equals_provider(&world, calendar).await;
    eventually("nothing is said of it any more", || async {
        let said = account_detail(&world, account).await;
        if said.is_empty() { Ok(()) } else { Err(said) }
    })
    .await;
    eventually("the audit log has its end", || async {
        let alerts = alerts(&world).await;
        if alerts.first().is_some_and(|newest| newest.kind == AuditKind::AlertCleared) { Ok(()) } else { Err(alerts) }
    })
    .await;
    histories::keep(&world, "provider-off", calendar, Some(account)).await;
    world.end().await;
}

pub async fn a_worker_with_wrong_settings_ends_no_grant_that_another_can_revoke<P: ProviderUnderTest>() {
    let timing = Timing { failed_sync_pause_s: 3, ..quick() };
    let mut world = World::with::<P>(WorldOptions { timing, ..WorldOptions::default() }).await;
    let (account, _calendar) = world.connect_and_mirror().await;
    turn(&mut world, false).await;
    world.api(Method::DELETE, &format!("/v1/accounts/{account}"), None).await.unwrap();
    eventually("a worker has found the provider off", || async {
        let said = account_detail(&world, account).await;
        if said.contains("not set up for") { Ok(()) } else { Err(said) }
    })
    .await;
    assert!(world.store.credentials(account).await.unwrap().is_some(), "nothing is erased yet");
    turn(&mut world, true).await;
    reach_account(&world, account, AccountState::Disconnected).await;
    assert_eq!(calls(&world, ProviderCall::Revoke), 1);
    assert_eq!(account_detail(&world, account).await, "");
    world.end().await;
}

pub async fn an_account_of_a_provider_that_is_off_can_be_disconnected_and_says_what_was_left<P: ProviderUnderTest>() {
    let timing = Timing { failed_sync_pause_s: 1, ..quick() };
    let mut world = World::with::<P>(WorldOptions { timing, ..WorldOptions::default() }).await;
    let (account, calendar) = world.connect_and_mirror().await;
    turn(&mut world, false).await;
    disconnect(&world, account).await;
    assert!(world.store.credentials(account).await.unwrap().is_none(), "the tokens are erased");
    assert_eq!(channels::alive_at_provider(&world, USER).len(), 1, "nobody can stop it there: it runs out");
    assert_eq!(calls(&world, ProviderCall::Revoke), 0);
    let said = account_detail(&world, account).await;
    assert!(said.contains("could not be asked to end the grant"), "{said}");
    histories::keep(&world, "only-erased", calendar, Some(account)).await;
    world.end().await;
}
