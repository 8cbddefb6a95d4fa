//! What must not be found where people look.

use evercal_tests::{USER, World, mirror};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn event_text_and_addresses_never_reach_the_histories_of_temporal() {
    const MARKER: &str = "marker-of-a-private-meeting";
    let world = World::start().await;
    let (account, calendar) = world.connect_and_settle().await;
    let event = json!({
        "summary": MARKER,
        "start": {"dateTime": "2026-12-01T10:00:00Z"},
        "end": {"dateTime": "2026-12-01T11:00:00Z"},
    });
    world.control().insert_event(USER, event.as_object().unwrap().clone()).unwrap();
    mirror::equals_provider(&world, calendar).await;
    for id in [evercal_workflows::names::subscription_id(calendar), evercal_workflows::names::account_id(account)] {
        let history = world.history(&id).await;
        assert!(!history.is_empty());
        for secret in [MARKER, USER, "evercal-simulator-secret", "ya29", world.api_key.expose()] {
            assert!(!contains(&history, secret.as_bytes()), "{secret} is in the history of {id}");
        }
    }
    world.end().await;
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
