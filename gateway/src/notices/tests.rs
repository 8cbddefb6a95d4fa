use evercal_domain::{ChannelId, RemoteChannelId, SyncReason, UnixMs};
use proptest::prelude::*;

use super::*;

fn notice(channel_id: ChannelId, received_at_ms: i64, announces_change: bool, remote_id: Option<&str>) -> Notify {
    let hint = ChannelHint { channel_id, remote_id: remote_id.map(RemoteChannelId::new), announces_change };
    let received_at = Some(UnixMs::new(received_at_ms));
    Notify { reason: SyncReason::Notice, notices: 1, received_at, channels: vec![hint], priority: None }
}

#[test]
fn merged_notices_keep_the_earliest_arrival_and_name_each_channel_once() {
    let (old, new) = (ChannelId::generate(), ChannelId::generate());
    let mut merged = notice(old, 20, false, None);
    for next in [notice(new, 10, true, Some("r2")), notice(old, 30, true, Some("r1")), notice(old, 40, false, None)] {
        merge(&mut merged, next);
    }
    assert_eq!((merged.notices, merged.received_at), (4, Some(UnixMs::new(10))));
    let hint = |channel_id, remote_id: &str| ChannelHint {
        channel_id,
        remote_id: Some(RemoteChannelId::new(remote_id)),
        announces_change: true,
    };
    assert_eq!(merged.channels, [hint(old, "r1"), hint(new, "r2")]);
}

#[test]
fn what_a_provider_made_twice_under_one_id_are_two_channels() {
    let id = ChannelId::generate();
    let mut merged = notice(id, 1, true, Some("r1"));
    merge(&mut merged, notice(id, 2, true, Some("r2")));
    merge(&mut merged, notice(id, 3, true, Some("r1")));
    assert_eq!((merged.channels.len(), merged.notices), (2, 3));
}

#[test]
fn merged_notices_are_as_urgent_as_the_most_urgent_of_them() {
    use evercal_domain::Priority::{High, Medium};
    let of = |priority| Notify { priority, ..notice(ChannelId::generate(), 1, true, None) };
    for (one, next, merged) in [
        (Some(Medium), Some(Medium), Some(Medium)),
        (Some(Medium), Some(High), Some(High)),
        (Some(High), Some(Medium), Some(High)),
        (Some(Medium), None, Some(High)),
        (None, Some(Medium), Some(High)),
        (None, None, None),
    ] {
        let mut into = of(one);
        merge(&mut into, of(next));
        assert_eq!(into.priority, merged, "{one:?} and {next:?}");
    }
}

proptest! {
    #[test]
    fn no_announced_change_is_lost_by_merging(announcing in proptest::collection::vec((0_usize..3, any::<bool>()), 1..40)) {
        let channels = [ChannelId::generate(), ChannelId::generate(), ChannelId::generate()];
        let notices = announcing.iter().map(|(channel, change)| notice(channels[*channel], 1, *change, None));
        let merged = notices.reduce(|mut merged, next| { merge(&mut merged, next); merged }).unwrap();
        for (number, channel) in channels.into_iter().enumerate() {
            let expected = announcing.iter().any(|(of, change)| *of == number && *change);
            let announced = merged.channels.iter().any(|hint| hint.channel_id == channel && hint.announces_change);
            prop_assert_eq!(announced, expected);
        }
        prop_assert_eq!(merged.notices as usize, announcing.len());
    }
}
