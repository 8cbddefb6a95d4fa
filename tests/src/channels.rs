//! Comparing the provider's channels with the register: no channel may live that nobody owns.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use evercal_domain::{CalendarId, ChannelState};
use evercal_simulator::{ChannelReport, Collection};

use crate::wait::eventually;
use crate::world::World;

/// Waits until exactly `count` channels of a calendar live at the provider, and until they are those that the register
/// has as live.
pub async fn are_owned(world: &World, calendar: CalendarId, count: usize) {
    let row = world.store.calendar(calendar).await.expect("the store answers").expect("a row");
    let provider_id = row.remote.provider_id.as_str().to_owned();
    eventually("the channels at the provider are those of the register", || async {
        let alive = alive_at_provider(world, &provider_id);
        let registered = world.store.channels_of_calendar(calendar).await.expect("the register");
        let live = registered.iter().filter(|channel| channel.state == ChannelState::Live);
        let owned: BTreeSet<String> = live.map(|channel| channel.id.to_string()).collect();
        if alive == owned && alive.len() == count { Ok(()) } else { Err((alive, registered)) }
    })
    .await;
}

/// When each channel of a calendar ends that the register has as live, by its id.
pub async fn ends_in_register(world: &World, calendar: CalendarId) -> BTreeMap<String, DateTime<Utc>> {
    let registered = world.store.channels_of_calendar(calendar).await.expect("the register").into_iter();
    let live = registered.filter(|channel| channel.state == ChannelState::Live);
    live.map(|channel| (channel.id.to_string(), channel.expires_at)).collect()
}

/// The provider's channels on events, in the order of creation: without those on lists of calendars.
pub fn of_events(world: &World) -> Vec<ChannelReport> {
    let channels = world.control().channels().expect("the provider's channels").into_iter();
    channels.filter(|channel| matches!(channel.collection, Collection::Events { .. })).collect()
}

/// The provider's channels on a user's list of calendars, in the order of creation.
pub fn of_list(world: &World, user: &str) -> Vec<ChannelReport> {
    let watched = Collection::CalendarList { user: user.to_owned() };
    let channels = world.control().channels().expect("the provider's channels").into_iter();
    channels.filter(|channel| channel.collection == watched).collect()
}

/// Waits until no channel on a calendar lives at the provider.
pub async fn are_stopped(world: &World, provider_id: &str) {
    eventually("all channels are stopped", || async {
        let alive = alive_at_provider(world, provider_id);
        if alive.is_empty() { Ok(()) } else { Err(alive) }
    })
    .await;
}

/// The ids of the channels that live at the provider.
pub fn alive_at_provider(world: &World, provider_id: &str) -> BTreeSet<String> {
    let watched = Collection::Events { calendar: world.provider.calendar_named(provider_id) };
    let channels = world.control().channels().expect("the provider's channels").into_iter();
    channels.filter(|channel| channel.live && channel.collection == watched).map(|channel| channel.id).collect()
}
