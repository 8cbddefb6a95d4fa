//! Refresh tokens that rotate: two workers renew one grant side by side, and never lose it.

use std::sync::Arc;

use evercal_activities::StoreCredentials;
use evercal_domain::SystemClock;
use evercal_http::{HttpClient, HttpSettings};
use evercal_providers::{CalendarProvider, TokenSource, registry};
use evercal_settings::Lookup;
use evercal_tests::{Graph, ProviderCall, USER, World, calls};

/// How often both find their token refused at the same time.
const ROUNDS: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_renew_a_rotating_token_a_thousand_times_and_never_lose_the_grant() {
    let mut world = World::start::<Graph>().await;
    let (account, _calendar) = world.connect_and_mirror().await;
    // From here on nobody but those two.
    world.stop_worker().await.unwrap();
    let settings = world.provider.settings();
    let find = |name: &str| match name {
        "EVERCAL_CHANNEL_KEYS" => Some("0123456789abcdef0123456789abcdef".to_owned()),
        _ => settings.iter().find(|(setting, _)| *setting == name).map(|(_, value)| value.clone()),
    };
    let configured = registry::configured(&Lookup::new(&find)).unwrap();
    let configured = &configured[&world.provider.profile().provider];
    let worker = || {
        let transport = Arc::new(HttpClient::new(&HttpSettings::default()).unwrap());
        let calls = (configured.connect)(transport);
        let store = Arc::new(StoreCredentials(Arc::clone(&world.store)));
        (TokenSource::new(calls.sign_in, store, Arc::new(SystemClock)), calls.calendars)
    };
    let (first, second) = (worker(), worker());
    let ask = async |(tokens, calendars): &(TokenSource, Arc<dyn CalendarProvider>)| {
        tokens.with_token(account, |context| async move { calendars.whose_grant(&context).await }).await
    };
    let before = calls(&world, ProviderCall::Refresh);
    for round in 0..ROUNDS {
        world.control().expire_access_tokens(Some(USER)).unwrap();
        let (one, other) = tokio::join!(ask(&first), ask(&second));
        assert!(one.is_ok() && other.is_ok(), "round {round}: {one:?} {other:?}");
    }
    let renewed = calls(&world, ProviderCall::Refresh) - before;
    assert!(renewed >= u64::try_from(ROUNDS).unwrap(), "{renewed}");
    world.end().await;
}
