//! A tenant is revoked while its calendars are mirrored.

use evercal_domain::AccountState;
use evercal_http::Method;
use evercal_storage::PageRequest;
use evercal_tests::eventually;
use serde_json::Value;

use crate::installation::{self, Installation};

#[tokio::test(flavor = "multi_thread")]
async fn the_accounts_of_a_revoked_tenant_are_disconnected_on_request_and_nothing_of_them_stays() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Installation::start(folder.path(), "{}");
    let store = installation::store(folder.path()).await;
    let tenant = store.tenants().await.unwrap().remove(0).id;
    let accounts = store.accounts_of_tenant(tenant, &PageRequest::first(10)).await.unwrap().items;
    assert_eq!(accounts.len(), 2, "one at each provider");
    let calendars = installation::calendars(&*store).await;
    assert_eq!(calendars.len(), 4);

    let revoke = |more: &[&str]| -> Value {
        let mut command = installation::evercal();
        command.args(["tenants", "revoke", &tenant.to_string(), "--json", "--data-dir"]).arg(folder.path()).args(more);
        let output = command.env("TEMPORAL_ADDRESS", dev.ready["temporal"].as_str().unwrap()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    assert_eq!(revoke(&[])["open_accounts"], 2, "the keys are refused, the mirror goes on");
    assert!(dev.api(Method::GET, "/v1/accounts", None).await.unwrap_err().to_string().contains("401"));
    assert_eq!(revoke(&["--disconnect"])["disconnecting"], 2);
    for account in accounts {
        eventually("the account is disconnected", || async {
            match store.account(account.id).await.unwrap().unwrap().state {
                AccountState::Disconnected => Ok(()),
                other => Err(other),
            }
        })
        .await;
        assert!(store.credentials(account.id).await.unwrap().is_none(), "no token stays");
    }
    for calendar in calendars {
        let provider_id = calendar.remote.provider_id.as_str();
        assert!(dev.live_channels(provider_id).await.unwrap().is_empty(), "no channel stays");
        let items = store.items(calendar.id, &PageRequest::first(10)).await.unwrap().items;
        assert!(items.is_empty(), "no event stays: {items:?}");
    }
    assert_eq!(revoke(&["--disconnect"])["disconnecting"], 0, "it can be repeated");
}
