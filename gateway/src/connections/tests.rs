use super::*;

const ONE: &str = "192.0.2.1";
const OTHER: &str = "192.0.2.2";
const PROXY: &str = "10.0.0.1";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn connections(connections_max: usize, per_peer_max: usize) -> Arc<Connections> {
    let proxies = TrustedProxies::parse("10.0.0.0/8").unwrap();
    Arc::new(Connections::new(connections_max, per_peer_max, proxies))
}

/// A connection on which something was proven and is being served.
async fn busy(connections: &Arc<Connections>, peer: &str) -> Slot {
    let slot = connections.slot(ip(peer)).await.unwrap();
    slot.connection().request_began();
    slot.connection().prove();
    slot
}

fn is_evicted(slot: &Slot) -> bool {
    slot.connection.evicted.is_cancelled()
}

#[tokio::test(start_paused = true)]
async fn a_peer_has_its_share_and_others_have_the_rest() {
    let connections = connections(4, 2);
    let slots = [busy(&connections, ONE).await, busy(&connections, ONE).await];
    assert!(connections.slot(ip(ONE)).await.is_err());
    drop(busy(&connections, OTHER).await);
    drop(slots);
    assert!(connections.slot(ip(ONE)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn addresses_of_one_network_of_ipv6_are_one_peer_and_a_mapped_address_is_the_one_of_ipv4() {
    let connections = connections(9, 1);
    let _places = [busy(&connections, "2001:db8::1").await, busy(&connections, ONE).await];
    assert!(connections.slot(ip("2001:db8::ffff:2")).await.is_err());
    assert!(connections.slot(ip("::ffff:192.0.2.1")).await.is_err());
    assert!(connections.slot(ip("2001:db8:0:1::1")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_trusted_proxy_has_no_share_and_its_idle_connections_stay() {
    let connections = connections(9, 1);
    let slots = [connections.slot(ip(PROXY)).await.unwrap(), connections.slot(ip(PROXY)).await.unwrap()];
    let cut = tokio::time::timeout(Duration::from_secs(60), slots[0].closing(Duration::from_secs(10)));
    assert!(cut.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn who_proved_nothing_makes_room_before_who_rests_and_who_is_served_never_does() {
    let connections = connections(3, 9);
    let served = busy(&connections, OTHER).await;
    let resting = busy(&connections, OTHER).await;
    resting.connection().request_ended();
    let silent = connections.slot(ip(ONE)).await.unwrap();
    let first = connections.slot(ip(OTHER)).await.unwrap();
    assert!(is_evicted(&silent) && !is_evicted(&resting));
    first.connection().prove();
    first.connection().request_began();
    let second = busy(&connections, OTHER).await;
    assert!(is_evicted(&resting) && !is_evicted(&served));
    let nobody = tokio::time::timeout(Duration::from_secs(60), connections.slot(ip(ONE))).await;
    assert!(nobody.is_err(), "all others are being served");
    drop(second);
    assert!(connections.slot(ip(ONE)).await.is_ok(), "a free slot is given at once");
}

#[tokio::test(start_paused = true)]
async fn a_burst_does_not_close_its_own_connections() {
    let connections = connections(2, 2);
    let slots = [connections.slot(ip(ONE)).await.unwrap(), connections.slot(ip(ONE)).await.unwrap()];
    assert!(connections.slot(ip(ONE)).await.is_err(), "its own are younger than what they have for a first request");
    assert!(!slots.iter().any(is_evicted));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_asks_nothing_is_closed() {
    let connections = connections(2, 2);
    let slot = connections.slot(ip(ONE)).await.unwrap();
    slot.closing(Duration::from_secs(10)).await;
    slot.connection().request_began();
    let asked = tokio::time::timeout(Duration::from_secs(60), slot.closing(Duration::from_secs(10))).await;
    assert!(asked.is_err());
}
