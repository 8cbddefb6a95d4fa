//! What must not be found where others can read: in Temporal, in logs, in the database file.

use std::collections::HashMap;

use chrono::{SecondsFormat, TimeDelta};
use evercal_domain::account::{Credentials, Secret};
use evercal_domain::{AccountId, CalendarId, Clock as _, SystemClock};
use evercal_http::Method;
use evercal_simulator::{FaultAction, FaultPlan};
use evercal_storage::TakenAttempt;
use evercal_tests::{MarkedEvent, ProviderCall, ProviderUnderTest, USER, World, logs, mirror};
use serde_json::json;
use sha2::{Digest as _, Sha256};

const TITLE: &str = "marker-of-a-private-meeting";
const PLACE: &str = "marker-of-a-private-place";
const GUEST: &str = "marker-of-a-guest@example.com";
/// Where a parser that quotes what it cannot read would quote it.
const NONSENSE: &str = "marker-of-nonsense";

/// Connects step by step, so that what passes by on the way is known: the code and its verifier.
async fn connect(world: &World) -> (AccountId, Vec<Secret>) {
    let (account, callback) = world.consent(json!({"login_hint": USER})).await.unwrap();
    let query: HashMap<String, String> = callback.query_pairs().into_owned().collect();
    let state_hash: [u8; 32] = Sha256::digest(query["state"].as_bytes()).into();
    world.come_back(callback).await.unwrap();
    // What it was taken with is not said twice: the code is the browser's answer.
    let answer_hash: [u8; 32] = Sha256::digest(query["code"].as_bytes()).into();
    let taken = world.store.take_attempt(&state_hash, &answer_hash, SystemClock.now()).await.unwrap().unwrap();
    let (TakenAttempt::Now(attempt) | TakenAttempt::Before(attempt)) = taken;
    (account, vec![Secret::new(query["code"].clone()), attempt.code_verifier])
}

fn marked() -> MarkedEvent<'static> {
    MarkedEvent { title: TITLE, place: PLACE, guest: GUEST, start: SystemClock.now() + TimeDelta::days(1) }
}

/// The tokens that the provider gave and that evercal holds now.
async fn tokens(world: &World, account: AccountId) -> Vec<Secret> {
    let (Credentials::OAuth(tokens), _) = world.store.credentials(account).await.unwrap().unwrap();
    vec![tokens.access_token, tokens.refresh_token]
}

/// The whole flow: connect, read, renew tokens, fail in every way that is logged, read again.
async fn use_everything(world: &World, account: AccountId, calendar: CalendarId) -> Vec<Secret> {
    let mut secrets = tokens(world, account).await;
    world.provider.insert_marked_event(USER, &marked());
    mirror::equals_provider(world, calendar).await;
    let faults = [
        FaultAction::ExpiredToken,
        FaultAction::GarbageBody,
        FaultAction::TruncatedBody,
        FaultAction::ResetAfter,
        FaultAction::Status { status: 503, reason: None, retry_after_s: None },
    ];
    for fault in faults {
        let rule = world.once(ProviderCall::ReadEvents, fault);
        world.control().set_faults(FaultPlan { rules: vec![rule], ..FaultPlan::default() }).unwrap();
        world.change_events(USER, 3).await;
        mirror::equals_provider(world, calendar).await;
    }
    // They are quarantined with their text, and logged without it.
    world.provider.insert_unreadable_events(USER, &marked(), NONSENSE);
    world.api(Method::POST, &format!("/v1/calendars/{calendar}/sync"), None).await.unwrap();
    let day = |days| (SystemClock.now() + TimeDelta::days(days)).to_rfc3339_opts(SecondsFormat::Secs, true);
    let window = format!("from={}&to={}", day(0), day(2));
    let read = world.api(Method::GET, &format!("/v1/calendars/{calendar}/events?{window}"), None).await.unwrap();
    assert!(read.to_string().contains(TITLE), "the marker went the whole way: {read}");
    let quarantined = world.store.quarantined(calendar, 10).await.unwrap();
    assert!(quarantined.iter().any(|event| event.raw.contains(NONSENSE)), "and the nonsense too: {quarantined:#?}");
    let renewed = tokens(world, account).await;
    assert_ne!(renewed[0], secrets[0], "the access token was renewed meanwhile");
    secrets.extend(renewed);
    secrets
}

pub async fn neither_tokens_nor_event_text_are_found_in_temporal_logs_or_the_database_file<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let (account, mut secrets) = connect(&world).await;
    let calendar = world.calendar_of(USER).await.id;
    world.wait_until_mirrored(calendar).await;
    secrets.extend(use_everything(&world, account, calendar).await);
    let client = evercal_simulator::OauthClient::default();
    let channels = world.control().channels().unwrap();
    let channel_token = channels[0].token.as_deref().unwrap();
    let private = [TITLE, PLACE, GUEST, NONSENSE, USER, world.api_key.expose(), client.secret.as_str(), channel_token];
    let private: Vec<&str> = private.into_iter().chain(secrets.iter().map(Secret::expose)).collect();

    for id in [evercal_workflows::names::subscription_id(calendar), evercal_workflows::names::account_id(account)] {
        assert_absent(&private, &world.history(&id).await, &format!("the history of {id}"));
    }
    let said = logs::kept();
    assert!(contains(&said, b"provider call failed"), "what failed was logged at all");
    assert_absent(&private, &said, "the logs");
    // The mirror holds event text, of course; credentials it holds sealed only.
    let credentials: Vec<&str> =
        secrets.iter().map(Secret::expose).chain([world.api_key.expose(), client.secret.as_str()]).collect();
    let files = world.database_files();
    assert!(files.iter().any(|file| contains(file, TITLE.as_bytes())), "the files are those of the mirror");
    for file in files {
        assert_absent(&credentials, &file, "a file of the database");
    }
    world.end().await;
}

fn assert_absent(private: &[&str], text: &[u8], place: &str) {
    assert!(!text.is_empty(), "{place} is empty");
    for secret in private {
        assert!(!contains(text, secret.as_bytes()), "{secret} is in {place}");
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
