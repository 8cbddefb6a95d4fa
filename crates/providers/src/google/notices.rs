//! Google's notices (<https://developers.google.com/workspace/calendar/api/guides/push>): all in headers, one to a request.

use std::time::Duration;

use evercal_domain::channel_token::ChannelTokenKeys;

use super::channels::remote_id;
use crate::notices::{Met, Notice, NoticeHead, NoticeLimits, NoticeReader, NoticeRefused, Says};

const CHANNEL_ID: &str = "x-goog-channel-id";
const CHANNEL_TOKEN: &str = "x-goog-channel-token";
const RESOURCE_ID: &str = "x-goog-resource-id";
const RESOURCE_STATE: &str = "x-goog-resource-state";
/// The state that greets a new channel; any other announces a change.
const STATE_SYNC: &str = "sync";
/// Google sends no bodies; a proxy may add a little.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Well within what Google waits for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);

/// Reads Google's notices.
#[derive(Debug, Clone, Copy)]
pub struct GoogleNotices;

impl NoticeReader for GoogleNotices {
    fn limits(&self) -> NoticeLimits {
        NoticeLimits { body_bytes_max: BODY_BYTES_MAX, answer_within: ANSWER_WITHIN }
    }

    /// Google lets channels end without a word.
    fn has_lifecycle(&self) -> bool {
        false
    }

    /// The token proves whose the channel is, and has to be the one that was made for this channel.
    fn meet(&self, keys: &ChannelTokenKeys, head: &NoticeHead<'_>) -> Result<Met, NoticeRefused> {
        let header = head.header;
        let token = header(CHANNEL_TOKEN).ok_or(NoticeRefused::NotOurs("no channel token"))?;
        let token = str::from_utf8(token).map_err(|_| NoticeRefused::NotOurs("a malformed channel token"))?;
        let claim = keys.verify(token).map_err(|_| NoticeRefused::NotOurs("a channel token that is not ours"))?;
        let channel_id = header(CHANNEL_ID).ok_or(NoticeRefused::NotOurs("no channel id"))?;
        if channel_id != claim.channel_id.to_string().as_bytes() {
            return Err(NoticeRefused::Contradicts("a channel id that is not the token's"));
        }
        let resource_id = header(RESOURCE_ID).and_then(|id| str::from_utf8(id).ok());
        let only_greets = header(RESOURCE_STATE).is_some_and(|state| state == STATE_SYNC.as_bytes());
        Ok(Met::Notices(vec![Notice {
            claim,
            remote_id: resource_id.and_then(|resource_id| remote_id(claim.channel_id, resource_id)),
            says: if only_greets { Says::Hello } else { Says::Changed(None) },
        }]))
    }
}

#[cfg(test)]
mod tests {
    use evercal_domain::channel_token::ChannelClaim;
    use evercal_domain::{AccountId, ChannelId, RemoteChannelId, Watched};

    use super::*;

    fn keys() -> ChannelTokenKeys {
        ChannelTokenKeys::parse("a-key-of-sixteen-chars").unwrap()
    }

    fn read(headers: &[(&'static str, String)]) -> Result<Met, NoticeRefused> {
        let header =
            |name: &'static str| headers.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_bytes());
        GoogleNotices.meet(&keys(), &NoticeHead { header: &header, query: None })
    }

    fn claim() -> ChannelClaim {
        let watched = Watched::CalendarList { account_id: AccountId::generate() };
        ChannelClaim { watched, channel_id: ChannelId::generate() }
    }

    #[test]
    fn a_notice_is_verified_by_its_token_and_says_what_google_calls_its_channel() {
        let claim = claim();
        let (id, token) = (claim.channel_id.to_string(), keys().sign(claim));
        for (state, says) in
            [("exists", Says::Changed(None)), ("sync", Says::Hello), ("not_exists", Says::Changed(None))]
        {
            let notice = read(&[
                (CHANNEL_ID, id.clone()),
                (CHANNEL_TOKEN, token.clone()),
                (RESOURCE_ID, "res".into()),
                (RESOURCE_STATE, state.into()),
            ]);
            let remote_id = Some(RemoteChannelId::new(format!("{id} res")));
            assert_eq!(notice, Ok(Met::Notices(vec![Notice { claim, remote_id, says }])), "{state}");
        }
        let bare = read(&[(CHANNEL_ID, id), (CHANNEL_TOKEN, token)]);
        assert_eq!(bare, Ok(Met::Notices(vec![Notice { claim, remote_id: None, says: Says::Changed(None) }])));
    }

    #[test]
    fn what_proves_nothing_is_refused_and_a_contradiction_has_a_kind_of_its_own() {
        let (one, other) = (claim(), claim());
        let (id, token) = (one.channel_id.to_string(), keys().sign(one));
        let foreign = ChannelTokenKeys::parse("another-key-of-16-chars").unwrap().sign(one);
        for (headers, expected) in [
            (vec![(CHANNEL_ID, id.clone())], NoticeRefused::NotOurs("no channel token")),
            (
                vec![(CHANNEL_ID, id.clone()), (CHANNEL_TOKEN, foreign)],
                NoticeRefused::NotOurs("a channel token that is not ours"),
            ),
            (vec![(CHANNEL_TOKEN, token.clone())], NoticeRefused::NotOurs("no channel id")),
            (
                vec![(CHANNEL_ID, other.channel_id.to_string()), (CHANNEL_TOKEN, token)],
                NoticeRefused::Contradicts("a channel id that is not the token's"),
            ),
        ] {
            assert_eq!(read(&headers), Err(expected));
        }
    }
}
