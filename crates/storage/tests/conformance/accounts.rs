//! Accounts, credentials and consents under way.

use evercal_domain::account::{Credentials, Provider, Secret};
use evercal_domain::{AccountId, AccountState, TenantId};
use evercal_storage::{
    AccountAdmission, AuthorizationAttempt, CredentialsVersion, Keyring, PageRequest, StoreErrorKind,
};

use super::Database;
use super::fixtures::{
    Seeded, account_of, add_account, add_tenant, all_pages, at, first, refresh_token, seeded, tokens,
};

pub async fn an_account_reads_back_and_is_shown_to_its_tenant_only(database: &Database) {
    let Seeded { store, tenant, .. } = seeded(database).await;
    let account = account_of(tenant);
    assert_eq!(store.insert_account(&account, &tokens("t")).await.unwrap(), AccountAdmission::Inserted);
    let stranger = add_tenant(&*store).await;
    assert_eq!(store.account(account.id).await.unwrap(), Some(account.clone()));
    assert_eq!(store.account_of_tenant(tenant, account.id).await.unwrap(), Some(account.clone()));
    assert_eq!(store.account_of_tenant(stranger, account.id).await.unwrap(), None);
    assert!(store.accounts_of_tenant(stranger, &first(10)).await.unwrap().items.is_empty());
    let unknown = store.insert_account(&account_of(TenantId::generate()), &tokens("t")).await.unwrap_err();
    assert_eq!(unknown.kind, StoreErrorKind::NotFound);
}

pub async fn accounts_page_without_doubles_and_leave_out_disconnected_ones(database: &Database) {
    let store = database.open().await;
    let tenant = add_tenant(&*store).await;
    let mut expected = Vec::new();
    for _ in 0..5 {
        expected.push(add_account(&*store, tenant).await);
    }
    let gone = add_account(&*store, tenant).await;
    store.set_account_state(gone, AccountState::Disconnected, None, at(1)).await.unwrap();

    let read = async |page: PageRequest| store.accounts_of_tenant(tenant, &page).await.unwrap();
    let seen: Vec<AccountId> = all_pages(2, read).await.iter().map(|account| account.id).collect();
    assert_eq!(seen, expected);
}

pub async fn a_cursor_that_no_list_gave_is_refused(database: &Database) {
    let Seeded { store, tenant, .. } = seeded(database).await;
    for cursor in ["nonsense", "", "acc_1", "' OR 1=1 --"] {
        let page = PageRequest { after: Some(cursor.into()), limit: 2 };
        let error = store.accounts_of_tenant(tenant, &page).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::InvalidCursor, "{cursor:?}");
    }
}

pub async fn an_account_state_moves_and_keeps_the_moment_of_its_last_change(database: &Database) {
    let Seeded { store, account, .. } = seeded(database).await;
    store.set_account_state(account, AccountState::NeedsReauth, Some("The grant is dead."), at(5)).await.unwrap();
    store.set_account_state(account, AccountState::NeedsReauth, Some("Still dead."), at(9)).await.unwrap();
    let read = store.account(account).await.unwrap().unwrap();
    assert_eq!((read.state, read.state_changed_at), (AccountState::NeedsReauth, at(5)));
    assert_eq!(read.detail.as_deref(), Some("Still dead."));
    let unknown = store.set_account_state(AccountId::generate(), AccountState::Connected, None, at(5)).await;
    assert_eq!(unknown.unwrap_err().kind, StoreErrorKind::NotFound);
}

pub async fn swapping_credentials_needs_the_version_that_was_read(database: &Database) {
    let Seeded { store, account, .. } = seeded(database).await;
    let (first, version) = store.credentials(account).await.unwrap().unwrap();
    assert_eq!(refresh_token(&first), "first");
    let newer = store.swap_credentials(account, version, &tokens("second")).await.unwrap();
    assert_ne!(newer, version);
    let late = store.swap_credentials(account, version, &tokens("late")).await.unwrap_err();
    assert!(late.is_conflict());
    let (read, read_version) = store.credentials(account).await.unwrap().unwrap();
    assert_eq!((refresh_token(&read).as_str(), read_version), ("second", newer));
    let unknown = store.swap_credentials(AccountId::generate(), version, &tokens("x")).await.unwrap_err();
    assert_eq!(unknown.kind, StoreErrorKind::NotFound);
    assert!(store.credentials(AccountId::generate()).await.unwrap().is_none());
}

pub async fn erased_credentials_cannot_be_swapped_back_but_replaced(database: &Database) {
    let Seeded { store, account, .. } = seeded(database).await;
    let (_, version) = store.credentials(account).await.unwrap().unwrap();
    store.erase_credentials(account).await.unwrap();
    store.erase_credentials(account).await.unwrap();
    assert!(store.credentials(account).await.unwrap().is_none());
    for version in (version.0..version.0 + 4).map(CredentialsVersion) {
        assert!(store.swap_credentials(account, version, &tokens("back")).await.unwrap_err().is_conflict());
    }
    store.replace_credentials(account, &tokens("new consent")).await.unwrap();
    let (read, newer) = store.credentials(account).await.unwrap().unwrap();
    assert_eq!(refresh_token(&read), "new consent");
    assert!(newer.0 > version.0);
    let unknown = store.replace_credentials(AccountId::generate(), &tokens("x")).await.unwrap_err();
    assert_eq!(unknown.kind, StoreErrorKind::NotFound);
}

fn code(text: &str) -> Credentials {
    Credentials::AuthorizationCode {
        code: Secret::new(text),
        code_verifier: Secret::new("verifier"),
        redirect_uri: "https://evercal.example/callback".into(),
        before: None,
    }
}

pub async fn a_code_keeps_the_tokens_that_it_replaces(database: &Database) {
    let Seeded { store, account, .. } = seeded(database).await;
    // A second consent may come before the first one's code is redeemed.
    for text in ["first code", "second code"] {
        store.replace_credentials(account, &code(text)).await.unwrap();
        let (read, _) = store.credentials(account).await.unwrap().unwrap();
        assert!(matches!(&read, Credentials::AuthorizationCode { code, .. } if code.expose() == text), "{read:?}");
        assert_eq!(refresh_token(read.tokens().unwrap()), "first");
    }
    store.erase_credentials(account).await.unwrap();
    store.replace_credentials(account, &code("third code")).await.unwrap();
    let (read, version) = store.credentials(account).await.unwrap().unwrap();
    assert!(read.tokens().is_none(), "{read:?}");

    store.replace_credentials(account, &code("fourth code")).await.unwrap();
    assert!(store.erase_credentials_if(account, version).await.unwrap_err().is_conflict(), "another code came");
    let (_, version) = store.credentials(account).await.unwrap().unwrap();
    store.erase_credentials_if(account, version).await.unwrap();
    assert!(store.credentials(account).await.unwrap().is_none());
}

pub async fn what_is_disconnected_stays_so_and_gets_no_new_credentials(database: &Database) {
    let Seeded { store, tenant, account, .. } = seeded(database).await;
    let open = add_account(&*store, tenant).await;
    for state in [AccountState::Disconnecting, AccountState::Disconnected] {
        store.set_account_state(account, state, None, at(5)).await.unwrap();
        let refused = store.replace_credentials(account, &code("late")).await.unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::NotFound);
        assert_eq!(refresh_token(&store.credentials(account).await.unwrap().unwrap().0), "first");
    }
    for late in [AccountState::Disconnecting, AccountState::Connected] {
        store.set_account_state(account, late, Some("late"), at(6)).await.unwrap();
        let read = store.account(account).await.unwrap().unwrap();
        assert_eq!((read.state, read.state_changed_at), (AccountState::Disconnected, at(5)));
    }
    store.replace_credentials(open, &code("in time")).await.unwrap();
    store.revoke_tenant(tenant, at(7)).await.unwrap();
    let refused = store.replace_credentials(open, &code("late")).await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::NotFound);
}

pub async fn credentials_do_not_open_with_another_key(database: &Database) {
    let Seeded { store, account, .. } = seeded(database).await;
    let other = Keyring::generate("k2").unwrap();
    let stranger = database.open_with_key(other.expose()).await;
    assert_eq!(stranger.credentials(account).await.unwrap_err().kind, StoreErrorKind::Sealed);
    let rotated = database.open_with_key(&format!("{},{}", other.expose(), database.key)).await;
    assert!(rotated.credentials(account).await.unwrap().is_some());
    assert!(store.credentials(account).await.unwrap().is_some());
}

pub async fn a_shared_grant_is_seen_until_the_other_account_is_disconnected(database: &Database) {
    let Seeded { store, account, .. } = seeded(database).await;
    let other_tenant = add_tenant(&*store).await;
    let other = add_account(&*store, other_tenant).await;
    assert!(!store.shares_grant(account).await.unwrap());
    assert_eq!(store.grant_subject(account).await.unwrap(), None);
    store.set_grant_subject(account, "subject-hash").await.unwrap();
    assert_eq!(store.grant_subject(account).await.unwrap().as_deref(), Some("subject-hash"));
    assert!(!store.shares_grant(account).await.unwrap());
    store.set_grant_subject(other, "subject-hash").await.unwrap();
    assert!(store.shares_grant(account).await.unwrap());
    store.set_account_state(other, AccountState::Disconnected, None, at(1)).await.unwrap();
    assert!(!store.shares_grant(account).await.unwrap());
}

pub fn attempt(tenant_id: TenantId, state: u8) -> AuthorizationAttempt {
    AuthorizationAttempt {
        state_hash: [state; 32],
        tenant_id,
        provider: Provider::Google,
        account_id: AccountId::generate(),
        label: "Ada".into(),
        code_verifier: Secret::new("verifier"),
        redirect_uri: "https://evercal.example/callback".into(),
        created_at: at(0),
        expires_at: at(10),
    }
}

pub async fn a_consent_can_be_taken_once_and_in_time(database: &Database) {
    let store = database.open().await;
    let tenant = add_tenant(&*store).await;
    let (timely, late) = (attempt(tenant, 1), attempt(tenant, 2));
    store.insert_attempt(&timely).await.unwrap();
    store.insert_attempt(&late).await.unwrap();
    assert_eq!(store.take_attempt(&[9; 32], at(5)).await.unwrap(), None);
    assert_eq!(store.take_attempt(&timely.state_hash, at(5)).await.unwrap(), Some(timely.clone()));
    assert_eq!(store.take_attempt(&timely.state_hash, at(5)).await.unwrap(), None);
    assert_eq!(store.take_attempt(&late.state_hash, late.expires_at).await.unwrap(), None);
    assert_eq!(store.take_attempt(&late.state_hash, at(5)).await.unwrap(), None);
}

pub async fn asking_for_a_consent_removes_those_that_ran_out(database: &Database) {
    let store = database.open().await;
    let tenant = add_tenant(&*store).await;
    let old = attempt(tenant, 1);
    store.insert_attempt(&old).await.unwrap();
    let newer = AuthorizationAttempt { created_at: at(10), expires_at: at(20), ..attempt(tenant, 2) };
    store.insert_attempt(&newer).await.unwrap();
    // Taken at a moment at which it was still good: it is gone because it was removed, not because it is late.
    assert_eq!(store.take_attempt(&old.state_hash, at(5)).await.unwrap(), None);
    assert_eq!(store.take_attempt(&newer.state_hash, at(15)).await.unwrap(), Some(newer));
}
