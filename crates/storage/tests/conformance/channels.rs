//! The register of channels.

use evercal_domain::{AccountId, CalendarId, Channel, ChannelEnd, ChannelId, ChannelState, RemoteChannelId, Watched};
use evercal_storage::StoreErrorKind;

use super::Database;
use super::fixtures::{Seeded, at, seeded};

fn pending(seeded: &Seeded) -> Channel {
    Channel {
        id: ChannelId::generate(),
        watched: Watched::Calendar { account_id: seeded.account, calendar_id: seeded.calendar },
        remote_id: None,
        state: ChannelState::Pending,
        created_at: at(0),
        live_at: None,
        ended_at: None,
        expires_at: at(100),
    }
}

fn remote(id: &str) -> RemoteChannelId {
    RemoteChannelId::new(id)
}

pub async fn a_channel_goes_from_pending_to_live(database: &Database) {
    let seeded = seeded(database).await;
    let channel = pending(&seeded);
    seeded.store.insert_channel(&channel).await.unwrap();
    assert_eq!(seeded.store.channel(channel.id).await.unwrap(), Some(channel.clone()));
    for seconds in [1, 2] {
        seeded.store.activate_channel(channel.id, Some(&remote("resource")), at(90), at(seconds)).await.unwrap();
    }
    let live = Channel {
        remote_id: Some(remote("resource")),
        state: ChannelState::Live,
        live_at: Some(at(1)),
        expires_at: at(90),
        ..channel.clone()
    };
    assert_eq!(seeded.store.channel(channel.id).await.unwrap(), Some(live));
    let unknown = ChannelId::generate();
    assert_eq!(seeded.store.channel(unknown).await.unwrap(), None);
    let error = seeded.store.activate_channel(unknown, Some(&remote("resource")), at(90), at(1)).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::NotFound);
}

pub async fn inserting_a_channel_twice_changes_nothing(database: &Database) {
    let seeded = seeded(database).await;
    let channel = pending(&seeded);
    seeded.store.insert_channel(&channel).await.unwrap();
    seeded.store.activate_channel(channel.id, Some(&remote("resource")), at(90), at(1)).await.unwrap();
    seeded.store.insert_channel(&channel).await.unwrap();
    assert_eq!(seeded.store.channel(channel.id).await.unwrap().unwrap().state, ChannelState::Live);
}

pub async fn an_ended_channel_stays_ended_but_learns_its_resource(database: &Database) {
    let seeded = seeded(database).await;
    for (end, other) in [(ChannelEnd::Stopped, ChannelEnd::Expired), (ChannelEnd::Expired, ChannelEnd::Stopped)] {
        let channel = pending(&seeded);
        seeded.store.insert_channel(&channel).await.unwrap();
        seeded.store.end_channel(channel.id, end, at(1)).await.unwrap();
        seeded.store.end_channel(channel.id, other, at(2)).await.unwrap();
        seeded.store.activate_channel(channel.id, Some(&remote("late answer")), at(90), at(3)).await.unwrap();
        let read = seeded.store.channel(channel.id).await.unwrap().unwrap();
        assert_eq!((read.state, read.ended_at), (end.into(), Some(at(1))));
        assert_eq!(read.remote_id, Some(remote("late answer")));
    }
}

pub async fn a_channel_that_is_extended_keeps_when_it_became_live(database: &Database) {
    let seeded = seeded(database).await;
    let channel = pending(&seeded);
    seeded.store.insert_channel(&channel).await.unwrap();
    for (expires_at, now) in [(at(90), at(1)), (at(180), at(80))] {
        seeded.store.activate_channel(channel.id, Some(&remote("theirs")), expires_at, now).await.unwrap();
    }
    let read = seeded.store.channel(channel.id).await.unwrap().unwrap();
    assert_eq!((read.state, read.live_at, read.expires_at), (ChannelState::Live, Some(at(1)), at(180)));
}

pub async fn channels_of_a_calendar_are_listed_oldest_first(database: &Database) {
    let seeded = seeded(database).await;
    let channels: Vec<Channel> = (0..3).map(|_| pending(&seeded)).collect();
    for channel in channels.iter().rev() {
        seeded.store.insert_channel(channel).await.unwrap();
    }
    assert_eq!(seeded.store.channels_of_calendar(seeded.calendar).await.unwrap(), channels);
    assert!(seeded.store.channels_of_calendar(CalendarId::generate()).await.unwrap().is_empty());
}

pub async fn channels_that_are_over_are_not_among_those_alive(database: &Database) {
    let seeded = seeded(database).await;
    let list = Watched::CalendarList { account_id: seeded.account };
    for watched in [pending(&seeded).watched, list] {
        let channels: Vec<Channel> =
            (0..4).map(|_| Channel { watched, id: ChannelId::generate(), ..pending(&seeded) }).collect();
        for channel in &channels {
            seeded.store.insert_channel(channel).await.unwrap();
        }
        seeded.store.end_channel(channels[0].id, ChannelEnd::Stopped, at(1)).await.unwrap();
        seeded.store.end_channel(channels[2].id, ChannelEnd::Expired, at(1)).await.unwrap();
        let expires_at = channels[3].expires_at;
        seeded.store.activate_channel(channels[3].id, Some(&remote("resource")), expires_at, at(1)).await.unwrap();
        let alive = seeded.store.channels_alive(watched).await.unwrap();
        let ids: Vec<ChannelId> = alive.iter().map(|channel| channel.id).collect();
        assert_eq!(ids, [channels[1].id, channels[3].id], "{watched:?}");
    }
}

pub async fn channels_of_a_list_of_calendars_are_the_accounts(database: &Database) {
    let seeded = seeded(database).await;
    let watched = Watched::CalendarList { account_id: seeded.account };
    let channels: Vec<Channel> =
        (0..2).map(|_| Channel { watched, id: ChannelId::generate(), ..pending(&seeded) }).collect();
    for channel in channels.iter().rev().chain([&pending(&seeded)]) {
        seeded.store.insert_channel(channel).await.unwrap();
    }
    assert_eq!(seeded.store.channels_of_list(seeded.account).await.unwrap(), channels);
    assert!(seeded.store.channels_of_list(AccountId::generate()).await.unwrap().is_empty());
}
