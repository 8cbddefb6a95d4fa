//! What the notices of one request come to: each calendar and each account is told once, whatever the number of notices about
//! it. Pure. Not for: telling them (`routes/webhooks/telling.rs`).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use evercal_domain::{AccountId, CalendarId, LifecycleEvent, SyncReason, Watched};
use evercal_process::counted;
use evercal_providers::{Notice, Says};
use evercal_workflow_client::AccountSignal;
use evercal_workflows::contract::{ChannelHint, Lifecycle, Notify};

use crate::notices::merge;
use crate::refusals::NoticeSubject;

/// Something that somebody has to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Telling {
    /// A calendar may have changed.
    Changed {
        calendar_id: CalendarId,
        /// Whose tokens can stop the channels.
        account_id: AccountId,
        notify: Notify,
    },
    /// The provider says something of a calendar's channel.
    Lifecycle { calendar_id: CalendarId, account_id: AccountId, lifecycle: Lifecycle },
    /// An account's list of calendars may have changed.
    List { account_id: AccountId, signal: AccountSignal },
}

impl Telling {
    /// What has to be caught up with if it cannot be told.
    pub(crate) fn about(&self) -> NoticeSubject {
        match self {
            Self::Changed { calendar_id, .. } | Self::Lifecycle { calendar_id, .. } => {
                NoticeSubject::Calendar(*calendar_id)
            }
            Self::List { account_id, .. } => NoticeSubject::List(*account_id),
        }
    }
}

/// A calendar that notices are about, through this account.
type Calendar = (CalendarId, AccountId);

/// Makes of the notices that came at a time what has to be told.
pub(crate) fn tellings(notices: Vec<Notice>, received_at: DateTime<Utc>) -> Vec<Telling> {
    let mut changes: BTreeMap<Calendar, Notify> = BTreeMap::new();
    let mut lifecycles: BTreeMap<Calendar, Vec<Lifecycle>> = BTreeMap::new();
    let mut lists: BTreeMap<AccountId, AccountSignal> = BTreeMap::new();
    for Notice { claim, remote_id, says } in notices {
        let announces_change = matches!(says, Says::Changed(_));
        let hint = ChannelHint { channel_id: claim.channel_id, remote_id, announces_change };
        let priority = if let Says::Changed(priority) = says { priority } else { None };
        match (claim.watched, says) {
            (Watched::Calendar { account_id, calendar_id }, Says::Hello | Says::Changed(_)) => {
                let notify = Notify {
                    reason: SyncReason::Notice,
                    notices: 1,
                    received_at: Some(received_at.into()),
                    channels: vec![hint],
                    priority,
                };
                add_change(&mut changes, (calendar_id, account_id), notify);
            }
            (Watched::Calendar { account_id, calendar_id }, Says::Lifecycle(event)) if is_acted_on(event) => {
                let lifecycle = Lifecycle { event, channel: Some(hint) };
                let of_calendar = lifecycles.entry((calendar_id, account_id)).or_default();
                if !of_calendar.contains(&lifecycle) {
                    of_calendar.push(lifecycle);
                }
            }
            (Watched::CalendarList { account_id }, Says::Changed(_)) => {
                // One of its channels is enough to have the list read, and leads further than none.
                let signal = lists.entry(account_id).or_insert(AccountSignal::ListMayHaveChanged);
                if *signal == AccountSignal::ListMayHaveChanged {
                    *signal = AccountSignal::ListChanged(hint);
                }
            }
            // Whatever it would have announced can be read. Another channel comes with its time.
            (
                Watched::CalendarList { account_id },
                Says::Lifecycle(LifecycleEvent::Removed | LifecycleEvent::NoticesLost),
            ) => {
                lists.entry(account_id).or_insert(AccountSignal::ListMayHaveChanged);
            }
            // The one that greets a new channel says nothing of the list.
            (Watched::CalendarList { .. }, Says::Hello) => {}
            (Watched::Calendar { .. } | Watched::CalendarList { .. }, Says::Lifecycle(event)) => {
                counted!(warn, "a notice says of a channel what nobody here acts on", ?event);
            }
        }
    }
    let changes = changes.into_iter().map(|((calendar_id, account_id), notify)| Telling::Changed {
        calendar_id,
        account_id,
        notify,
    });
    let lifecycles = lifecycles.into_iter().flat_map(|((calendar_id, account_id), lifecycles)| {
        lifecycles.into_iter().map(move |lifecycle| Telling::Lifecycle { calendar_id, account_id, lifecycle })
    });
    let lists = lists.into_iter().map(|(account_id, signal)| Telling::List { account_id, signal });
    changes.chain(lifecycles).chain(lists).collect()
}

fn add_change(changes: &mut BTreeMap<Calendar, Notify>, calendar: Calendar, notify: Notify) {
    match changes.get_mut(&calendar) {
        Some(known) => merge(known, notify),
        None => {
            changes.insert(calendar, notify);
        }
    }
}

/// Whether a subscription does anything about it.
fn is_acted_on(event: LifecycleEvent) -> bool {
    match event {
        LifecycleEvent::MustBeExtended | LifecycleEvent::Removed | LifecycleEvent::NoticesLost => true,
        LifecycleEvent::Unknown => false,
    }
}

#[cfg(test)]
mod tests {
    use evercal_domain::Priority::{High, Medium};
    use evercal_domain::channel_token::ChannelClaim;
    use evercal_domain::{ChannelId, RemoteChannelId, UnixMs};

    use super::*;

    const AT: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn calendar() -> Watched {
        Watched::Calendar { account_id: AccountId::generate(), calendar_id: CalendarId::generate() }
    }

    fn notice(watched: Watched, says: Says) -> Notice {
        Notice { claim: ChannelClaim { watched, channel_id: ChannelId::generate() }, remote_id: None, says }
    }

    #[test]
    fn one_notice_is_one_signal_that_names_its_channel() {
        let watched = calendar();
        let remote_id = Some(RemoteChannelId::new("r"));
        for (says, announces_change, priority) in [
            (Says::Hello, false, None),
            (Says::Changed(None), true, None),
            (Says::Changed(Some(Medium)), true, Some(Medium)),
        ] {
            let one = Notice { remote_id: remote_id.clone(), ..notice(watched, says) };
            let channel_id = one.claim.channel_id;
            let notify = Notify {
                reason: SyncReason::Notice,
                notices: 1,
                received_at: Some(UnixMs::EPOCH),
                channels: vec![ChannelHint { channel_id, remote_id: remote_id.clone(), announces_change }],
                priority,
            };
            let (account_id, calendar_id) = (watched.account_id(), watched.calendar_id().unwrap());
            assert_eq!(tellings(vec![one], AT), [Telling::Changed { calendar_id, account_id, notify }]);
        }
    }

    #[test]
    fn notices_about_one_calendar_are_one_signal_with_all_of_their_channels_and_the_most_urgent_priority() {
        let (one, other) = (calendar(), calendar());
        let first = notice(one, Says::Changed(Some(Medium)));
        let urgent = Notice { says: Says::Changed(Some(High)), ..first.clone() };
        let second = notice(one, Says::Changed(Some(Medium)));
        let told = tellings(vec![first, notice(other, Says::Changed(Some(Medium))), urgent, second], AT);
        let counts: BTreeMap<_, _> = told
            .iter()
            .map(|telling| match telling {
                Telling::Changed { calendar_id, notify, .. } => {
                    (*calendar_id, (notify.notices, notify.channels.len(), notify.priority))
                }
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [(one, (3, 2, Some(High))), (other, (1, 1, Some(Medium)))];
        assert_eq!(counts, expected.map(|(watched, counts)| (watched.calendar_id().unwrap(), counts)).into());
    }

    #[test]
    fn what_is_said_of_a_channel_is_told_once_and_beside_what_changed() {
        let watched = calendar();
        let lost = notice(watched, Says::Lifecycle(LifecycleEvent::NoticesLost));
        let removed = Notice { says: Says::Lifecycle(LifecycleEvent::Removed), ..lost.clone() };
        let of_another = notice(watched, Says::Lifecycle(LifecycleEvent::Removed));
        let changed = notice(watched, Says::Changed(None));
        let told =
            tellings(vec![lost.clone(), removed.clone(), lost.clone(), of_another.clone(), changed, removed], AT);
        let lifecycles: Vec<_> = told
            .iter()
            .filter_map(|telling| match telling {
                Telling::Lifecycle { lifecycle, .. } => {
                    Some((lifecycle.event, lifecycle.channel.as_ref().unwrap().channel_id))
                }
                _ => None,
            })
            .collect();
        let (one, other) = (lost.claim.channel_id, of_another.claim.channel_id);
        let expected =
            [(LifecycleEvent::NoticesLost, one), (LifecycleEvent::Removed, one), (LifecycleEvent::Removed, other)];
        assert_eq!(lifecycles, expected);
        assert_eq!(told.len(), 4, "the change is told too");
        let about = NoticeSubject::from(watched);
        assert!(told.iter().all(|telling| telling.about() == about));
    }

    #[test]
    fn an_account_hears_once_that_its_list_may_have_changed() {
        let account_id = AccountId::generate();
        let list = Watched::CalendarList { account_id };
        let of = |says: &[Says]| tellings(says.iter().map(|says| notice(list, *says)).collect(), AT);
        let lost = Says::Lifecycle(LifecycleEvent::NoticesLost);
        let may_have = Telling::List { account_id, signal: AccountSignal::ListMayHaveChanged };
        assert_eq!(of(&[lost, Says::Lifecycle(LifecycleEvent::Removed)]), [may_have]);
        for says in [[lost, Says::Changed(None), Says::Changed(None)], [Says::Changed(None), Says::Changed(None), lost]]
        {
            let [told] = <[Telling; 1]>::try_from(of(&says)).unwrap();
            assert!(matches!(told, Telling::List { signal: AccountSignal::ListChanged(_), .. }), "{told:?}");
            assert_eq!(told.about(), NoticeSubject::List(account_id));
        }
        assert_eq!(of(&[Says::Hello]), [], "one that greets says nothing");
    }

    #[test]
    fn what_nobody_acts_on_is_told_to_nobody() {
        let list = Watched::CalendarList { account_id: AccountId::generate() };
        for (watched, event) in [
            (calendar(), LifecycleEvent::Unknown),
            (list, LifecycleEvent::Unknown),
            (list, LifecycleEvent::MustBeExtended),
        ] {
            assert_eq!(tellings(vec![notice(watched, Says::Lifecycle(event))], AT), []);
        }
    }
}
