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
    let account = store.accounts_of_tenant(tenant, &PageRequest::first(10)).await.unwrap().items.remove(0).id;
    let calendars: Vec<(String, _)> = dev.ready["google"]["calendars"]
        .as_array()
        .unwrap()
        .iter()
        .map(|calendar| calendar["id"].as_str().unwrap_or_else(|| calendar.as_str().unwrap()).to_owned())
        .zip(store.calendars_of_account(account).await.unwrap())
        .collect();
    assert_eq!(calendars.len(), 2);

    let revoke = |more: &[&str]| -> Value {
        let mut command = installation::evercal();
        command.args(["tenants", "revoke", &tenant.to_string(), "--json", "--data-dir"]).arg(folder.path()).args(more);
        let output = command.env("TEMPORAL_ADDRESS", dev.ready["temporal"].as_str().unwrap()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    assert_eq!(revoke(&[])["open_accounts"], 1, "the keys are refused, the mirror goes on");
    assert!(dev.api(Method::GET, "/v1/accounts", None).await.unwrap_err().to_string().contains("401"));
    assert_eq!(revoke(&["--disconnect"])["disconnecting"], 1);
    eventually("the account is disconnected", || async {
        match store.account(account).await.unwrap().unwrap().state {
            AccountState::Disconnected => Ok(()),
            other => Err(other),
        }
    })
    .await;
    assert!(store.credentials(account).await.unwrap().is_none(), "no token stays");
    for (provider_id, calendar) in calendars {
        assert!(dev.live_channels(&provider_id).await.unwrap().is_empty(), "no channel stays");
        let items = store.items(calendar.id, &PageRequest::first(10)).await.unwrap().items;
        assert!(items.is_empty(), "no event stays: {items:?}");
    }
    assert_eq!(revoke(&["--disconnect"])["disconnecting"], 0, "it can be repeated");
}
