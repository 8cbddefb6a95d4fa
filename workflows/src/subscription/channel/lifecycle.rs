//! What a subscription does about what its provider says of the channel itself. A hint like any notice: the timer and the
//! reconcile find out the same, only later.

use evercal_domain::{LifecycleEvent, UnixMs};

use super::{Push, WantedChannel};
use crate::contract::Lifecycle;

/// The least pause between two extensions of a channel, in milliseconds.
const EXTENSION_PAUSE_MS: i64 = 10 * 60_000;

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::subscription) enum LifecycleStep {
    /// Nothing: it is late, or was heard before.
    Nothing,
    /// Extend the channel, then.
    Extend {
        /// When.
        at: UnixMs,
    },
    /// Open another channel in its place.
    Replace,
    /// Read what changed.
    Sync,
}

/// Decides what it leads to.
pub(in crate::subscription) fn decide(push: &Push, lifecycle: &Lifecycle, now: UnixMs) -> LifecycleStep {
    // Whatever channel lost notices, what they would have announced can be read.
    if lifecycle.event == LifecycleEvent::NoticesLost {
        return LifecycleStep::Sync;
    }
    let Push::Wanted(WantedChannel { live: Some(live), extension, .. }) = push else { return LifecycleStep::Nothing };
    if lifecycle.channel.as_ref().is_none_or(|hint| !live.is_of(hint)) {
        return LifecycleStep::Nothing;
    }
    match lifecycle.event {
        LifecycleEvent::Removed => LifecycleStep::Replace,
        LifecycleEvent::MustBeExtended if extension.is_some_and(|asked| asked.expires_at == live.expires_at) => {
            LifecycleStep::Nothing
        }
        LifecycleEvent::MustBeExtended => {
            LifecycleStep::Extend { at: now.max(live.opened_at.plus_ms(EXTENSION_PAUSE_MS)) }
        }
        LifecycleEvent::NoticesLost | LifecycleEvent::Unknown => LifecycleStep::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::ChannelHint;
    use crate::retry::Timing;
    use crate::subscription::SubscriptionState;
    use crate::subscription::channel::decide::attempt_due;
    use crate::subscription::tests::builders;

    const HOUR_MS: i64 = 3_600_000;
    const START: UnixMs = UnixMs::EPOCH;

    fn watched() -> (SubscriptionState, ChannelHint) {
        let live = builders::live(START, START.plus_ms(72 * HOUR_MS));
        let hint = ChannelHint { channel_id: live.channel_id, remote_id: None, announces_change: false };
        (SubscriptionState::watched_by(live), hint)
    }

    fn says(state: &mut SubscriptionState, event: LifecycleEvent, hint: &ChannelHint, now: UnixMs) {
        state.lifecycle(&Lifecycle { event, channel: Some(hint.clone()) }, now);
    }

    fn due_ms(state: &SubscriptionState) -> i64 {
        let due = attempt_due(state, &Timing::default(), "cal_a").unwrap();
        due.left_ms(START)
    }

    /// The activity answers that the end of the channel is put off.
    fn extend(state: &mut SubscriptionState, now: UnixMs, expires_at: UnixMs) {
        let live = state.channel.push.live().cloned().unwrap();
        state.channel_opened(&crate::contract::ChannelOpened {
            channel_id: live.channel_id,
            remote_id: live.remote_id,
            opened_at: now,
            expires_at,
            superseded: vec![],
            kept: true,
        });
    }

    #[test]
    fn a_channel_is_extended_when_the_provider_asks_once_in_its_life_and_then_read() {
        let (mut state, hint) = watched();
        let asked_at = START.plus_ms(HOUR_MS);
        says(&mut state, LifecycleEvent::MustBeExtended, &hint, asked_at);
        assert_eq!((due_ms(&state), &state.sync.pending), (HOUR_MS, &None), "at once");
        extend(&mut state, asked_at, START.plus_ms(73 * HOUR_MS));
        assert!(state.sync.pending.take().is_some(), "what it announces may have paused");

        says(&mut state, LifecycleEvent::MustBeExtended, &hint, asked_at.plus_ms(1));
        assert_eq!(due_ms(&state), HOUR_MS + EXTENSION_PAUSE_MS, "another life: asked again, it is not done at once");
        let expires_at = state.channel.push.live().unwrap().expires_at;
        extend(&mut state, asked_at.plus_ms(EXTENSION_PAUSE_MS), expires_at);
        let planned_ms = due_ms(&state);
        says(&mut state, LifecycleEvent::MustBeExtended, &hint, asked_at.plus_ms(2 * EXTENSION_PAUSE_MS));
        assert_eq!(due_ms(&state), planned_ms, "of one life once, whatever it was extended by");
    }

    #[test]
    fn a_renewal_that_is_due_anyway_is_not_put_off_and_reads_nothing() {
        let (mut state, _) = watched();
        extend(&mut state, START.plus_ms(50 * HOUR_MS), START.plus_ms(122 * HOUR_MS));
        assert_eq!(state.sync.pending, None);
        let (mut state, hint) = watched();
        let planned_ms = due_ms(&state);
        says(&mut state, LifecycleEvent::MustBeExtended, &hint, START.plus_ms(70 * HOUR_MS));
        assert_eq!(due_ms(&state), planned_ms);
    }

    #[test]
    fn a_channel_that_was_removed_is_replaced_and_lost_notices_are_read_for() {
        let (mut state, hint) = watched();
        says(&mut state, LifecycleEvent::Removed, &hint, START);
        assert_eq!(due_ms(&state), 0);
        let (mut state, hint) = watched();
        says(&mut state, LifecycleEvent::NoticesLost, &hint, START);
        assert!(state.sync.pending.is_some());
    }

    #[test]
    fn what_is_said_of_another_channel_or_is_not_known_does_nothing() {
        let (state, own) = watched();
        let (_, other) = watched();
        for (event, hint) in [
            (LifecycleEvent::Removed, &other),
            (LifecycleEvent::MustBeExtended, &other),
            (LifecycleEvent::Unknown, &own),
        ] {
            let mut told = state.clone();
            says(&mut told, event, hint, START);
            assert_eq!(told, state, "{event:?}");
            told.lifecycle(&Lifecycle { event, channel: None }, START);
            assert_eq!(told, state, "{event:?}, sent by hand");
        }
    }
}
