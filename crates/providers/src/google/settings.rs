//! Where Google is and who we are there.

use url::Url;

/// What the mirror needs: reading the calendar list, and reading events.
pub const DEFAULT_SCOPES: [&str; 2] = [
    "https://www.googleapis.com/auth/calendar.calendarlist.readonly",
    "https://www.googleapis.com/auth/calendar.events.readonly",
];

/// Endpoints, the OAuth client's id, and scopes: all that a consent page takes.
#[derive(Debug, Clone)]
pub struct GoogleSettings {
    /// The Calendar API, with `/calendar/v3/` at its end.
    pub api_base: Url,
    /// The consent page.
    pub auth_url: Url,
    /// Where codes and refresh tokens become access tokens.
    pub token_url: Url,
    /// Where grants are ended.
    pub revoke_url: Url,
    /// The OAuth client's id.
    pub client_id: String,
    /// The scopes that are asked for; all of them are needed.
    pub scopes: Vec<String>,
}

impl GoogleSettings {
    /// Google itself.
    pub fn google(client_id: impl Into<String>) -> Result<Self, url::ParseError> {
        Ok(Self {
            api_base: Url::parse("https://www.googleapis.com/calendar/v3/")?,
            auth_url: Url::parse("https://accounts.google.com/o/oauth2/v2/auth")?,
            token_url: Url::parse("https://oauth2.googleapis.com/token")?,
            revoke_url: Url::parse("https://oauth2.googleapis.com/revoke")?,
            client_id: client_id.into(),
            scopes: DEFAULT_SCOPES.map(str::to_owned).to_vec(),
        })
    }

    /// Another server that has all of Google's paths under one base URL, such as the simulator.
    pub fn at(base: &Url, client_id: impl Into<String>) -> Result<Self, url::ParseError> {
        Ok(Self {
            api_base: base.join("/calendar/v3/")?,
            auth_url: base.join("/o/oauth2/v2/auth")?,
            token_url: base.join("/token")?,
            revoke_url: base.join("/revoke")?,
            ..Self::google(client_id)?
        })
    }
}
