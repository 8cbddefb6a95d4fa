//! What most rows are measured on: an evercal with many connected calendars, and as many bare workflows on the same server.

use std::sync::Arc;

use anyhow::Context;
use evercal_domain::Calendar;
use evercal_workflows::names;

use crate::bare::{self, Yardstick};
use crate::effort::Effort;
use crate::installation::{Engine, Installation};
use crate::progress::say;
use crate::work::Work;

const USER: &str = "ada@example.com";
/// Events of an ordinary calendar, so that no mirror is empty.
const EVENTS: u32 = 5;
/// Events of the last calendar, which the reads are measured on: some hundred in a month, as in a busy calendar.
const EVENTS_OF_BUSY: u32 = 1_000;

/// Calendars and bare workflows.
pub struct Fixture {
    pub installation: Installation,
    /// In the order of the provider's calendars.
    pub calendars: Vec<Calendar>,
    /// A notice for each of them, in the same order.
    pub notices: Vec<Arc<[u8]>>,
    pub yardstick: Yardstick,
    engine: Engine,
}

impl Fixture {
    /// Connects as many calendars as the effort says.
    pub async fn start(engine: Engine, effort: &Effort) -> anyhow::Result<Self> {
        let count = effort.calendars;
        say(format!("{}: connecting {count} calendars", engine.name()));
        let installation = Installation::start(engine).await?;
        let ids = installation.new_user(USER, count)?;
        for (seed, id) in (0..).zip(&ids) {
            let events = if seed + 1 == count { EVENTS_OF_BUSY } else { EVENTS };
            installation.insert_silently(id, events, seed).await?;
        }
        let account = installation.connect(USER).await?;
        let calendars = installation.wait_until_mirrored(account, &ids).await?;
        let mut notices = Vec::with_capacity(calendars.len());
        for calendar in &calendars {
            notices.push(installation.notice(calendar.id).await?);
        }
        say(format!("{}: starting {count} bare workflows", engine.name()));
        let yardstick = Yardstick::start(count).await?;
        Ok(Self { installation, calendars, notices, yardstick, engine })
    }

    /// The first calendar.
    pub fn quiet_calendar(&self) -> anyhow::Result<&Calendar> {
        self.calendars.first().context("no calendar")
    }

    /// The one with many events.
    pub fn busy_calendar(&self) -> anyhow::Result<&Calendar> {
        self.calendars.last().context("no calendar")
    }

    /// Waits until no subscription has anything to do.
    pub async fn idle(&self) -> anyhow::Result<()> {
        let ids = self.calendars.iter().map(|calendar| names::subscription_id(calendar.id));
        bare::idle(&self.installation.temporal, ids).await
    }

    /// The least that has to be done for each calendar's changes from now on.
    pub async fn work(&self) -> anyhow::Result<Arc<Work>> {
        say(format!("{}: reading all calendars for the yardstick", self.engine.name()));
        Work::prepare(&self.installation, self.engine, USER, &self.calendars).await
    }

    /// Takes everything down.
    pub async fn end(mut self) -> anyhow::Result<()> {
        self.yardstick.stop_worker().await?;
        self.installation.end().await;
        Ok(())
    }
}
