//! Notices by the thousand: how many are accepted, and what they lead to.

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use evercal_domain::{Calendar, Clock as _, SyncReason, SystemClock};
use evercal_simulator::NoticePlan;
use serde_json::json;

use crate::effort::Effort;
use crate::fixture::Fixture;
use crate::installation::TIMEOUT;
use crate::load;
use crate::progress::{reach, say};
use crate::report::{Bar, Row, median};

/// Calls at a time, of us and of the yardstick.
const IN_FLIGHT: usize = 32;
/// The gateway's spacing of signals, and a little: the next round has to find its calendars idle.
const SPACING: Duration = Duration::from_millis(600);
const STORM_NOTICES: usize = 10_000;
const STORM_CALENDARS: usize = 50;
/// A provider does not wait for one answer before it sends the next notice. Below what the gateway takes at a time (8,192).
const STORM_IN_FLIGHT: usize = 8_000;
/// No sync for so long: the storm is over.
const QUIET: Duration = Duration::from_secs(2);
/// Syncs of one calendar that are counted.
const SYNC_RUNS_MAX: u32 = 1_000;

/// One notice to each calendar and the syncs that follow, beside one signal to each bare workflow and its activity, and
/// beside the same with activities that do the least that has to be done.
pub async fn fan_out_rows(fixture: &mut Fixture, effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let count = fixture.calendars.len();
    let work = fixture.work().await?;
    fixture.idle().await?;
    let (mut ours, mut bare, mut working) = (vec![], vec![], vec![]);
    for run in 1..=effort.heavy_runs {
        say(format!("{count} notices to {count} calendars: run {run} of {}", effort.heavy_runs));
        bare.push(fixture.yardstick.signals_to_activities(IN_FLIGHT).await?.as_secs_f64());
        // The last activity is not the last task: what one run leaves behind is not to weigh on the next.
        fixture.yardstick.idle().await?;
        for (seed, calendar) in (run * 100_000..).zip(&fixture.calendars) {
            fixture.installation.insert_silently(calendar.remote.provider_id.as_str(), 1, seed).await?;
        }
        let begun = SystemClock.now();
        let notices = fixture.notices.clone();
        let address = fixture.installation.gateway;
        let answered = load::send(address, count, IN_FLIGHT, move |number| Arc::clone(&notices[number])).await?;
        ensure!(answered.refused == 0, "{} notices were refused", answered.refused);
        let mut last = begun;
        let account = fixture.calendars[0].account_id;
        let stored = reach("calendars read", count, TIMEOUT, async || {
            let calendars = fixture.installation.store.calendars_of_account(account).await?;
            let read = calendars.iter().filter_map(|calendar| Some(calendar.last_sync.as_ref()?.finished_at));
            let read: Vec<_> = read.filter(|finished_at| *finished_at >= begun).collect();
            last = read.iter().copied().max().unwrap_or(begun);
            Ok(read.len())
        })
        .await?;
        ensure!(stored == count, "only {stored} of {count} calendars were read");
        ours.push(f64::from(i32::try_from((last - begun).num_milliseconds())?) / 1_000.0);
        fixture.idle().await?;
        // The same changes, which these have not read yet.
        working.push(fixture.yardstick.signals_to_work(IN_FLIGHT, &work).await?.as_secs_f64());
        fixture.yardstick.idle().await?;
        say(format!(
            "  {:.1} s, bare {:.1} s, with the least work {:.1} s",
            ours.last().unwrap_or(&0.0),
            bare.last().unwrap_or(&0.0),
            working.last().unwrap_or(&0.0)
        ));
    }
    let name = format!("{count} notices to {count} calendars, until all is stored");
    let beside_work = format!("{name}; beside bare workflows with the same call and a commit");
    Ok(vec![
        Row::compared(&name, "s", median(&ours), median(&bare)),
        Row::compared(&beside_work, "s", median(&ours), median(&working)).bar(Bar::RatioAtMost(1.25)),
    ])
}

/// Notices for calendars of which each is idle, while nobody works on them: what acceptance alone costs. Workers stay
/// stopped afterwards, so this comes last.
pub async fn unique_rows(fixture: &mut Fixture, effort: &Effort) -> anyhow::Result<Vec<Row>> {
    fixture.installation.stop_worker().await;
    fixture.yardstick.stop_worker().await?;
    let count = fixture.calendars.len();
    let (mut ours, mut bare) = (vec![], vec![]);
    let workflows = u32::try_from(count)?;
    for run in 1..=effort.runs {
        say(format!("unique notices: run {run} of {}", effort.runs));
        // A run of half a second is at the mercy of whatever else happens in it: several in turn are one.
        let (mut ours_taken, mut bare_taken) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..effort.unique_rounds {
            bare_taken += fixture.yardstick.signals(workflows, workflows, IN_FLIGHT).await?;
            tokio::time::sleep(SPACING).await;
            let notices = fixture.notices.clone();
            let address = fixture.installation.gateway;
            let answered = load::send(address, count, IN_FLIGHT, move |number| Arc::clone(&notices[number])).await?;
            ensure!(answered.refused == 0, "{} notices were refused", answered.refused);
            ours_taken += answered.taken;
        }
        let total = count * effort.unique_rounds;
        bare.push(load::per_second(total, bare_taken));
        ours.push(load::per_second(total, ours_taken));
    }
    let name = format!("unique notices accepted, {IN_FLIGHT} in flight, no worker");
    Ok(vec![Row::compared(&name, "/s", median(&ours), median(&bare)).bar(Bar::RatioAtLeast(0.9))])
}

/// Many notices for few calendars, whose events change before and during it.
pub async fn storm_rows(fixture: &mut Fixture, effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let (mut ours, mut bare, mut syncs, mut lost) = (vec![], vec![], 0, 0);
    for run in 1..=effort.heavy_runs {
        say(format!("storm: run {run} of {}", effort.heavy_runs));
        let workflows = u32::try_from(STORM_CALENDARS)?;
        let total = effort.bare_storm_signals;
        let taken = fixture.yardstick.signals(total, workflows, IN_FLIGHT).await?;
        bare.push(load::per_second(usize::try_from(total)?, taken));
        fixture.yardstick.idle().await?;
        let storm = storm(fixture, run).await?;
        say(format!("  {:.0} notices/s, {} refused, {} syncs", storm.per_second, storm.refused, storm.syncs_max));
        ours.push(storm.per_second);
        syncs = syncs.max(storm.syncs_max);
        lost += storm.refused + storm.different;
    }
    let name = format!("storm of {STORM_NOTICES} notices on {STORM_CALENDARS} calendars, accepted");
    let count = |name: &str, count: usize| anyhow::Ok(Row::alone(name, "", f64::from(u32::try_from(count)?)));
    Ok(vec![
        Row::compared(&name, "/s", median(&ours), median(&bare)).bar(Bar::RatioAtLeast(5.0)),
        count("syncs of one calendar in it, the most of all runs", syncs)?.bar(Bar::CountAtMost(3.0)),
        count("notices refused and calendars not equal after it, of all runs", lost)?.bar(Bar::CountAtMost(0.0)),
    ])
}

/// How a storm went.
struct Storm {
    per_second: f64,
    /// Notices that were not answered by 2xx.
    refused: usize,
    /// Syncs of the calendar that had the most.
    syncs_max: usize,
    /// Calendars whose mirror does not hold what the provider has, although its last notice came after the last change.
    different: usize,
}

async fn storm(fixture: &Fixture, run: u32) -> anyhow::Result<Storm> {
    let installation = &fixture.installation;
    let calendars = &fixture.calendars[..STORM_CALENDARS];
    for (seed, calendar) in (run * 1_000_000..).zip(calendars) {
        installation.insert_silently(calendar.remote.provider_id.as_str(), 3, seed).await?;
    }
    // The provider's own notices of the changes below would come on top of ours.
    let provider = installation.provider();
    provider.set_notice_plan(NoticePlan { drop_percent: 100, ..NoticePlan::default() })?;
    let ids: Vec<String> = calendars.iter().map(|calendar| calendar.remote.provider_id.as_str().to_owned()).collect();
    let notices = fixture.notices.clone();
    let changing = provider.clone();
    let request = move |number: usize| {
        let calendar = number % STORM_CALENDARS;
        // A change of which only the last notice for its calendar comes: lost notices are found by it.
        if number >= STORM_NOTICES - STORM_CALENDARS {
            let start = json!({"dateTime": "2026-11-26T10:00:00Z"});
            let event = json!({"summary": "last", "start": start, "end": {"dateTime": "2026-11-26T11:00:00Z"}});
            let event = event.as_object().cloned().unwrap_or_default();
            changing.insert_event(&ids[calendar], event).expect("the provider takes an event");
        }
        Arc::clone(&notices[calendar])
    };
    let begun = SystemClock.now();
    let answered = load::send(installation.gateway, STORM_NOTICES, STORM_IN_FLIGHT, request).await?;
    let equal = reach("calendars equal to the provider", STORM_CALENDARS, TIMEOUT, async || {
        installation.equal_to_provider(calendars).await
    })
    .await?;
    let syncs = syncs_when_quiet(fixture, calendars, begun).await?;
    provider.set_notice_plan(NoticePlan::default())?;
    Ok(Storm {
        per_second: answered.per_second(STORM_NOTICES),
        refused: answered.refused,
        syncs_max: syncs.into_iter().max().unwrap_or_default(),
        different: STORM_CALENDARS - equal,
    })
}

/// How often each calendar was read since `begun`, as soon as that does not change any more.
async fn syncs_when_quiet(
    fixture: &Fixture,
    calendars: &[Calendar],
    begun: chrono::DateTime<chrono::Utc>,
) -> anyhow::Result<Vec<usize>> {
    let mut before = Vec::new();
    loop {
        let mut syncs = Vec::with_capacity(calendars.len());
        for calendar in calendars {
            let runs = fixture.installation.store.sync_runs(calendar.id, SYNC_RUNS_MAX).await?;
            let ours = runs.iter().filter(|run| run.reason == SyncReason::Notice && run.started_at >= begun);
            syncs.push(ours.count());
        }
        if syncs == before {
            return Ok(syncs);
        }
        before = syncs;
        tokio::time::sleep(QUIET).await;
    }
}
