//! The token source against a scripted token endpoint and a store in memory.

use std::collections::VecDeque;
use std::future::{Ready, ready};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::*;

/// Credentials of one account, with the version that the next swap must name.
#[derive(Default)]
struct MemoryStore {
    row: Mutex<Option<StoredCredentials>>,
    broken: Mutex<bool>,
}

impl MemoryStore {
    fn put(&self, credentials: Credentials) {
        let mut row = self.row.lock().unwrap();
        let version = row.as_ref().map_or(1, |stored| stored.version + 1);
        *row = Some(StoredCredentials { credentials, version });
    }
}

#[async_trait]
impl CredentialStore for MemoryStore {
    async fn read(&self, _: AccountId) -> Result<Option<StoredCredentials>, CredentialStoreError> {
        if *self.broken.lock().unwrap() {
            return Err(CredentialStoreError::new("disk full"));
        }
        Ok(self.row.lock().unwrap().clone())
    }

    async fn swap(
        &self,
        _: AccountId,
        expected_version: i64,
        credentials: &Credentials,
    ) -> Result<SwapOutcome, CredentialStoreError> {
        if self.row.lock().unwrap().as_ref().is_none_or(|stored| stored.version != expected_version) {
            return Ok(SwapOutcome::Lost);
        }
        self.put(credentials.clone());
        Ok(SwapOutcome::Stored)
    }
}

/// A token endpoint that answers by script, and only once it is let.
struct ScriptedOAuth {
    answers: Mutex<VecDeque<Result<TokenGrant, ProviderError>>>,
    /// The codes and refresh tokens that came, in order.
    presented: Mutex<Vec<String>>,
    gate: Semaphore,
    /// What another process stores while we are waiting for an answer.
    rival: Mutex<Option<Credentials>>,
    store: Arc<MemoryStore>,
}

impl ScriptedOAuth {
    async fn answer(&self, presented: &Secret) -> Result<TokenGrant, ProviderError> {
        self.presented.lock().unwrap().push(presented.expose().to_owned());
        drop(self.gate.acquire().await);
        if let Some(credentials) = self.rival.lock().unwrap().take() {
            self.store.put(credentials);
        }
        self.answers.lock().unwrap().pop_front().expect("a call too many to the token endpoint")
    }
}

#[async_trait]
impl OAuthProvider for ScriptedOAuth {
    async fn redeem_code(&self, code: &Secret, _: &Secret, _: &str) -> Result<RedeemedCode, ProviderError> {
        self.answer(code).await.map(RedeemedCode::Granted)
    }

    async fn refresh(&self, refresh_token: &Secret) -> Result<TokenGrant, ProviderError> {
        self.answer(refresh_token).await
    }

    async fn revoke(&self, token: &Secret) -> Result<(), ProviderError> {
        self.presented.lock().unwrap().push(token.expose().to_owned());
        Ok(())
    }
}

/// A clock that stands still until a test moves it.
struct ManualClock(Mutex<DateTime<Utc>>);

impl ManualClock {
    fn advance(&self, by: TimeDelta) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

struct World {
    account: AccountId,
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
    oauth: Arc<ScriptedOAuth>,
    tokens: Arc<TokenSource>,
}

fn world(stored: Option<Credentials>, answers: impl IntoIterator<Item = Result<TokenGrant, ProviderError>>) -> World {
    let clock = Arc::new(ManualClock(Mutex::new(start())));
    let store = Arc::new(MemoryStore::default());
    if let Some(credentials) = stored {
        store.put(credentials);
    }
    let oauth = Arc::new(ScriptedOAuth {
        answers: Mutex::new(answers.into_iter().collect()),
        presented: Mutex::default(),
        gate: Semaphore::new(1_000),
        rival: Mutex::default(),
        store: store.clone(),
    });
    let sign_in = SignInCalls::OAuth(oauth.clone());
    let tokens = Arc::new(TokenSource::new(sign_in, store.clone(), clock.clone()));
    World { account: AccountId::generate(), clock, store, oauth, tokens }
}

impl World {
    async fn token(&self) -> Result<String, TokenError> {
        self.tokens.access_token(self.account).await.map(|token| bearer(&token.access))
    }

    /// Makes a call that gets these answers, and returns the tokens that it was made with.
    async fn call(&self, answers: &[Result<u32, ProviderErrorKind>]) -> (Result<u32, TokenError>, Vec<String>) {
        let used = Mutex::default();
        let outcome = self.tokens.with_token(self.account, scripted(answers, &used)).await;
        (outcome, used.into_inner().unwrap())
    }

    /// The same with credentials that are no account's.
    async fn call_with(
        &self,
        credentials: &mut Credentials,
        answers: &[Result<u32, ProviderErrorKind>],
    ) -> (Result<u32, ProviderErrorKind>, Vec<String>) {
        let used = Mutex::default();
        let outcome = self.tokens.with_credentials(credentials, scripted(answers, &used)).await;
        (outcome.map_err(|error| error.kind), used.into_inner().unwrap())
    }

    fn presented(&self) -> Vec<String> {
        self.oauth.presented.lock().unwrap().clone()
    }

    fn stored(&self) -> OAuthTokens {
        let Credentials::OAuth(tokens) = self.store.row.lock().unwrap().clone().unwrap().credentials;
        tokens
    }
}

/// A call that gets these answers, and notes which tokens it was made with.
fn scripted(
    answers: &[Result<u32, ProviderErrorKind>],
    used: &Mutex<Vec<String>>,
) -> impl Fn(CallContext) -> Ready<Result<u32, ProviderError>> {
    move |context| {
        let mut used = used.lock().unwrap();
        let answer = answers[used.len()];
        used.push(bearer(&context.access));
        ready(answer.map_err(|kind| ProviderError::without_answer(kind, "test.call")))
    }
}

fn bearer(access: &Access) -> String {
    let Access::Bearer(token) = access;
    token.expose().to_owned()
}

fn start() -> DateTime<Utc> {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn stored_token(access_token: &str, lives_for: TimeDelta) -> Credentials {
    Credentials::OAuth(OAuthTokens {
        access_token: Secret::new(access_token),
        access_token_expires_at: start() + lives_for,
        refresh_token: Secret::new("refresh-1"),
        scope: "read".into(),
    })
}

fn grant(access_token: &str) -> TokenGrant {
    TokenGrant {
        access_token: Secret::new(access_token),
        expires_in: Duration::from_hours(1),
        refresh_token: None,
        scope: None,
    }
}

fn refused(kind: ProviderErrorKind) -> ProviderError {
    ProviderError::without_answer(kind, "oauth.token")
}

fn kind(error: &TokenError) -> ProviderErrorKind {
    match error {
        TokenError::Provider(error) => error.kind,
        other => panic!("{other:?}"),
    }
}

const HOUR: TimeDelta = TimeDelta::hours(1);
const UNAUTHORIZED: Result<u32, ProviderErrorKind> = Err(ProviderErrorKind::TokenRefreshNeeded);

#[tokio::test]
async fn a_stored_token_is_used_until_shortly_before_its_end() {
    let world = world(Some(stored_token("a1", HOUR)), [Ok(grant("a2"))]);
    assert_eq!(world.token().await.unwrap(), "a1");
    world.clock.advance(HOUR - EXPIRY_MARGIN - TimeDelta::seconds(1));
    assert_eq!(world.token().await.unwrap(), "a1");
    assert!(world.presented().is_empty());

    world.clock.advance(TimeDelta::seconds(1));
    assert_eq!(world.token().await.unwrap(), "a2");
    assert_eq!(world.token().await.unwrap(), "a2");
    assert_eq!(world.presented(), ["refresh-1"]);
}

#[tokio::test]
async fn a_refresh_keeps_the_old_refresh_token_and_scope_where_no_new_one_comes() {
    let world = world(Some(stored_token("a1", TimeDelta::zero())), [Ok(grant("a2"))]);
    world.token().await.unwrap();
    let OAuthTokens { access_token, access_token_expires_at, refresh_token, scope } = world.stored();
    assert_eq!((access_token.expose(), access_token_expires_at), ("a2", start() + HOUR));
    assert_eq!((refresh_token.expose(), scope.as_str()), ("refresh-1", "read"));
}

#[tokio::test]
async fn a_new_refresh_token_replaces_the_old_one() {
    let rotated = TokenGrant { refresh_token: Some(Secret::new("refresh-2")), ..grant("a2") };
    let world = world(Some(stored_token("a1", TimeDelta::zero())), [Ok(rotated), Ok(grant("a3"))]);
    world.token().await.unwrap();
    world.clock.advance(HOUR);
    world.token().await.unwrap();
    assert_eq!(world.presented(), ["refresh-1", "refresh-2"]);
}

/// Starts 50 callers, lets all of them reach the token, and only then lets the token endpoint answer.
async fn fifty_callers(world: &World) -> Vec<Result<String, TokenError>> {
    let closed = world.oauth.gate.forget_permits(1_000);
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let (tokens, account) = (world.tokens.clone(), world.account);
            tokio::spawn(async move { tokens.access_token(account).await })
        })
        .collect();
    // One turn of this single-threaded runtime takes each caller to where it has to wait.
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.presented().len(), 1, "exactly one caller asks");
    world.oauth.gate.add_permits(closed);
    let mut outcomes = Vec::new();
    for caller in callers {
        outcomes.push(caller.await.unwrap().map(|token| bearer(&token.access)));
    }
    outcomes
}

#[tokio::test]
async fn fifty_callers_at_once_cause_one_refresh() {
    let world = world(Some(stored_token("a1", TimeDelta::zero())), [Ok(grant("a2"))]);
    for outcome in fifty_callers(&world).await {
        assert_eq!(outcome.unwrap(), "a2");
    }
    assert_eq!(world.presented(), ["refresh-1"]);
}

#[tokio::test]
async fn fifty_callers_at_once_share_one_short_lived_token() {
    let short = TokenGrant { expires_in: Duration::from_secs(5), ..grant("a2") };
    let world = world(Some(stored_token("a1", TimeDelta::zero())), [Ok(short)]);
    for outcome in fifty_callers(&world).await {
        assert_eq!(outcome.unwrap(), "a2");
    }
}

#[tokio::test]
async fn fifty_callers_at_once_share_one_failure_and_the_next_caller_tries_again() {
    let failure = refused(ProviderErrorKind::TimedOut);
    let world = world(Some(stored_token("a1", TimeDelta::zero())), [Err(failure), Ok(grant("a2"))]);
    for outcome in fifty_callers(&world).await {
        assert_eq!(kind(&outcome.unwrap_err()), ProviderErrorKind::TimedOut);
    }
    assert_eq!(world.presented().len(), 1);
    assert_eq!(world.token().await.unwrap(), "a2");
}

/// On 401 the token is dropped, refreshed once, and the call is made once more.
#[tokio::test]
async fn http_401_never_replays_the_same_token() {
    let world = world(Some(stored_token("a1", HOUR)), [Ok(grant("a2"))]);
    let (outcome, used) = world.call(&[UNAUTHORIZED, Ok(7)]).await;
    assert_eq!((outcome.unwrap(), used), (7, vec!["a1".to_owned(), "a2".to_owned()]));
    let (outcome, used) = world.call(&[Ok(8)]).await;
    assert_eq!((outcome.unwrap(), used), (8, vec!["a2".to_owned()]));
    assert_eq!(world.presented(), ["refresh-1"]);
}

#[tokio::test]
async fn a_second_401_is_a_dead_grant() {
    let world = world(Some(stored_token("a1", HOUR)), [Ok(grant("a2")), Ok(grant("a3"))]);
    let (outcome, used) = world.call(&[UNAUTHORIZED, UNAUTHORIZED]).await;
    assert_eq!(kind(&outcome.unwrap_err()), ProviderErrorKind::GrantRevoked);
    assert_eq!(used, ["a1", "a2"]);
    let (_, used) = world.call(&[Ok(1)]).await;
    assert_eq!(used, ["a3"], "the second token is not used again either");
}

/// Two workers: this one has a token from before, the other has refreshed since, and then that one was spent too.
#[tokio::test]
async fn a_spent_token_that_another_process_left_in_the_store_is_no_dead_grant() {
    let world = world(Some(stored_token("a1", HOUR)), [Ok(grant("a3"))]);
    assert_eq!(world.token().await.unwrap(), "a1");
    world.store.put(stored_token("a2", HOUR));
    let (outcome, used) = world.call(&[UNAUTHORIZED, UNAUTHORIZED, Ok(7)]).await;
    assert_eq!((outcome.unwrap(), used), (7, vec!["a1".to_owned(), "a2".to_owned(), "a3".to_owned()]));
    assert_eq!(world.presented().len(), 1, "one refresh");
}

#[tokio::test]
async fn a_refresh_that_brings_the_refused_token_again_is_a_dead_grant() {
    let world = world(Some(stored_token("a1", HOUR)), [Ok(grant("a1"))]);
    let (outcome, used) = world.call(&[UNAUTHORIZED]).await;
    assert_eq!(kind(&outcome.unwrap_err()), ProviderErrorKind::GrantRevoked);
    assert_eq!(used, ["a1"]);
}

#[tokio::test]
async fn other_errors_cost_no_refresh() {
    let world = world(Some(stored_token("a1", HOUR)), []);
    for expected in [ProviderErrorKind::Forbidden, ProviderErrorKind::TimedOut, ProviderErrorKind::RateLimited] {
        let (outcome, used) = world.call(&[Err(expected)]).await;
        assert_eq!((kind(&outcome.unwrap_err()), used.len()), (expected, 1));
    }
}

#[tokio::test]
async fn a_token_that_another_process_refreshed_is_taken_after_a_401() {
    let world = world(Some(stored_token("a1", HOUR)), []);
    world.token().await.unwrap();
    world.store.put(stored_token("a2", HOUR));
    let (outcome, used) = world.call(&[UNAUTHORIZED, Ok(7)]).await;
    assert_eq!((outcome.unwrap(), used), (7, vec!["a1".to_owned(), "a2".to_owned()]));
}

#[tokio::test]
async fn a_late_refusal_of_an_old_token_does_not_drop_its_successor() {
    let world = world(Some(stored_token("a1", HOUR)), [Ok(grant("a2"))]);
    world.call(&[UNAUTHORIZED, Ok(7)]).await.0.unwrap();
    world.tokens.invalidate(world.account, &Access::Bearer(Secret::new("a1"))).await;
    // Only what is in memory can be given out now.
    *world.store.broken.lock().unwrap() = true;
    assert_eq!(world.token().await.unwrap(), "a2");
}

#[tokio::test]
async fn a_late_refusal_of_an_old_token_does_not_bring_a_refused_one_back() {
    let world = world(Some(stored_token("a1", HOUR)), [Ok(grant("a2")), Ok(grant("a3"))]);
    world.call(&[UNAUTHORIZED, UNAUTHORIZED]).await.0.unwrap_err();
    world.tokens.invalidate(world.account, &Access::Bearer(Secret::new("a1"))).await;
    assert_eq!(world.token().await.unwrap(), "a3");
}

#[tokio::test]
async fn the_loser_of_a_swap_uses_the_winners_token() {
    let world = world(Some(stored_token("a1", TimeDelta::zero())), [Ok(grant("ours"))]);
    *world.oauth.rival.lock().unwrap() = Some(stored_token("theirs", HOUR));
    assert_eq!(world.token().await.unwrap(), "theirs");
    assert_eq!(world.stored().access_token.expose(), "theirs");
}

#[tokio::test]
async fn a_new_consent_during_a_refused_refresh_is_taken() {
    let dead = Err(refused(ProviderErrorKind::GrantRevoked));
    let world = world(Some(stored_token("a1", TimeDelta::zero())), [dead]);
    *world.oauth.rival.lock().unwrap() = Some(stored_token("a2", HOUR));
    assert_eq!(world.token().await.unwrap(), "a2");
    assert_eq!(world.presented(), ["refresh-1"]);
}

#[tokio::test]
async fn a_dead_grant_is_an_error_and_changes_nothing_in_the_store() {
    let dead = Err(refused(ProviderErrorKind::GrantRevoked));
    let world = world(Some(stored_token("a1", TimeDelta::zero())), [dead]);
    assert_eq!(kind(&world.token().await.unwrap_err()), ProviderErrorKind::GrantRevoked);
    assert_eq!(world.store.row.lock().unwrap().as_ref().unwrap().version, 1);
}

/// Redeems a code for which the token endpoint answers this.
async fn redeem(world: &World) -> Result<RedeemedTokens, ProviderError> {
    let (code, verifier) = (Secret::new("the-code"), Secret::new("verifier"));
    world.tokens.redeem(&code, &verifier, "https://evercal.example/callback").await
}

#[tokio::test]
async fn what_a_code_is_worth_leaves_the_tokens_of_the_account_as_they_are() {
    let first = TokenGrant { refresh_token: Some(Secret::new("refresh-2")), scope: Some("read".into()), ..grant("a2") };
    let world = world(Some(stored_token("a1", HOUR)), [Ok(first)]);
    let redeemed = redeem(&world).await.unwrap();
    let RedeemedTokens::Granted(Credentials::OAuth(tokens)) = redeemed else { panic!("granted") };
    assert_eq!((tokens.access_token.expose(), tokens.refresh_token.expose()), ("a2", "refresh-2"));
    assert_eq!(world.token().await.unwrap(), "a1");
    assert_eq!(world.presented(), ["the-code"]);
}

#[tokio::test]
async fn once_an_account_is_forgotten_its_new_tokens_are_read_though_an_old_one_still_works() {
    let world = world(Some(stored_token("a1", HOUR)), []);
    world.token().await.unwrap();
    world.store.put(stored_token("a2", HOUR));
    world.tokens.forget(world.account).await;
    assert_eq!(world.token().await.unwrap(), "a2");
}

#[tokio::test]
async fn credentials_that_are_no_accounts_yet_are_renewed_where_they_are_about_to_end_or_refused() {
    let cases = [
        (HOUR, vec![Ok(7)], vec!["a1"], "refresh-1"),
        (TimeDelta::zero(), vec![Ok(7)], vec!["a2"], "refresh-2"),
        (HOUR, vec![UNAUTHORIZED, Ok(7)], vec!["a1", "a2"], "refresh-2"),
        (HOUR, vec![UNAUTHORIZED, UNAUTHORIZED], vec!["a1", "a2"], "refresh-2"),
        (HOUR, vec![Err(ProviderErrorKind::TimedOut)], vec!["a1"], "refresh-1"),
        (TimeDelta::zero(), vec![Err(ProviderErrorKind::TimedOut)], vec!["a2"], "refresh-2"),
    ];
    for (lives_for, answers, expected_used, expected_left) in cases {
        let rotated = TokenGrant { refresh_token: Some(Secret::new("refresh-2")), ..grant("a2") };
        let world = world(None, [Ok(rotated)]);
        let mut credentials = stored_token("a1", lives_for);
        let (outcome, used) = world.call_with(&mut credentials, &answers).await;
        let Credentials::OAuth(left) = credentials;
        assert_eq!(outcome, *answers.last().unwrap(), "{answers:?}");
        assert_eq!(used, expected_used, "{answers:?}");
        assert_eq!(left.refresh_token.expose(), expected_left, "{answers:?}");
    }
}

#[tokio::test]
async fn a_grant_is_given_back_by_its_long_lived_token() {
    let world = world(None, []);
    world.tokens.revoke(&stored_token("a1", HOUR)).await.unwrap();
    assert_eq!(world.presented(), ["refresh-1"]);
}

#[tokio::test]
async fn a_consent_without_a_refresh_token_has_to_be_given_again() {
    let error = redeem(&world(None, [Ok(grant("a1"))])).await.unwrap_err();
    assert_eq!((error.kind, error.reason.as_deref()), (ProviderErrorKind::GrantRevoked, Some("noRefreshToken")));
}

#[tokio::test]
async fn an_account_without_credentials_is_not_connected() {
    let world = world(None, []);
    assert!(matches!(world.token().await, Err(TokenError::NotConnected)));
}

#[tokio::test]
async fn a_failing_store_is_its_own_kind_of_error() {
    let world = world(Some(stored_token("a1", HOUR)), []);
    *world.store.broken.lock().unwrap() = true;
    let error = world.token().await.unwrap_err();
    assert!(matches!(&error, TokenError::Store(_)) && error.to_string().contains("disk full"), "{error}");
}

#[tokio::test]
async fn the_cache_is_bounded_and_keeps_what_is_in_use() {
    let world = world(None, []);
    let in_use = world.tokens.slot(world.account);
    for _ in 0..CACHED_ACCOUNTS_MAX {
        world.tokens.slot(AccountId::generate());
    }
    assert!(world.tokens.slots.lock().unwrap().len() <= CACHED_ACCOUNTS_MAX);
    assert!(Arc::ptr_eq(&in_use, &world.tokens.slot(world.account)));
}
