//! Notices: accepted only with proof, each of them counted once, none of them lost.

use evercal_domain::journal::{AuditKind, SecurityKind};
use evercal_domain::{AccountId, CalendarId, ChannelId, SyncReason, Watched};
use evercal_gateway::HEARTBEAT;
use evercal_http::{Body, HttpRequest, Method};
use evercal_simulator::{DeliveryStatus, FaultAction, FaultPlan, FaultRule};
use evercal_storage::{AuditOf, PageRequest};
use evercal_tests::{
    ChangeNotice, ProviderCall, ProviderUnderTest, USER, World, calls, channels, eventually, made, mirror,
};

fn notice(token: &str, channel: &str) -> ChangeNotice {
    ChangeNotice { channel_id: channel.to_owned(), token: token.to_owned(), remote_id: "resource".to_owned() }
}

/// A request without anything in its head that proves or says something.
fn without_headers(world: &World) -> HttpRequest {
    HttpRequest { headers: vec![], ..world.notice_request(&notice("", "")).unwrap() }
}

pub async fn a_forged_notice_is_refused_and_written_into_the_security_log<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let channel = ChannelId::generate().to_string();
    let refused = world.provider.answer_to_forged_notices();
    let answer = world.notice(&notice("v1.forged.token.of.nobody", &channel)).await.unwrap();
    assert_eq!(answer.status, refused);
    let answer = world.send(without_headers(&world)).await.unwrap();
    assert_eq!(answer.status, refused);
    eventually("the security log has it", || async {
        let events = world.store.security_events(10).await.unwrap();
        if events.iter().any(|event| event.kind == SecurityKind::NoticeRefused) { Ok(()) } else { Err(events) }
    })
    .await;
    world.end().await;
}

pub async fn a_notice_for_an_unknown_calendar_is_acknowledged_and_starts_nothing<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let claim = evercal_domain::channel_token::ChannelClaim {
        watched: Watched::Calendar { account_id: AccountId::generate(), calendar_id: CalendarId::generate() },
        channel_id: ChannelId::generate(),
    };
    let token = world.channel_token(claim);
    world.notice_is_taken(&notice(&token, &claim.channel_id.to_string())).await;
    world.end().await;
}

pub async fn orphan_channel_with_valid_token_is_stopped_once<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let (account_id, calendar) = world.connect_and_mirror().await;
    // Somebody restored an old database: the provider has a channel of ours that the register does not know.
    let orphan = ChannelId::generate();
    let claim = evercal_domain::channel_token::ChannelClaim {
        watched: Watched::Calendar { account_id, calendar_id: calendar },
        channel_id: orphan,
    };
    let token = world.channel_token(claim);
    let gateway = world.public_url().parse().unwrap();
    world.provider.open_stray_channel(USER, orphan, &token, &gateway).await.unwrap();
    world.change_events(USER, 1).await;
    let at_provider = || {
        let channels = world.control().channels().unwrap();
        channels.into_iter().find(|channel| channel.id == orphan.to_string()).unwrap()
    };
    eventually("the orphan is stopped at the provider, and in the register as over", || async {
        let (row, stopped_at) = (world.store.channel(orphan).await.unwrap(), at_provider().stopped_at);
        match row {
            Some(row) if row.state == evercal_domain::ChannelState::Stopped && stopped_at.is_some() => Ok(()),
            other => Err((other, stopped_at)),
        }
    })
    .await;
    mirror::equals_provider(&world, calendar).await;
    eventually("no sync runs", || async {
        let status = world.status(calendar).await;
        if status.syncing { Err(status) } else { Ok(()) }
    })
    .await;
    let pulls = || calls(&world, ProviderCall::ReadEvents);
    let before = pulls();
    for _ in 0..2 {
        world.notice_is_taken(&ChangeNotice::of(&at_provider())).await;
    }
    // A person's sync comes after the notices in the workflow's inbox.
    world.api(Method::POST, &format!("/v1/calendars/{calendar}/sync"), None).await.unwrap();
    made(&world, calendar, pulls() - before, 1, "only the one that a person asked for").await;
    let stops = calls(&world, ProviderCall::CloseChannel);
    made(&world, calendar, stops, 1, "it is stopped, and what comes of it later stops nothing").await;
    let entries = world.store.audit_entries(AuditOf::Calendar(calendar), &PageRequest::first(100)).await.unwrap().items;
    let stopped = entries.iter().filter(|entry| entry.kind == AuditKind::OrphanStopped).count();
    assert_eq!(stopped, 1, "the audit log has it once: {entries:#?}");
    world.end().await;
}

pub async fn hundred_notices_run_one_pull_at_a_time<P: ProviderUnderTest>() {
    let world = World::start::<P>().await;
    let (_account, calendar) = world.connect_and_mirror().await;
    let method = world.method(ProviderCall::ReadEvents);
    // The sync after the channel was opened has ended too: a notice may push that one aside, and is meant to.
    world.api(Method::POST, &format!("/v1/calendars/{calendar}/sync"), None).await.unwrap();
    eventually("nothing is read", || async {
        let status = world.status(calendar).await;
        if status.syncing { Err(status) } else { Ok(()) }
    })
    .await;
    let (before, begun) = (world.control().calls().unwrap().calls.last().unwrap().index, std::time::Instant::now());
    // Longer than the pause between two signals: pulls would meet if each signal began one.
    let slow = FaultRule { times: None, ..world.once(ProviderCall::ReadEvents, FaultAction::Delay { delay_ms: 700 }) };
    world.control().set_faults(FaultPlan { rules: vec![slow], random: None }).unwrap();
    world.change_events(USER, 100).await;
    mirror::equals_provider(&world, calendar).await;
    eventually("all notices are delivered", || async {
        let waiting = world.control().deliveries().unwrap().count(DeliveryStatus::Pending);
        if waiting == 0 { Ok(()) } else { Err(waiting) }
    })
    .await;
    // A person's sync comes after them in the workflow's inbox: when it is done, so are they.
    world.api(Method::POST, &format!("/v1/calendars/{calendar}/sync"), None).await.unwrap();
    let calls = world.control().calls().unwrap().calls;
    let pulls: Vec<_> = calls.iter().filter(|call| call.index > before && call.method == method).collect();
    // Signals are half a second apart, however long the notices take to come.
    let pulls_max = (begun.elapsed().as_millis() / 500 + 2).max(30);
    assert!(!pulls.is_empty() && (pulls.len() as u128) <= pulls_max, "{} pulls for 100 notices", pulls.len());
    // Routine may have been at work when the first notice came (a machine under load lets the gateway catch up), and is pushed
    // aside by it while its page is still on the way. Notices never do that to each other.
    let together: Vec<_> = pulls.windows(2).filter(|pair| pair[0].ended_at > pair[1].at).collect();
    assert!(together.len() <= 1, "two pulls at a time: {together:#?}");
    world.end().await;
}

pub async fn notices_that_nobody_took_are_made_good_by_the_next_gateway<P: ProviderUnderTest>() {
    let mut world = World::start::<P>().await;
    let (_account, calendar) = world.connect_and_mirror().await;
    let pulls = |world: &World| calls(world, ProviderCall::ReadEvents);
    // The sync after the channel was opened has ended too, and nothing else is due for hours.
    world.api(Method::POST, &format!("/v1/calendars/{calendar}/sync"), None).await.unwrap();
    eventually("nothing is read, and a gateway was here", || async {
        let (status, beat) = (world.status(calendar).await, world.store.last_beat(HEARTBEAT).await.unwrap());
        if !status.syncing && beat.is_some() { Ok(()) } else { Err((status, beat)) }
    })
    .await;
    world.stop_gateway().await;
    let before = pulls(&world);
    world.change_events(USER, 5).await;
    eventually("the provider has given the notices up", || async {
        let deliveries = world.control().deliveries().unwrap();
        let (waiting, lost) = (deliveries.count(DeliveryStatus::Pending), deliveries.count(DeliveryStatus::Refused));
        if waiting == 0 && lost >= 5 { Ok(()) } else { Err((waiting, lost)) }
    })
    .await;
    assert_eq!(pulls(&world), before, "nobody knows of the changes");
    world.start_gateway().await.unwrap();
    mirror::equals_provider(&world, calendar).await;
    eventually("the sync log says why", || async {
        let runs = world.store.sync_runs(calendar, 20).await.unwrap();
        match runs.iter().find(|run| run.changes > 0) {
            Some(run) if run.reason == SyncReason::CatchUp => Ok(()),
            _ => Err(runs),
        }
    })
    .await;
    world.end().await;
}

pub async fn bad_input_gets_its_answer_and_a_real_change_right_after_is_not_lost<P: ProviderUnderTest>() {
    const TEN_MEGABYTES: usize = 10 * 1024 * 1024;
    let world = World::start::<P>().await;
    let (_account, calendar) = world.connect_and_mirror().await;
    let channel = channels::of_events(&world).pop().unwrap();
    let forged = world.notice(&notice("v1.k.forged.token.of.nobody", &channel.id)).await.unwrap();
    let refused = world.provider.answer_to_forged_notices();
    assert_eq!(forged.status, refused);
    assert_eq!(world.send(without_headers(&world)).await.unwrap().status, refused);
    let large = serde_json::Value::String("x".repeat(TEN_MEGABYTES));
    let genuine = world.notice_request(&ChangeNotice::of(&channel)).unwrap();
    assert_eq!(world.send(HttpRequest { body: Body::Json(large), ..genuine }).await.unwrap().status, 413);
    let wrong = evercal_domain::account::Secret::new("evk_wrong");
    let path = format!("/v1/calendars/{calendar}/events");
    assert_eq!(world.call(Method::GET, &path, None, Some(&wrong)).await.unwrap().status, 401);
    assert_eq!(world.call(Method::GET, &path, None, None).await.unwrap().status, 401);
    for bad in
        ["?from=yesterday&to=2026-12-01T00:00:00Z", "?from=2026-12-02T00:00:00Z&to=2026-12-01T00:00:00Z", "?cursor=%00"]
    {
        let answer = world.call(Method::GET, &format!("{path}{bad}"), None, Some(&world.api_key)).await.unwrap();
        assert_eq!(answer.status, 400, "{bad}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{bad}");
    }
    let nobody = format!("/v1/calendars/{}", CalendarId::generate());
    assert_eq!(world.call(Method::GET, &nobody, None, Some(&world.api_key)).await.unwrap().status, 404);

    world.change_events(USER, 3).await;
    mirror::equals_provider(&world, calendar).await;
    eventually("what was refused is in the security log", || async {
        let events = world.store.security_events(20).await.unwrap();
        let kinds = [SecurityKind::NoticeRefused, SecurityKind::ApiKeyRefused];
        if kinds.iter().all(|kind| events.iter().any(|event| event.kind == *kind)) { Ok(()) } else { Err(events) }
    })
    .await;
    world.end().await;
}
