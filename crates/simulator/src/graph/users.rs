//! The users, who are object ids to Microsoft, and what they answer on the consent page.

use serde::{Deserialize, Serialize};

use super::World;
use super::ids::guid;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UserRecord {
    /// Never changes.
    pub(crate) oid: String,
    pub(crate) email: String,
    /// Addresses of the past, which the control API still takes.
    pub(crate) past_emails: Vec<String>,
    pub(crate) name: String,
    pub(crate) time_zone: String,
    /// Not every user has one.
    pub(crate) has_mailbox: bool,
    /// The id of the default calendar.
    pub(crate) default_calendar: String,
    /// Order of creation; the first user is asked when a login names nobody.
    pub(crate) ordinal: u64,
    /// The user presses "cancel" on the consent page.
    pub(crate) denies_consent: bool,
    /// Scopes that the user does not give.
    pub(crate) unticked_scopes: Vec<String>,
}

impl UserRecord {
    fn is_called(&self, name: &str) -> bool {
        self.oid == name || self.email.eq_ignore_ascii_case(name) || self.past_emails.iter().any(|past| past == name)
    }
}

impl World {
    /// A user by object id or by any address that they ever had.
    pub(crate) fn user(&self, name: &str) -> Option<&UserRecord> {
        self.provider.users.get(name).or_else(|| {
            let current = self.provider.users.values().find(|user| user.email.eq_ignore_ascii_case(name));
            current.or_else(|| self.provider.users.values().find(|user| user.is_called(name)))
        })
    }

    /// The user that a login names, else the one created first.
    pub(crate) fn login_user(&self, hint: Option<&str>) -> Option<&UserRecord> {
        match hint {
            Some(email) => self.user(email),
            None => self.provider.users.values().min_by_key(|user| user.ordinal),
        }
    }

    /// Creates a user with a default calendar. False when somebody has the address.
    pub(crate) fn add_user(&mut self, email: &str, name: &str, time_zone: &str) -> bool {
        if self.user(email).is_some() {
            return false;
        }
        let oid = guid(self.seed(), "user", email);
        let default_calendar = self.new_calendar_id();
        self.save_user(UserRecord {
            oid: oid.clone(),
            email: email.to_owned(),
            past_emails: Vec::new(),
            name: name.to_owned(),
            time_zone: time_zone.to_owned(),
            has_mailbox: true,
            default_calendar: default_calendar.clone(),
            ordinal: u64::try_from(self.provider.users.len()).unwrap_or(u64::MAX),
            denies_consent: false,
            unticked_scopes: Vec::new(),
        });
        let mut record = self.new_calendar_record(&default_calendar, "Calendar", time_zone, &oid);
        record.is_default = true;
        self.add_calendar(record);
        true
    }

    pub(crate) fn save_user(&mut self, record: UserRecord) {
        self.journal.put(&format!("microsoft/user/{}", record.oid), &record);
        self.provider.users.insert(record.oid.clone(), record);
    }

    /// The tenant of a user: that of their address.
    pub(crate) fn tenant_of(&self, oid: &str) -> String {
        let email = self.provider.users.get(oid).map(|user| user.email.as_str()).unwrap_or_default();
        guid(self.seed(), "tenant", email.rsplit('@').next().unwrap_or_default())
    }
}
