//! What users allowed, and the tokens that came of it. Token lifetimes run on real time.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::World;
use crate::core::oauth::Challenge;
use crate::core::options::{OauthClient, SimulatorOptions};

/// Live refresh tokens of one user and client; the oldest dies without a word.
const REFRESH_TOKENS_MAX: usize = 100;

/// What a user allowed a client to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) id: String,
    pub(crate) user: String,
    pub(crate) client: String,
    pub(crate) project: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) refresh_token: Option<String>,
    pub(crate) issued_at: DateTime<Utc>,
    pub(crate) revoked: bool,
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
    pub(crate) forces_consent: bool,
    pub(crate) expires_at: DateTime<Utc>,
}

pub(crate) struct OauthServer {
    pub(crate) clients: HashMap<String, OauthClient>,
    pub(crate) grants: HashMap<String, Grant>,
    pub(crate) access_tokens: HashMap<String, AccessToken>,
    pub(crate) codes: HashMap<String, Code>,
    pub(crate) access_token_lifetime: TimeDelta,
}

/// What a redeemed code or refresh token gives.
pub(crate) struct Tokens {
    pub(crate) access_token: String,
    pub(crate) refresh_token: Option<String>,
    pub(crate) expires_in_s: i64,
    pub(crate) scopes: Vec<String>,
}

impl OauthServer {
    pub(crate) fn new(options: &SimulatorOptions) -> Self {
        Self {
            clients: options.oauth_clients.iter().map(|client| (client.id.clone(), client.clone())).collect(),
            grants: HashMap::new(),
            access_tokens: HashMap::new(),
            codes: HashMap::new(),
            access_token_lifetime: TimeDelta::from_std(options.access_token_lifetime).unwrap_or(TimeDelta::hours(1)),
        }
    }

    pub(crate) fn restore_grant(&mut self, grant: Grant) {
        self.grants.insert(grant.id.clone(), grant);
    }

    pub(crate) fn restore_access_token(&mut self, token: AccessToken) {
        self.access_tokens.insert(token.token.clone(), token);
    }

    pub(crate) fn restore_code(&mut self, code: Code) {
        self.codes.insert(code.text.clone(), code);
    }

    pub(crate) fn client(&self, id: &str) -> Option<&OauthClient> {
        self.clients.get(id)
    }

    pub(crate) fn grant_of_refresh_token(&self, token: &str) -> Option<&Grant> {
        self.grants.values().find(|grant| grant.refresh_token.as_deref() == Some(token))
    }
}

impl World {
    /// Lets a client act for a user, as after a consent screen.
    pub(crate) fn grant(
        &mut self,
        user: &str,
        client: &OauthClient,
        scopes: Vec<String>,
        with_refresh_token: bool,
    ) -> Tokens {
        if with_refresh_token {
            self.drop_oldest_refresh_token(user, &client.id);
        }
        let refresh_token = with_refresh_token.then(|| format!("1//{}", self.new_id("refresh token")));
        let grant = Grant {
            id: self.new_id("grant"),
            user: user.to_owned(),
            client: client.id.clone(),
            project: client.project.clone(),
            scopes: scopes.clone(),
            refresh_token: refresh_token.clone(),
            issued_at: self.clock.real_now(),
            revoked: false,
        };
        let id = grant.id.clone();
        self.save_grant(grant);
        Tokens {
            access_token: self.issue_access_token(&id),
            refresh_token,
            expires_in_s: self.provider.oauth.access_token_lifetime.num_seconds(),
            scopes,
        }
    }

    /// Ends the grants of a user, of one project or of all; answers how many.
    pub(crate) fn revoke_grants(&mut self, user: &str, project: Option<&str>) -> usize {
        let revoked: Vec<Grant> = self
            .provider
            .oauth
            .grants
            .values()
            .filter(|grant| !grant.revoked && grant.user == user)
            .filter(|grant| project.is_none_or(|project| grant.project == project))
            .cloned()
            .collect();
        let count = revoked.len();
        for mut grant in revoked {
            grant.revoked = true;
            self.save_grant(grant);
        }
        count
    }

    /// Lets access tokens expire now, of one user or of all; answers how many.
    pub(crate) fn expire_access_tokens(&mut self, user: Option<&str>) -> usize {
        let oauth = &self.provider.oauth;
        let expired: Vec<String> = oauth
            .access_tokens
            .values()
            .filter(|access| {
                user.is_none_or(|user| oauth.grants.get(&access.grant).is_some_and(|grant| grant.user == user))
            })
            .map(|access| access.token.clone())
            .collect();
        for token in &expired {
            self.forget_access_token(token);
        }
        expired.len()
    }

    pub(crate) fn issue_access_token(&mut self, grant: &str) -> String {
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
            token: format!("ya29.{}", self.new_id("access token")),
            grant: grant.to_owned(),
            expires_at: now + self.provider.oauth.access_token_lifetime,
        };
        let token = access.token.clone();
        self.journal.put(&format!("google/access/{token}"), &access);
        self.provider.oauth.access_tokens.insert(token.clone(), access);
        token
    }

    pub(crate) fn forget_access_token(&mut self, token: &str) {
        self.provider.oauth.access_tokens.remove(token);
        self.journal.remove(&format!("google/access/{token}"));
    }

    fn drop_oldest_refresh_token(&mut self, user: &str, client: &str) {
        let mut live: Vec<&Grant> = self
            .provider
            .oauth
            .grants
            .values()
            .filter(|grant| !grant.revoked && grant.refresh_token.is_some())
            .filter(|grant| grant.user == user && grant.client == client)
            .collect();
        if live.len() < REFRESH_TOKENS_MAX {
            return;
        }
        live.sort_by_key(|grant| grant.issued_at);
        if let Some(oldest) = live.first() {
            let mut oldest = (*oldest).clone();
            oldest.revoked = true;
            self.save_grant(oldest);
        }
    }

    pub(crate) fn save_grant(&mut self, grant: Grant) {
        self.journal.put(&format!("google/grant/{}", grant.id), &grant);
        self.provider.oauth.grants.insert(grant.id.clone(), grant);
    }
}
