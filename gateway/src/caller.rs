//! Whom a request's API key speaks for, and whether it may do what it asks. Everything that a caller sees is asked of the
//! store under their tenant's id.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use evercal_domain::TenantId;
use evercal_domain::journal::SecurityKind;
use evercal_domain::tenant::{ApiKeyHash, Scope, TenantLimits};

use crate::answers::RequestTenant;
use crate::connections::Connection;
use crate::extract::Peer;
use crate::problem::{Problem, ProblemKind};
use crate::state::AppState;

/// A presented key in bytes; ours have 47.
const API_KEY_BYTES_MAX: usize = 256;

/// Whom the request's API key speaks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    pub tenant_id: TenantId,
    pub limits: TenantLimits,
    /// Whether they may see events in the provider's own text.
    pub may_see_raw: bool,
}

impl Caller {
    /// Refuses who may not see events in the provider's own text.
    pub(crate) fn require_raw(&self) -> Result<(), Problem> {
        if self.may_see_raw { Ok(()) } else { Err(missing(Scope::Raw)) }
    }
}

/// Makes an extractor of a caller whose key has a scope.
macro_rules! extractors {
    ($($(#[doc = $doc:literal])+ $extractor:ident: $scope:ident;)+) => {
        $(
            $(#[doc = $doc])+
            pub(crate) struct $extractor(pub Caller);

            impl FromRequestParts<AppState> for $extractor {
                type Rejection = Problem;

                async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
                    caller(parts, state, Scope::$scope).await.map(Self)
                }
            }
        )+
    };
}

extractors! {
    /// A caller who may read.
    Reader: Read;
    /// A caller who may change things.
    Writer: Write;
    /// A caller who may read the logs.
    Operator: Operator;
}

async fn caller(parts: &mut Parts, state: &AppState, scope: Scope) -> Result<Caller, Problem> {
    let Peer(source) = *parts.extensions.get::<Peer>().ok_or_else(|| Problem::of(ProblemKind::Internal))?;
    let refuse = |message: &str| {
        state.security.note(SecurityKind::ApiKeyRefused, source, message);
        Problem::new(ProblemKind::InvalidApiKey, "Send a valid API key as `Authorization: Bearer <key>`.")
    };
    let key = bearer(parts).ok_or_else(|| refuse("no API key of the right form"))?;
    let found = state.reads.api_key(ApiKeyHash::of(key)).await?;
    let (key, tenant) = found.ok_or_else(|| refuse("an unknown or revoked API key"))?;
    if let Some(connection) = parts.extensions.get::<Arc<Connection>>() {
        connection.prove();
    }
    if let Some(request_tenant) = parts.extensions.get::<RequestTenant>() {
        request_tenant.set(tenant.id);
    }
    state.tenant_rates.take(tenant.id, tenant.limits.requests_per_minute).map_err(Problem::too_many)?;
    if !key.scopes.allow(scope) {
        state.security.note(SecurityKind::ApiKeyRefused, source, "an API key without the scope that this needs");
        return Err(missing(scope));
    }
    let may_see_raw = key.scopes.allow(Scope::Raw);
    Ok(Caller { tenant_id: tenant.id, limits: tenant.limits, may_see_raw })
}

fn missing(scope: Scope) -> Problem {
    let detail = format!("This API key does not have the scope `{}`.", scope.as_str());
    Problem::new(ProblemKind::MissingScope, detail)
}

fn bearer(parts: &Parts) -> Option<&str> {
    let (scheme, key) = parts.headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let key = key.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty() && key.len() <= API_KEY_BYTES_MAX).then_some(key)
}
