//! Tenants and API keys.

use evercal_domain::tenant::{ApiKey, ApiKeyHash, Scopes, Tenant, TenantLimits};
use evercal_domain::{AccountState, TenantId};
use evercal_storage::{AccountAdmission, StoreErrorKind};

use super::Database;
use super::fixtures::{account_of, add_account, add_tenant, at, consent, seeded};

pub async fn a_tenant_reads_back_and_lists_are_oldest_first(database: &Database) {
    let store = database.open().await;
    let limits = TenantLimits { requests_per_minute: 7, accounts_max: 3 };
    let tenants: Vec<Tenant> =
        (0..3).map(|index| Tenant { limits, ..Tenant::new(format!("tenant {index}"), at(index)) }).collect();
    for tenant in &tenants {
        store.insert_tenant(tenant).await.unwrap();
    }
    assert_eq!(store.tenants().await.unwrap(), tenants);
    assert_eq!(store.tenant(tenants[1].id).await.unwrap().as_ref(), Some(&tenants[1]));
    assert_eq!(store.tenant(TenantId::generate()).await.unwrap(), None);
}

pub async fn a_key_is_found_by_its_hash_until_it_or_its_tenant_is_revoked(database: &Database) {
    let store = database.open().await;
    let tenant = Tenant::new("Analytical Engines", at(0));
    store.insert_tenant(&tenant).await.unwrap();
    let first = ApiKey { scopes: "read".parse().unwrap(), ..ApiKey::new(tenant.id, "laptop", "first", at(0)) };
    let second = ApiKey::new(tenant.id, "server", "second", at(0));
    for key in [&first, &second] {
        store.insert_api_key(key).await.unwrap();
    }
    let found = async |key: &str| store.api_key_by_hash(&ApiKeyHash::of(key)).await.unwrap();
    assert_eq!(found("first").await, Some((first.clone(), tenant.clone())));
    assert_eq!(found("unknown").await, None);

    assert_eq!(store.revoke_api_key(first.id, at(1)).await.unwrap(), tenant.id);
    store.revoke_api_key(first.id, at(2)).await.unwrap();
    assert_eq!(found("first").await, None);
    let revoked = ApiKey { revoked_at: Some(at(1)), ..first };
    assert_eq!(store.api_keys(tenant.id).await.unwrap(), [revoked, second.clone()]);

    assert_eq!(found("second").await, Some((second, tenant.clone())));
    store.revoke_tenant(tenant.id, at(3)).await.unwrap();
    store.revoke_tenant(tenant.id, at(4)).await.unwrap();
    assert_eq!(found("second").await, None);
    assert_eq!(store.tenants().await.unwrap(), [Tenant { revoked_at: Some(at(3)), ..tenant }]);
}

pub async fn a_tenant_never_has_more_accounts_than_its_limit_however_many_come_at_once(database: &Database) {
    let store = database.open().await;
    let limits = TenantLimits { accounts_max: 2, ..TenantLimits::default() };
    let tenant = Tenant { limits, ..Tenant::new("small", at(0)) };
    store.insert_tenant(&tenant).await.unwrap();
    let accounts: Vec<_> = (0..6).map(|_| account_of(tenant.id)).collect();
    let credentials = consent(1);
    let admissions =
        futures::future::try_join_all(accounts.iter().map(|account| store.insert_account(account, &credentials)));
    let admissions = admissions.await.unwrap();
    let inserted = admissions.iter().filter(|admission| **admission == AccountAdmission::Inserted).count();
    assert_eq!(inserted, 2, "{admissions:?}");
    assert_eq!(store.open_accounts(tenant.id).await.unwrap(), 2);

    let more = TenantLimits { accounts_max: 3, requests_per_minute: 9 };
    store.set_tenant_limits(tenant.id, more).await.unwrap();
    assert_eq!(store.tenant(tenant.id).await.unwrap().unwrap().limits, more);
    let third = account_of(tenant.id);
    assert_eq!(store.insert_account(&third, &credentials).await.unwrap(), AccountAdmission::Inserted);
    // One that ends makes room.
    store.set_account_state(third.id, AccountState::Disconnected, None, at(1)).await.unwrap();
    assert_eq!(store.insert_account(&account_of(tenant.id), &credentials).await.unwrap(), AccountAdmission::Inserted);
    store.revoke_tenant(tenant.id, at(2)).await.unwrap();
    let late = store.insert_account(&account_of(tenant.id), &credentials).await.unwrap();
    assert_eq!(late, AccountAdmission::TenantRevoked);
    let unknown = store.set_tenant_limits(TenantId::generate(), more).await.unwrap_err();
    assert_eq!(unknown.kind, StoreErrorKind::NotFound);
}

pub async fn keys_are_listed_for_their_tenant_only_and_unknown_ones_cannot_be_revoked(database: &Database) {
    let store = database.open().await;
    let (ours, theirs) = (add_tenant(&*store).await, add_tenant(&*store).await);
    let key = ApiKey::new(ours, "laptop", "ours", at(0));
    store.insert_api_key(&key).await.unwrap();
    store.insert_api_key(&ApiKey::new(theirs, "laptop", "theirs", at(0))).await.unwrap();
    assert_eq!(store.api_keys(ours).await.unwrap(), [key]);
    let unknown = ApiKey::new(ours, "laptop", "never inserted", at(0));
    assert_eq!(store.revoke_api_key(unknown.id, at(1)).await.unwrap_err().kind, StoreErrorKind::NotFound);
    assert_eq!(store.revoke_tenant(TenantId::generate(), at(1)).await.unwrap_err().kind, StoreErrorKind::NotFound);
}

pub async fn open_accounts_are_counted_for_each_tenant(database: &Database) {
    let seeded = seeded(database).await;
    let other = add_tenant(&*seeded.store).await;
    add_account(&*seeded.store, seeded.tenant).await;
    add_account(&*seeded.store, other).await;
    assert_eq!(seeded.store.open_accounts(seeded.tenant).await.unwrap(), 2);
    seeded.store.set_account_state(seeded.account, AccountState::Disconnected, None, at(1)).await.unwrap();
    assert_eq!(seeded.store.open_accounts(seeded.tenant).await.unwrap(), 1);
}

pub async fn an_id_that_exists_is_a_conflict(database: &Database) {
    let store = database.open().await;
    let tenant = Tenant::new("first", at(0));
    store.insert_tenant(&tenant).await.unwrap();
    let error = store.insert_tenant(&Tenant { name: "second".into(), ..tenant.clone() }).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Conflict);
    assert_eq!(store.tenants().await.unwrap(), [tenant]);
}

/// PostgreSQL has no place for it in a text.
pub async fn the_character_nul_in_a_name_is_replaced(database: &Database) {
    let store = database.open().await;
    let tenant = Tenant::new("zero \0 here", at(0));
    store.insert_tenant(&tenant).await.unwrap();
    store
        .insert_api_key(&ApiKey { scopes: Scopes::all(), ..ApiKey::new(tenant.id, "\0", "key", at(0)) })
        .await
        .unwrap();
    assert_eq!(store.tenants().await.unwrap()[0].name, "zero \u{fffd} here");
    assert_eq!(store.api_keys(tenant.id).await.unwrap()[0].label, "\u{fffd}");
}
