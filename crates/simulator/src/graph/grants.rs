//! What users allowed, and the tokens that came of it. Refresh tokens rotate: each use gives a new one, and the old one goes on
//! until its own end. Token lifetimes run on real time.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::World;
use super::quirks::ScopeForm;
use crate::core::faults::Dice;
use crate::core::oauth::Challenge;
use crate::core::options::{OauthClient, SimulatorOptions};

pub(crate) const OFFLINE_ACCESS: &str = "offline_access";
const GRAPH: &str = "https://graph.microsoft.com/";
/// Scopes of `openid`: they are granted beside those that were asked for, and have no long form.
const OPENID: [&str; 3] = ["openid", "profile", "email"];
const REFRESH_TOKEN_LIFETIME: TimeDelta = TimeDelta::days(90);

/// Who makes a call of the API.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The user's object id.
    pub(crate) user: String,
    pub(crate) client: String,
    pub(crate) grant: String,
    pub(crate) scopes: Vec<String>,
}

/// What a user allowed a client to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) id: String,
    pub(crate) user: String,
    pub(crate) client: String,
    /// By their short names, without [`OFFLINE_ACCESS`].
    pub(crate) scopes: Vec<String>,
    pub(crate) refresh_tokens: Vec<RefreshToken>,
    pub(crate) revoked: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RefreshToken {
    pub(crate) token: String,
    pub(crate) expires_at: DateTime<Utc>,
    /// It was used, and that quirk was on.
    pub(crate) is_used_up: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AccessToken {
    pub(crate) token: String,
    pub(crate) grant: String,
    pub(crate) expires_at: DateTime<Utc>,
}

/// An authorization code that was not redeemed yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Code {
    pub(crate) text: String,
    pub(crate) user: String,
    pub(crate) client: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: Option<Challenge>,
    pub(crate) offline: bool,
    pub(crate) expires_at: DateTime<Utc>,
}

pub(crate) struct OauthServer {
    clients: HashMap<String, OauthClient>,
    pub(crate) grants: HashMap<String, Grant>,
    pub(crate) access_tokens: HashMap<String, AccessToken>,
    pub(crate) codes: HashMap<String, Code>,
    grants_by_refresh_token: HashMap<String, String>,
    access_token_lifetime: TimeDelta,
}

/// What a redeemed code or refresh token gives.
pub(crate) struct Tokens {
    pub(crate) access_token: String,
    pub(crate) refresh_token: Option<String>,
    pub(crate) expires_in_s: i64,
    /// As they are written in the answer.
    pub(crate) scopes: Vec<String>,
}

/// A scope by its short name.
pub(crate) fn short_scope(scope: &str) -> &str {
    scope.strip_prefix(GRAPH).unwrap_or(scope)
}

impl OauthServer {
    pub(crate) fn new(options: &SimulatorOptions) -> Self {
        Self {
            clients: options.oauth_clients.iter().map(|client| (client.id.clone(), client.clone())).collect(),
            grants: HashMap::new(),
            access_tokens: HashMap::new(),
            codes: HashMap::new(),
            grants_by_refresh_token: HashMap::new(),
            access_token_lifetime: TimeDelta::from_std(options.access_token_lifetime).unwrap_or(TimeDelta::hours(1)),
        }
    }

    pub(crate) fn put_grant(&mut self, grant: Grant) {
        for refresh in &grant.refresh_tokens {
            self.grants_by_refresh_token.insert(refresh.token.clone(), grant.id.clone());
        }
        self.grants.insert(grant.id.clone(), grant);
    }

    pub(crate) fn client(&self, id: &str) -> Option<&OauthClient> {
        self.clients.get(id)
    }

    pub(crate) fn grant_of_refresh_token(&self, token: &str) -> Option<&Grant> {
        self.grants.get(self.grants_by_refresh_token.get(token)?)
    }

    pub(crate) fn grant_of_access_token(&self, token: &str) -> Option<&Grant> {
        self.grants.get(&self.access_tokens.get(token)?.grant)
    }
}

impl World {
    /// Lets a client act for a user, as after a consent page.
    pub(crate) fn grant(&mut self, user: &str, client: &str, scopes: &[String], offline: bool) -> Tokens {
        let mut kept: Vec<String> = Vec::new();
        for scope in scopes.iter().map(|scope| short_scope(scope)).filter(|scope| *scope != OFFLINE_ACCESS) {
            if !kept.iter().any(|known| known.eq_ignore_ascii_case(scope)) {
                kept.push(scope.to_owned());
            }
        }
        for scope in OPENID {
            if !kept.iter().any(|known| known == scope) {
                kept.push(scope.to_owned());
            }
        }
        let grant = Grant {
            id: self.new_id("grant"),
            user: user.to_owned(),
            client: client.to_owned(),
            scopes: kept,
            refresh_tokens: Vec::new(),
            revoked: false,
        };
        self.issue_tokens(grant, offline)
    }

    /// New tokens of a grant: what is there stays until its end.
    pub(crate) fn issue_tokens(&mut self, mut grant: Grant, with_refresh_token: bool) -> Tokens {
        let now = self.clock.real_now();
        grant.refresh_tokens.retain(|refresh| refresh.expires_at > now);
        let refresh_token = with_refresh_token.then(|| {
            let token = format!("0.AXoA{}.AgABAwEAAAD{}", self.new_id("refresh token"), self.new_id("refresh token"));
            let expires_at = now + REFRESH_TOKEN_LIFETIME;
            grant.refresh_tokens.push(RefreshToken { token: token.clone(), expires_at, is_used_up: false });
            token
        });
        let scopes = self.written_scopes(&grant);
        let id = grant.id.clone();
        self.save_grant(grant);
        Tokens {
            access_token: self.issue_access_token(&id),
            refresh_token,
            expires_in_s: self.provider.oauth.access_token_lifetime.num_seconds(),
            scopes,
        }
    }

    fn written_scopes(&self, grant: &Grant) -> Vec<String> {
        let is_full = match self.provider.quirks.scope_form {
            ScopeForm::Short => false,
            ScopeForm::Full => true,
            ScopeForm::Seeded => {
                let number = grant.id.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
                Dice::new(self.seed(), "scope form", number).percent(50, 0)
            }
        };
        let write = |scope: &String| {
            if is_full && !OPENID.contains(&scope.as_str()) { format!("{GRAPH}{scope}") } else { scope.clone() }
        };
        grant.scopes.iter().map(write).collect()
    }

    fn issue_access_token(&mut self, grant: &str) -> String {
        let now = self.clock.real_now();
        let stale: Vec<String> = self
            .provider
            .oauth
            .access_tokens
            .values()
            .filter(|access| access.grant == grant && access.expires_at <= now)
            .map(|access| access.token.clone())
            .collect();
        for token in stale {
            self.forget_access_token(&token);
        }
        let access = AccessToken {
            token: format!("eyJ0eXAiOiJKV1Qi.{}.{}", self.new_id("access token"), self.new_id("access token")),
            grant: grant.to_owned(),
            expires_at: now + self.provider.oauth.access_token_lifetime,
        };
        let token = access.token.clone();
        self.journal.put(&access_key(&token), &access);
        self.provider.oauth.access_tokens.insert(token.clone(), access);
        token
    }

    pub(crate) fn forget_access_token(&mut self, token: &str) {
        self.provider.oauth.access_tokens.remove(token);
        self.journal.remove(&access_key(token));
    }

    /// Ends the grants of a user; answers how many.
    pub(crate) fn revoke_grants(&mut self, user: &str) -> usize {
        let live: Vec<Grant> =
            self.provider.oauth.grants.values().filter(|grant| !grant.revoked && grant.user == user).cloned().collect();
        let count = live.len();
        for mut grant in live {
            grant.revoked = true;
            self.save_grant(grant);
        }
        count
    }

    /// Lets access tokens expire now, of one user or of all; answers how many.
    pub(crate) fn expire_access_tokens(&mut self, user: Option<&str>) -> usize {
        let oauth = &self.provider.oauth;
        let is_users = |token: &str| {
            user.is_none_or(|user| oauth.grant_of_access_token(token).is_some_and(|grant| grant.user == user))
        };
        let expired: Vec<String> = oauth.access_tokens.keys().filter(|token| is_users(token)).cloned().collect();
        for token in &expired {
            self.forget_access_token(token);
        }
        expired.len()
    }

    pub(crate) fn save_grant(&mut self, grant: Grant) {
        self.journal.put(&format!("microsoft/grant/{}", grant.id), &grant);
        self.provider.oauth.put_grant(grant);
    }

    pub(crate) fn save_code(&mut self, code: Code) {
        self.journal.put(&code_key(&code.text), &code);
        self.provider.oauth.codes.insert(code.text.clone(), code);
    }

    /// A code works once, whatever comes of it.
    pub(crate) fn take_code(&mut self, text: &str) -> Option<Code> {
        let code = self.provider.oauth.codes.remove(text)?;
        self.journal.remove(&code_key(text));
        Some(code)
    }
}

fn access_key(token: &str) -> String {
    format!("microsoft/access/{token}")
}

fn code_key(text: &str) -> String {
    format!("microsoft/code/{text}")
}
