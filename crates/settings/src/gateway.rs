//! What gateways alone read, and their public address, which workers pass to providers.

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use evercal_config::reading::{optional, or_default, web_address};
use evercal_config::{About, DefaultValue, GATEWAY, GATEWAY_AND_WORKER, Kind, Setting};
use evercal_domain::Provider;
use http::HeaderValue;
use url::Url;

use crate::origins::origins;
use crate::proxies::TrustedProxies;

/// Where browsers and providers reach the gateway.
pub static PUBLIC_URL: Setting<Url> = Setting {
    about: About {
        name: "WEBHOOK_BASE_URL",
        read_by: GATEWAY_AND_WORKER,
        kind: Kind::Address,
        default: DefaultValue::Required,
        example: "https://calendar.example.com",
        meaning: "where browsers and providers reach the gateway",
    },
    read: web_address,
};

/// Where the gateway listens; port 0 takes a free one.
pub static HTTP_ADDRESS: Setting<SocketAddr> = Setting {
    about: About {
        name: "EVERCAL_HTTP_ADDRESS",
        read_by: GATEWAY,
        kind: Kind::Plain,
        default: DefaultValue::Value("127.0.0.1:8080"),
        example: "127.0.0.1:8080",
        meaning: "where the gateway listens",
    },
    read: or_default,
};

/// Origins whose pages may call the API.
pub static CORS_ORIGINS: Setting<Vec<HeaderValue>> = Setting {
    about: About {
        name: "EVERCAL_CORS_ORIGINS",
        read_by: GATEWAY,
        kind: Kind::Plain,
        default: DefaultValue::Nothing("no other origins"),
        example: "https://app.example.com,https://admin.example.com",
        meaning: "origins whose pages may call the API, comma-separated",
    },
    read: origins,
};

/// Connections of one address at a time.
pub static CONNECTIONS_PER_PEER: Setting<Option<NonZeroUsize>> = Setting {
    about: About {
        name: "EVERCAL_CONNECTIONS_PER_PEER",
        read_by: GATEWAY,
        kind: Kind::Plain,
        default: DefaultValue::Nothing("three quarters of all"),
        example: "256",
        meaning: "connections of one address (IPv6: of one /64) at a time",
    },
    read: optional,
};

/// The proxies in front of the gateway.
pub static TRUSTED_PROXIES: Setting<TrustedProxies> = Setting {
    about: About {
        name: "EVERCAL_TRUSTED_PROXIES",
        read_by: GATEWAY,
        kind: Kind::Plain,
        default: DefaultValue::Nothing("no proxies"),
        example: "10.0.0.0/8,192.0.2.7",
        meaning: "addresses and networks of the proxies in front of the gateway, comma-separated: they may have more \
                  connections, and their `X-Forwarded-For` says who asks",
    },
    read: |reader| {
        let Some(text) = reader.text() else { return Ok(TrustedProxies::default()) };
        TrustedProxies::parse(&text).ok_or_else(|| reader.error("not a list of addresses or networks"))
    },
};

/// Where a provider's notices are to be sent.
pub fn webhook_address(public_url: &Url, provider: Provider) -> Url {
    let mut address = public_url.clone();
    address.set_path(&format!("/api/webhooks/{provider}"));
    address
}
