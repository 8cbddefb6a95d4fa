//! Notices one at a time: how long until what they announce is stored, and how many events of Temporal's history they cost.

use std::time::Duration;

use anyhow::{Context, ensure};
use evercal_domain::SyncReason;
use evercal_workflows::names;
use serde_json::json;

use crate::bare::history_events;
use crate::effort::Effort;
use crate::fixture::Fixture;
use crate::installation::TIMEOUT;
use crate::progress::{reach, say};
use crate::report::{Bar, Row, median, percentile};

/// The pause between two notices at light load: longer than the gateway's spacing of signals.
const LIGHT_LOAD_PAUSE: Duration = Duration::from_millis(700);
/// Notices by which the history of a subscription grows; few enough that no run continues as new meanwhile.
const CYCLES: u32 = 5;

/// From the notice's arrival at the gateway to the commit, beside a bare signal's way to its activity.
pub async fn rows(fixture: &mut Fixture, effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let (mut p50, mut p99, mut bare_p50, mut bare_p99) = (vec![], vec![], vec![], vec![]);
    for run in 1..=effort.runs {
        say(format!("notice → stored: run {run} of {}", effort.runs));
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..effort.latency_samples {
            bare.push(fixture.yardstick.signal_to_activity().await?.as_secs_f64() * 1_000.0);
            ours.push(notice_to_stored_ms(fixture).await?);
            tokio::time::sleep(LIGHT_LOAD_PAUSE).await;
        }
        p50.push(percentile(&ours, 50));
        p99.push(percentile(&ours, 99));
        bare_p50.push(percentile(&bare, 50));
        bare_p99.push(percentile(&bare, 99));
    }
    let row = |name, ours: &[f64], bare: &[f64]| Row::compared(name, "ms", median(ours), median(bare));
    Ok(vec![
        row("notice → stored at light load, p50", &p50, &bare_p50).bar(Bar::RatioAtMost(1.6)),
        row("notice → stored at light load, p99", &p99, &bare_p99),
    ])
}

/// What one notice adds to the history, from the signal to the end of its sync.
pub async fn history_rows(fixture: &mut Fixture, effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let (mut ours, mut bare) = (vec![], vec![]);
    for run in 1..=effort.heavy_runs {
        say(format!("history events per cycle: run {run} of {}", effort.heavy_runs));
        let calendar = fixture.quiet_calendar()?.id;
        let subscription = names::subscription_id(calendar);
        let syncs_before = notice_syncs(fixture).await?;
        let before = history_events(&fixture.installation.temporal, &subscription).await?;
        let bare_before = fixture.yardstick.history_events().await?;
        for _ in 0..CYCLES {
            fixture.yardstick.signal_to_activity().await?;
            notice_to_stored_ms(fixture).await?;
            tokio::time::sleep(LIGHT_LOAD_PAUSE).await;
        }
        let after = history_events(&fixture.installation.temporal, &subscription).await?;
        let bare_after = fixture.yardstick.history_events().await?;
        let syncs = notice_syncs(fixture).await? - syncs_before;
        ensure!(
            after > before && syncs > 0,
            "the subscription continued as new meanwhile: {before} then {after} events"
        );
        ours.push(per(after - before, syncs)?);
        bare.push(per(bare_after - bare_before, CYCLES as usize)?);
    }
    Ok(vec![Row::compared("history events per notice and its sync", "", median(&ours), median(&bare))])
}

fn per(events: i64, cycles: usize) -> anyhow::Result<f64> {
    Ok(f64::from(i32::try_from(events)?) / f64::from(u32::try_from(cycles)?))
}

async fn notice_syncs(fixture: &Fixture) -> anyhow::Result<usize> {
    let runs = fixture.installation.store.sync_runs(fixture.quiet_calendar()?.id, 10_000).await?;
    Ok(runs.iter().filter(|run| run.reason == SyncReason::Notice).count())
}

/// Changes an event at the provider, which sends a notice, and waits: the milliseconds from the notice's arrival at the
/// gateway to the commit of what it announced, as the product itself records them.
async fn notice_to_stored_ms(fixture: &Fixture) -> anyhow::Result<f64> {
    let (installation, calendar) = (&fixture.installation, fixture.quiet_calendar()?);
    let last_sync = async || -> anyhow::Result<_> {
        Ok(installation.store.calendar(calendar.id).await?.context("a calendar")?.last_sync)
    };
    let before = last_sync().await?.context("the calendar was read before")?.finished_at;
    let bulk = json!({"calendar": calendar.remote.provider_id.as_str(), "count": 1, "seed": 1});
    installation.provider().make_changes(&serde_json::from_value(bulk)?).await?;
    let mut found = None;
    reach("the change is stored", 1, TIMEOUT, async || {
        found = last_sync().await?.filter(|sync| sync.finished_at != before);
        Ok(usize::from(found.is_some()))
    })
    .await?;
    let ms = found.and_then(|sync| sync.notice_to_stored_ms).context("no sync answered the notice")?;
    Ok(f64::from(i32::try_from(ms)?))
}
