//! Tenants and API keys.

use evercal_domain::tenant::{ApiKey, ApiKeyHash, Tenant};
use evercal_domain::{ApiKeyId, TenantId};
use evercal_storage::StoreErrorKind;

use super::Database;
use super::fixtures::{add_tenant, at};

pub async fn a_tenant_reads_back_and_lists_are_oldest_first(database: &Database) {
    let store = database.open().await;
    let tenants: Vec<Tenant> = (0..3)
        .map(|index| Tenant { id: TenantId::generate(), name: format!("tenant {index}"), created_at: at(index) })
        .collect();
    for tenant in &tenants {
        store.insert_tenant(tenant).await.unwrap();
    }
    assert_eq!(store.tenants().await.unwrap(), tenants);
}

pub async fn a_key_is_found_by_its_hash_until_it_is_revoked(database: &Database) {
    let store = database.open().await;
    let tenant_id = add_tenant(&*store).await;
    let key = |text: &str, revoked_at| ApiKey {
        id: ApiKeyId::generate(),
        tenant_id,
        label: "laptop".into(),
        hash: ApiKeyHash::of(text),
        created_at: at(0),
        revoked_at,
    };
    let (good, revoked) = (key("good", None), key("revoked", Some(at(1))));
    store.insert_api_key(&good).await.unwrap();
    store.insert_api_key(&revoked).await.unwrap();
    assert_eq!(store.api_key_by_hash(&ApiKeyHash::of("good")).await.unwrap(), Some(good));
    assert_eq!(store.api_key_by_hash(&ApiKeyHash::of("revoked")).await.unwrap(), None);
    assert_eq!(store.api_key_by_hash(&ApiKeyHash::of("unknown")).await.unwrap(), None);
}

pub async fn an_id_that_exists_is_a_conflict(database: &Database) {
    let store = database.open().await;
    let tenant = Tenant { id: TenantId::generate(), name: "first".into(), created_at: at(0) };
    store.insert_tenant(&tenant).await.unwrap();
    let error = store.insert_tenant(&Tenant { name: "second".into(), ..tenant.clone() }).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Conflict);
    assert_eq!(store.tenants().await.unwrap(), [tenant]);
}
