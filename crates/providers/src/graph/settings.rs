//! Where Microsoft is and who we are there.

use url::Url;

/// What the mirror needs: to go on without the person, and to read calendars.
pub const DEFAULT_SCOPES: [&str; 2] = ["offline_access", "Calendars.Read"];
/// Everybody: people of any organisation, and those with an account of their own.
pub const DEFAULT_TENANT: &str = "common";

/// Endpoints, the application's id, and scopes: all that a consent page takes.
#[derive(Debug, Clone)]
pub struct GraphSettings {
    /// The API, with `/v1.0/` at its end.
    pub api_base: Url,
    /// The consent page.
    pub auth_url: Url,
    /// Where codes and refresh tokens become access tokens.
    pub token_url: Url,
    /// The application's id.
    pub client_id: String,
    /// The scopes that are asked for; all of them are needed.
    pub scopes: Vec<String>,
}

impl GraphSettings {
    /// The endpoints of a tenant below an API and a login server; without either, Microsoft's own of the worldwide cloud.
    pub fn at(
        api_base: Option<&Url>,
        login_base: Option<&Url>,
        tenant: &str,
        client_id: impl Into<String>,
    ) -> Result<Self, url::ParseError> {
        let api_base = match api_base {
            Some(base) => with_slash(base.clone()),
            None => Url::parse("https://graph.microsoft.com/v1.0/")?,
        };
        let login_base = match login_base {
            Some(base) => with_slash(base.clone()),
            None => Url::parse("https://login.microsoftonline.com/")?,
        };
        Ok(Self {
            api_base,
            auth_url: login_base.join(&format!("{tenant}/oauth2/v2.0/authorize"))?,
            token_url: login_base.join(&format!("{tenant}/oauth2/v2.0/token"))?,
            client_id: client_id.into(),
            scopes: DEFAULT_SCOPES.map(str::to_owned).to_vec(),
        })
    }
}

/// What is joined to an address without a slash at its end would replace its last part.
fn with_slash(mut url: Url) -> Url {
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_microsofts_own_or_below_other_addresses_with_a_slash_or_without() {
        let own = GraphSettings::at(None, None, DEFAULT_TENANT, "client").unwrap();
        assert_eq!(own.api_base.as_str(), "https://graph.microsoft.com/v1.0/");
        assert_eq!(own.token_url.as_str(), "https://login.microsoftonline.com/common/oauth2/v2.0/token");
        for slash in ["", "/"] {
            let api: Url = format!("https://graph.example/v1.0{slash}").parse().unwrap();
            let login: Url = format!("https://login.example/sub{slash}").parse().unwrap();
            let other = GraphSettings::at(Some(&api), Some(&login), "contoso", "client").unwrap();
            assert_eq!(other.api_base.as_str(), "https://graph.example/v1.0/");
            assert_eq!(other.auth_url.as_str(), "https://login.example/sub/contoso/oauth2/v2.0/authorize");
        }
    }
}
