//! Features of what we build on: each that is turned on has its use. Where the sources have to name what the feature turns on, they
//! are searched for it; where it changes how something behaves, this list says what for. A feature that nobody lists here is new: who
//! turns it on says what uses it, and who takes the use away finds it here.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::Package;

use crate::dependencies::{metadata, sources};

/// What a feature is for.
enum Use {
    /// The sources of a package that turns it on have this.
    Named(&'static str),
    /// It changes what happens, and no source names it.
    Behaviour(&'static str),
}
use Use::{Behaviour, Named};

const USES: [(&str, &str, Use); 68] = [
    ("chrono", "serde", Named("pub began_at: DateTime<Utc>,")),
    ("clap", "derive", Named("derive(Parser")),
    ("clap", "wrap_help", Behaviour("help fits the terminal")),
    ("governor", "quanta", Named("DefaultClock")),
    ("governor", "std", Named("RateLimiter::direct")),
    ("hyper-util", "client-legacy", Named("client::legacy")),
    ("hyper-util", "http1", Behaviour("the tests' client speaks HTTP/1.1")),
    ("hyper-util", "server-auto", Named("server::conn::auto")),
    ("hyper-util", "server-graceful", Named("GracefulShutdown")),
    ("hyper-util", "service", Named("TowerToHyperService")),
    ("hyper-util", "tokio", Named("TokioExecutor")),
    ("jiff", "perf-inline", Behaviour("series are expanded faster")),
    ("jiff", "std", Behaviour("the system's zone data are read from its files")),
    ("jiff", "tz-fat", Behaviour("offsets of far years without computing")),
    ("jiff", "tzdb-bundle-always", Behaviour("zones are known where the system has none")),
    ("jiff", "tzdb-zoneinfo", Named("TimeZoneDatabase")),
    ("mimalloc", "no_thp", Behaviour("no huge pages that nobody uses (docs/benchmarks.md, memory of the worker)")),
    ("rcgen", "crypto", Behaviour("it makes keys and signs with them")),
    ("rcgen", "pem", Named(".pem()")),
    ("rcgen", "ring", Behaviour("keys are made by the ring of `rustls`")),
    ("reqwest", "form", Named(".form(")),
    ("reqwest", "gzip", Behaviour("providers' answers come packed")),
    ("reqwest", "http2", Behaviour("many calls share a connection")),
    ("reqwest", "json", Named(".json(")),
    ("reqwest", "rustls-no-provider", Behaviour("TLS with the ring of `rustls`")),
    ("rustix", "fs", Named("rustix::fs")),
    ("rustix", "process", Named("rustix::process")),
    ("rustls", "logging", Behaviour("why a handshake failed is in the log")),
    ("rustls", "ring", Named("crypto::ring")),
    ("rustls", "std", Behaviour("it is none without")),
    ("rustls", "tls12", Behaviour("servers that know no TLS 1.3 are reached")),
    ("serde", "derive", Named("Deserialize")),
    ("serde_json", "raw_value", Named("value::RawValue")),
    ("sqlx", "macros", Named("derive(sqlx::FromRow")),
    ("sqlx", "migrate", Named("sqlx::migrate!")),
    ("sqlx", "postgres", Named("sqlx::postgres")),
    ("sqlx", "runtime-tokio", Behaviour("connections are served by the threads of everything else")),
    ("sqlx", "sqlite", Named("sqlx::sqlite")),
    ("sqlx", "tls-rustls-ring", Behaviour("servers that ask for TLS are reached")),
    ("temporalio-client", "vendored-protox", Behaviour("building needs no protoc")),
    (
        "temporalio-common-wasm",
        "serde_serialize",
        Behaviour("the protocol is built once, with the features of `temporalio-protos`"),
    ),
    ("temporalio-protos", "grpc-clients", Behaviour("the protocol is built once, with what the client asks for")),
    ("temporalio-protos", "serde_serialize", Behaviour("the protocol is built once, with what the SDK asks for")),
    ("temporalio-protos", "vendored-protox", Behaviour("building needs no protoc")),
    ("tokio", "io-util", Named("AsyncReadExt")),
    ("tokio", "macros", Named("tokio::select!")),
    ("tokio", "net", Named("tokio::net::")),
    ("tokio", "process", Named("tokio::process::")),
    ("tokio", "rt-multi-thread", Named("#[tokio::main]")),
    ("tokio", "signal", Named("tokio::signal::")),
    ("tokio", "sync", Named("tokio::sync::")),
    ("tokio", "test-util", Named("start_paused")),
    ("tokio", "time", Named("tokio::time::")),
    ("tokio-rustls", "ring", Behaviour("TLS with the ring of `rustls`")),
    ("tokio-rustls", "tls12", Behaviour("clients that know no TLS 1.3 are served")),
    ("tokio-util", "rt", Named("TaskTracker")),
    ("tower", "util", Named("ServiceExt")),
    ("tower-http", "catch-panic", Named("CatchPanicLayer")),
    ("tower-http", "compression-gzip", Named("CompressionLayer")),
    ("tower-http", "cors", Named("CorsLayer")),
    ("tracing-subscriber", "env-filter", Named("EnvFilter")),
    ("tracing-subscriber", "json", Named(".json()")),
    ("tz-rs", "std", Behaviour("the oracle's zone data are read from a file")),
    ("utoipa", "axum_extras", Behaviour("parameters of handlers are described where they are taken")),
    ("utoipa", "chrono", Behaviour("stamps are described as date-time")),
    ("utoipa-swagger-ui", "gzip", Behaviour("the viewer is embedded packed")),
    ("utoipa-swagger-ui", "vendored", Behaviour("building downloads nothing")),
    ("uuid", "v7", Named("now_v7")),
];

#[test]
fn each_feature_that_is_turned_on_has_a_use() {
    let metadata = metadata();
    let mut turned_on: BTreeMap<(String, String), Vec<&Package>> = BTreeMap::new();
    for package in metadata.workspace_packages() {
        for dependency in &package.dependencies {
            for feature in &dependency.features {
                turned_on.entry((dependency.name.clone(), feature.clone())).or_default().push(package);
            }
        }
    }
    let listed: BTreeSet<_> = USES.iter().map(|(name, feature, _)| (*name, *feature)).collect();
    let known: BTreeSet<_> = turned_on.keys().map(|(name, feature)| (name.as_str(), feature.as_str())).collect();
    assert_eq!(known.difference(&listed).collect::<Vec<_>>(), Vec::<&(&str, &str)>::new(), "turned on without a use");
    assert_eq!(listed.difference(&known).collect::<Vec<_>>(), Vec::<&(&str, &str)>::new(), "not turned on any more");
    assert_eq!(listed.len(), USES.len(), "a feature stands twice in the list");
    let unused: Vec<_> = USES
        .iter()
        .filter_map(|(name, feature, use_of_it)| match use_of_it {
            Named(text) => {
                let packages = turned_on.get(&((*name).to_owned(), (*feature).to_owned())).into_iter().flatten();
                // This list is no use.
                let mut others = packages.into_iter().filter(|package| package.name.as_str() != "evercal-tests");
                let is_named = others.any(|package| sources(package).contains(text));
                (!is_named).then_some((*name, *feature, *text))
            }
            Behaviour(what) => what.is_empty().then_some((*name, *feature, *what)),
        })
        .collect();
    assert_eq!(unused, [], "no source names what these turn on");
}
