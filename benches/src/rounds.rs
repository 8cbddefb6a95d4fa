//! What a worker keeps in memory: rounds of one change in each of many calendars, measured after each round.

use std::sync::Arc;

use anyhow::{Context, ensure};
use evercal_domain::{AccountId, Calendar, Clock as _, SystemClock};

use crate::effort::Effort;
use crate::installation::{Engine, Installation, TIMEOUT};
use crate::load;
use crate::memory::resident_mb;
use crate::progress::{reach, say};
use crate::report::{Bar, Row};

const ROUNDS: u32 = 10;
/// Calendars of one account.
const CALENDARS_PER_ACCOUNT: u32 = 502;
/// Notices at a time.
const IN_FLIGHT: usize = 32;

/// One row for the beginning and one for the plateau: the most of the second half of the rounds.
pub async fn rows(engine: Engine, effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let total = effort.calendars_of_rounds;
    say(format!("{}: {ROUNDS} rounds with {total} calendars", engine.name()));
    let installation = Installation::start(engine).await?;
    let mut accounts: Vec<(AccountId, Vec<Calendar>)> = Vec::new();
    let mut left = total;
    while left > 0 {
        let count = left.min(CALENDARS_PER_ACCOUNT);
        let email = format!("user{left}@example.com");
        let ids = installation.new_user(&email, count)?;
        let account = installation.connect(&email).await?;
        accounts.push((account, installation.wait_until_mirrored(account, &ids).await?));
        left -= count;
    }
    let calendars: Vec<&Calendar> = accounts.iter().flat_map(|(_, calendars)| calendars).collect();
    let mut notices = Vec::with_capacity(calendars.len());
    for calendar in &calendars {
        notices.push(installation.notice(calendar.id).await?);
    }
    let notices: Arc<[Arc<[u8]>]> = notices.into();
    let worker = installation.worker_pid()?;
    let mut after = Vec::new();
    for round in 1..=ROUNDS {
        for (seed, calendar) in (round * 100_000..).zip(&calendars) {
            installation.insert_silently(calendar.remote.provider_id.as_str(), 1, seed).await?;
        }
        let begun = SystemClock.now();
        let requests = Arc::clone(&notices);
        let count = calendars.len();
        let answered =
            load::send(installation.gateway, count, IN_FLIGHT, move |number| Arc::clone(&requests[number])).await?;
        ensure!(answered.refused == 0, "{} notices were refused", answered.refused);
        let read = reach("calendars read", count, TIMEOUT, async || {
            let mut read = 0;
            for (account, _) in &accounts {
                let calendars = installation.store.calendars_of_account(*account).await?;
                let is_read =
                    |calendar: &&Calendar| calendar.last_sync.as_ref().is_some_and(|last| last.finished_at >= begun);
                read += calendars.iter().filter(is_read).count();
            }
            Ok(read)
        })
        .await?;
        ensure!(read == count, "only {read} of {count} calendars were read");
        let resident = resident_mb(worker)?;
        say(format!("  round {round}: {resident:.0} MB"));
        after.push(resident);
    }
    ensure!(installation.worker_pid()? == worker, "the worker was started again");
    installation.end().await;
    let first = *after.first().context("no round")?;
    let plateau = after.iter().skip(after.len() / 2).copied().fold(f64::MIN, f64::max);
    let name = |what: &str| format!("memory of the worker's process with {total} calendars, {what}");
    Ok(vec![
        Row::alone(&name("after the first round"), "MB", first),
        Row::alone(&name("the most after rounds 6 to 10"), "MB", plateau).bar(Bar::AtMost(250.0)),
    ])
}
