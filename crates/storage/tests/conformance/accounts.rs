//! Accounts, credentials and consents that were asked for.

use evercal_domain::account::Secret;
use evercal_domain::{
    Account, AccountId, AccountState, ConsentOutcome, PendingConsent, PendingGrant, Provider, TenantId,
};
use evercal_storage::{
    AccountAdmission, AuthorizationAttempt, CredentialsVersion, Keyring, PageRequest, Settlement, StoreErrorKind,
    TakenAttempt,
};

use super::Database;
use super::fixtures::{
    Seeded, account_of, add_account, add_tenant, all_pages, at, consent, first, grant, refresh_token, seeded, settle,
    tokens,
};

pub async fn an_account_reads_back_and_is_shown_to_its_tenant_only(database: &Database) {
    let Seeded { store, tenant, .. } = seeded(database).await;
    let account = account_of(tenant);
    assert_eq!(store.insert_account(&account, &consent(1)).await.unwrap(), AccountAdmission::Inserted);
    let stranger = add_tenant(&*store).await;
    assert_eq!(store.account(account.id).await.unwrap(), Some(account.clone()));
    assert_eq!(store.account_of_tenant(tenant, account.id).await.unwrap(), Some(account.clone()));
    assert_eq!(store.account_of_tenant(stranger, account.id).await.unwrap(), None);
    assert!(store.accounts_of_tenant(stranger, &first(10)).await.unwrap().items.is_empty());
    let unknown = store.insert_account(&account_of(TenantId::generate()), &consent(1)).await.unwrap_err();
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
    store.replace_consent(account, &consent(2)).await.unwrap();
    grant(&*store, account, tokens("new consent"), &format!("subject of {account}")).await;
    let (read, newer) = store.credentials(account).await.unwrap().unwrap();
    assert_eq!(refresh_token(&read), "new consent");
    assert!(newer.0 > version.0);
}

pub async fn a_consent_waits_beside_the_tokens_until_it_is_settled(database: &Database) {
    let Seeded { store, account, .. } = seeded(database).await;
    assert_eq!(store.consent(account).await.unwrap(), None);
    store.replace_consent(account, &consent(2)).await.unwrap();
    assert!(store.account(account).await.unwrap().unwrap().consent_waits);
    assert_eq!(refresh_token(&store.credentials(account).await.unwrap().unwrap().0), "first", "they still count");
    let (read, version) = store.consent(account).await.unwrap().unwrap();
    assert_eq!(read, consent(2));

    let redeemed = PendingConsent { grant: PendingGrant::Redeemed { credentials: tokens("new") }, ..consent(2) };
    let newer = store.swap_consent(account, version, &redeemed).await.unwrap();
    assert!(store.swap_consent(account, version, &consent(2)).await.unwrap_err().is_conflict());
    assert_eq!(store.consent(account).await.unwrap(), Some((redeemed, newer)));
    let refused = Settlement::Rejected(ConsentOutcome::Refused);
    assert!(store.settle_consent(account, version, &refused).await.unwrap_err().is_conflict());
    assert_eq!(store.settle_consent(account, newer, &refused).await.unwrap(), ConsentOutcome::Refused);
    assert_eq!(store.consent(account).await.unwrap(), None);
    assert!(!store.account(account).await.unwrap().unwrap().consent_waits);
    assert_eq!(refresh_token(&store.credentials(account).await.unwrap().unwrap().0), "first", "what worked is left");
    assert!(store.settle_consent(account, newer, &refused).await.unwrap_err().is_conflict(), "it ends once");
    let unknown = store.replace_consent(AccountId::generate(), &consent(2)).await.unwrap_err();
    assert_eq!(unknown.kind, StoreErrorKind::NotFound);
}

pub async fn a_consent_of_another_user_replaces_nothing(database: &Database) {
    let Seeded { store, account, .. } = seeded(database).await;
    store.replace_consent(account, &consent(2)).await.unwrap();
    assert_eq!(settle(&*store, account, tokens("theirs"), "somebody else").await, ConsentOutcome::AnotherUser);
    assert_eq!(refresh_token(&store.credentials(account).await.unwrap().unwrap().0), "first");
    assert_eq!(store.consent(account).await.unwrap(), None);
    store.replace_consent(account, &consent(3)).await.unwrap();
    let own = format!("subject of {account}");
    assert_eq!(settle(&*store, account, tokens("mine"), &own).await, ConsentOutcome::Granted);
    assert_eq!(refresh_token(&store.credentials(account).await.unwrap().unwrap().0), "mine");
}

pub async fn a_user_is_connected_twice_in_a_tenant_only_where_that_was_asked_for(database: &Database) {
    let Seeded { store, tenant, account, .. } = seeded(database).await;
    let subject = format!("subject of {account}");
    let duplicate = ConsentOutcome::Duplicate { account_id: account };
    let second = account_of(tenant);
    assert_eq!(store.insert_account(&second, &consent(2)).await.unwrap(), AccountAdmission::Inserted);
    assert_eq!(settle(&*store, second.id, tokens("second"), &subject).await, duplicate);
    assert!(store.credentials(second.id).await.unwrap().is_none(), "nothing can be read twice");
    assert!(!store.shares_grant(account).await.unwrap(), "nor does it keep the first one's grant alive");

    let asked_for = PendingConsent { allow_duplicate: true, ..consent(3) };
    store.replace_consent(second.id, &asked_for).await.unwrap();
    assert_eq!(settle(&*store, second.id, tokens("second"), &subject).await, ConsentOutcome::Granted);
    assert!(store.shares_grant(account).await.unwrap());

    let elsewhere = account_of(add_tenant(&*store).await);
    assert_eq!(store.insert_account(&elsewhere, &consent(4)).await.unwrap(), AccountAdmission::Inserted);
    let outcome = settle(&*store, elsewhere.id, tokens("elsewhere"), &subject).await;
    assert_eq!(outcome, ConsentOutcome::Granted, "tenants know nothing of each other");
}

pub async fn of_two_accounts_of_one_user_that_are_settled_at_once_one_is_the_duplicate(database: &Database) {
    let (store, other) = (database.open().await, database.open().await);
    let tenant = add_tenant(&*store).await;
    let accounts = [account_of(tenant), account_of(tenant)];
    for (account, number) in accounts.iter().zip(1..) {
        assert_eq!(store.insert_account(account, &consent(number)).await.unwrap(), AccountAdmission::Inserted);
    }
    let outcomes = futures::join!(
        settle(&*store, accounts[0].id, tokens("one"), "ada"),
        settle(&*other, accounts[1].id, tokens("two"), "ada"),
    );
    let granted = [&outcomes.0, &outcomes.1].iter().filter(|outcome| ***outcome == ConsentOutcome::Granted).count();
    assert_eq!(granted, 1, "{outcomes:?}");
}

pub async fn what_waits_for_a_workflow_is_listed_without_opening_anything(database: &Database) {
    let Seeded { store, tenant, account, .. } = seeded(database).await;
    // Who has another key can open nothing.
    let other = Keyring::generate("other").unwrap();
    let stranger = database.open_with_key(other.expose()).await;
    assert!(stranger.credentials(account).await.is_err());
    let pending = async |after| -> Vec<AccountId> {
        let accounts = stranger.pending_accounts(after, 10).await.unwrap();
        accounts.iter().map(|account| account.id).collect()
    };
    assert_eq!(pending(None).await, []);
    let connecting = Account { state: AccountState::Connecting, ..account_of(tenant) };
    assert_eq!(store.insert_account(&connecting, &consent(2)).await.unwrap(), AccountAdmission::Inserted);
    store.replace_consent(account, &consent(3)).await.unwrap();
    assert_eq!(pending(None).await, [account, connecting.id]);
    assert_eq!(pending(Some(account)).await, [connecting.id]);
    let (_, version) = store.consent(account).await.unwrap().unwrap();
    store.settle_consent(account, version, &Settlement::Rejected(ConsentOutcome::Refused)).await.unwrap();
    store.set_account_state(connecting.id, AccountState::Disconnected, None, at(1)).await.unwrap();
    store.erase_credentials(connecting.id).await.unwrap();
    assert_eq!(pending(None).await, []);
    store.set_account_state(account, AccountState::Disconnecting, None, at(1)).await.unwrap();
    assert_eq!(pending(None).await, [account]);
    let open: Vec<AccountId> =
        stranger.open_accounts_after(None, 10).await.unwrap().iter().map(|account| account.id).collect();
    assert_eq!(open, [account]);
    assert!(store.has_open_accounts(connecting.provider).await.unwrap());
    assert!(!store.has_open_accounts(Provider::new("nobodys")).await.unwrap());
    store.set_account_state(account, AccountState::Disconnected, None, at(2)).await.unwrap();
    assert!(!store.has_open_accounts(connecting.provider).await.unwrap());
}

pub async fn when_an_account_was_listed_and_watched_is_remembered(database: &Database) {
    let Seeded { store, account, .. } = seeded(database).await;
    store.set_listed(account, at(5)).await.unwrap();
    store.set_listed(account, at(4)).await.unwrap();
    store.set_account_channel(account, Some(at(9))).await.unwrap();
    let read = store.account(account).await.unwrap().unwrap();
    assert_eq!((read.listed_at, read.channel_expires_at), (Some(at(5)), Some(at(9))));
    store.set_account_channel(account, None).await.unwrap();
    assert_eq!(store.account(account).await.unwrap().unwrap().channel_expires_at, None);
}

pub async fn what_is_disconnected_stays_so_and_gets_no_new_credentials(database: &Database) {
    let Seeded { store, tenant, account, .. } = seeded(database).await;
    let open = add_account(&*store, tenant).await;
    store.replace_consent(account, &consent(2)).await.unwrap();
    for state in [AccountState::Disconnecting, AccountState::Disconnected] {
        store.set_account_state(account, state, None, at(5)).await.unwrap();
        let refused = store.replace_consent(account, &consent(3)).await.unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::NotFound);
        assert_eq!(refresh_token(&store.credentials(account).await.unwrap().unwrap().0), "first");
    }
    let under_way = settle(&*store, account, tokens("late"), &format!("subject of {account}")).await;
    assert_eq!(under_way, ConsentOutcome::AccountGone);
    assert_eq!(refresh_token(&store.credentials(account).await.unwrap().unwrap().0), "first");
    for late in [AccountState::Disconnecting, AccountState::Connected] {
        store.set_account_state(account, late, Some("late"), at(6)).await.unwrap();
        let read = store.account(account).await.unwrap().unwrap();
        assert_eq!((read.state, read.state_changed_at), (AccountState::Disconnected, at(5)));
    }
    store.replace_consent(open, &consent(4)).await.unwrap();
    store.erase_credentials(open).await.unwrap();
    assert_eq!(store.consent(open).await.unwrap(), None, "erased with the credentials");
    store.revoke_tenant(tenant, at(7)).await.unwrap();
    let refused = store.replace_consent(open, &consent(5)).await.unwrap_err();
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
    assert_eq!(store.grant_subject(account).await.unwrap().unwrap(), format!("subject of {account}"));
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
        provider: Provider::new("google"),
        account_id: AccountId::generate(),
        label: "Ada".into(),
        code_verifier: Secret::new("verifier"),
        redirect_uri: "https://evercal.example/callback".into(),
        created_at: at(0),
        expires_at: at(10),
        allow_duplicate: false,
    }
}

pub async fn a_consent_can_be_taken_once_and_in_time(database: &Database) {
    let store = database.open().await;
    let tenant = add_tenant(&*store).await;
    let (timely, late) = (attempt(tenant, 1), attempt(tenant, 2));
    store.insert_attempt(&timely).await.unwrap();
    store.insert_attempt(&late).await.unwrap();
    let take = async |state: u8, answer: u8, minute| {
        store.take_attempt(&[state; 32], &[answer; 32], at(minute)).await.unwrap()
    };
    assert_eq!(take(9, 1, 5).await, None);
    assert_eq!(take(1, 1, 5).await, Some(TakenAttempt::Now(timely.clone())));
    assert_eq!(take(1, 2, 5).await, None, "another answer is no reload");
    assert_eq!(take(1, 1, 15).await, Some(TakenAttempt::Before(timely)), "the page can be reloaded");
    assert_eq!(take(2, 1, 10).await, None);
    assert_eq!(take(2, 1, 5).await, Some(TakenAttempt::Now(late)));
}

pub async fn asking_for_a_consent_removes_those_that_ran_out(database: &Database) {
    let store = database.open().await;
    let tenant = add_tenant(&*store).await;
    let (unused, used) = (attempt(tenant, 1), attempt(tenant, 2));
    for old in [&unused, &used] {
        store.insert_attempt(old).await.unwrap();
    }
    store.take_attempt(&used.state_hash, &[0; 32], at(5)).await.unwrap().unwrap();
    let newer = AuthorizationAttempt { created_at: at(10), expires_at: at(20), ..attempt(tenant, 3) };
    store.insert_attempt(&newer).await.unwrap();
    // Taken at a moment at which it was still good: it is gone because it was removed, not because it is late.
    assert_eq!(store.take_attempt(&unused.state_hash, &[0; 32], at(5)).await.unwrap(), None);
    assert_eq!(store.take_attempt(&newer.state_hash, &[0; 32], at(15)).await.unwrap(), Some(TakenAttempt::Now(newer)));
    let page = store.take_attempt(&used.state_hash, &[0; 32], at(16)).await.unwrap();
    assert_eq!(page, Some(TakenAttempt::Before(used.clone())), "its page can still be shown");
    store.insert_attempt(&AuthorizationAttempt { created_at: at(70), ..attempt(tenant, 4) }).await.unwrap();
    assert_eq!(store.take_attempt(&used.state_hash, &[0; 32], at(71)).await.unwrap(), None);
}

pub async fn what_came_of_a_consent_is_remembered_and_what_is_final_stays(database: &Database) {
    let Seeded { store, tenant, account, .. } = seeded(database).await;
    let asked = AuthorizationAttempt { account_id: account, ..attempt(tenant, 2) };
    store.insert_attempt(&asked).await.unwrap();
    store.take_attempt(&asked.state_hash, &[0; 32], at(5)).await.unwrap().unwrap();
    store.replace_consent(account, &consent(2)).await.unwrap();
    let outcome = async || store.attempt_outcome(&asked.state_hash).await.unwrap();
    assert_eq!((outcome().await, store.last_outcome(account).await.unwrap()), (None, None));
    store.end_attempt(&asked.state_hash, &ConsentOutcome::NotSetUp).await.unwrap();
    assert_eq!(outcome().await, Some(ConsentOutcome::NotSetUp));
    let scopes = ConsentOutcome::MissingScopes { scopes: vec!["calendar.events".into()] };
    let (_, version) = store.consent(account).await.unwrap().unwrap();
    store.settle_consent(account, version, &Settlement::Rejected(scopes.clone())).await.unwrap();
    store.end_attempt(&asked.state_hash, &ConsentOutcome::Granted).await.unwrap();
    assert_eq!((outcome().await, store.last_outcome(account).await.unwrap()), (Some(scopes.clone()), Some(scopes)));
    store.end_attempt(&[77; 32], &ConsentOutcome::Granted).await.unwrap();
    assert_eq!(store.attempt_outcome(&[77; 32]).await.unwrap(), None);
}

pub async fn a_second_consent_supersedes_the_first_one(database: &Database) {
    let Seeded { store, tenant, account, .. } = seeded(database).await;
    for state in [2, 3] {
        let asked = AuthorizationAttempt { account_id: account, ..attempt(tenant, state) };
        store.insert_attempt(&asked).await.unwrap();
        store.take_attempt(&asked.state_hash, &[0; 32], at(5)).await.unwrap().unwrap();
        store.replace_consent(account, &consent(state)).await.unwrap();
    }
    assert_eq!(store.attempt_outcome(&[2; 32]).await.unwrap(), Some(ConsentOutcome::Superseded));
    assert_eq!(store.attempt_outcome(&[3; 32]).await.unwrap(), None);
}
