//! Whom a change is told: the subscriptions that are about it. What a notice says and how it waits is in [`super::notices`].

use chrono::{DateTime, Utc};

use super::World;
use super::event_view::plain_id;
use super::ids::{IdForm, change_key};
use super::notices::{NewNotice, NoticeContent};
use super::store::{CalendarRecord, Change, EventRecord};
use super::subscription_record::{SubscriptionRecord, Watched, list_of};

/// Queues the notices of a change.
pub(crate) fn announce(world: &mut World, event: &EventRecord, change: Change, now: DateTime<Utc>) {
    let Some(calendar) = world.provider.calendars.get(&event.calendar) else { return };
    let (owner, is_default) = (calendar.record.owner.clone(), calendar.record.is_default);
    let whole_mailbox = world.provider.quirks.whole_mailbox_subscriptions;
    let after_stop = world.notices.plan().send_after_stop;
    let concerned: Vec<SubscriptionRecord> = world
        .provider
        .subscriptions
        .all()
        .filter(|record| match &record.watched {
            Watched::Calendar(id) => *id == event.calendar,
            Watched::Mailbox => record.user == owner && (is_default || whole_mailbox),
            Watched::List => false,
        })
        .filter(|record| record.change_types.has(change.word()) && delivers(world, record))
        .filter(|record| {
            record.is_live_at(now) || (after_stop && record.stopped_at.is_some() && now < record.expires_at)
        })
        .cloned()
        .collect();
    for record in concerned {
        let form = if record.immutable_ids { IdForm::Immutable } else { IdForm::Folder };
        let id = plain_id(world.seed(), event, None, form);
        let etag = change_key(world.seed(), &format!("{}/{}/", event.calendar, event.key), event.version);
        let content = NoticeContent::Change {
            change_type: change.word().to_owned(),
            resource: format!("Users/{owner}/Events/{id}"),
            data_type: "#Microsoft.Graph.Event".to_owned(),
            etag: format!("W/\"{etag}\""),
            id,
        };
        world.queue_notice(&NewNotice { subscription: record.number, content, now });
    }
}

/// Queues the notices of those who watch the list of a user's calendars. A new one is an update to them.
pub(crate) fn announce_calendar(world: &mut World, calendar: &CalendarRecord, user: &str) {
    let Some(email) = world.provider.users.get(user).map(|user| user.email.clone()) else { return };
    if !world.provider.announces_changes {
        return;
    }
    let now = world.now_for(&list_of(&email).key(), None);
    let word = if calendar.deleted { "deleted" } else { "updated" };
    let concerned: Vec<u64> = world
        .provider
        .subscriptions
        .all()
        .filter(|record| record.watched == Watched::List && record.user == user)
        .filter(|record| record.is_live_at(now) && record.change_types.has(word) && delivers(world, record))
        .map(|record| record.number)
        .collect();
    for subscription in concerned {
        let content = NoticeContent::Change {
            change_type: word.to_owned(),
            resource: format!("Users/{user}/Calendars/{}", calendar.id),
            data_type: "#Microsoft.Graph.Calendar".to_owned(),
            etag: format!("W/\"{}\"", change_key(world.seed(), &calendar.id, calendar.revision)),
            id: calendar.id.clone(),
        };
        world.queue_notice(&NewNotice { subscription, content, now });
    }
}

/// Whether Microsoft may and can still deliver.
fn delivers(world: &World, record: &SubscriptionRecord) -> bool {
    let is_granted = world.provider.oauth.grants.get(&record.grant).is_some_and(|grant| !grant.revoked);
    is_granted && !record.is_corrupted
}
