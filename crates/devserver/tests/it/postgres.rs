//! PostgreSQL for tests, whatever the environment.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use evercal_devserver::postgres::{PostgresOptions, PostgresServer};

/// Made in what the tests of the store stand on.
#[tokio::test]
async fn a_new_server_keeps_texts_in_utf8_and_orders_them_by_bytes() {
    let folder = tempfile::tempdir().unwrap();
    // As root, the server runs as somebody else, who has to get there.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let server = PostgresServer::start(PostgresOptions::new(folder.path().join("data"), "test")).await.unwrap();
    server.create_database("texts").unwrap();
    let encoding = server.query("texts", "SHOW server_encoding").unwrap();
    let order = server.query("texts", "SELECT 'B' < 'a'").unwrap();
    assert_eq!((encoding.as_str(), order.as_str()), ("UTF8", "t"));
    server.stop().await;
}

#[test]
fn a_server_starts_where_the_environment_names_a_locale_that_is_not_there() {
    let test = "postgres::a_new_server_keeps_texts_in_utf8_and_orders_them_by_bytes";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test]).env("LANG", "xx_XX.UTF-8").env("LC_ALL", "xx_XX.UTF-8");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
