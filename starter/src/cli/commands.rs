//! What each command asks, and how its answer is shown.

use std::io::{IsTerminal as _, Write as _};

use chrono::{DateTime, Utc};
use comfy_table::Cell;
use evercal_domain::Clock;
use serde_json::{Value, json};

use super::answers::{
    Account, Calendar, Consent, Events, Health, LastSync, List, Mirror, Progress, Quarantined, Status, Sync, Workflow,
    read,
};
use super::client::ApiClient;
use super::error::{CliError, Failure};
use super::resolve;
use super::table::{self, Column, Screen, fields, plain, state, text};
use super::times::{Span, Window, in_full, relative};
use super::{ConnectOptions, EventsOptions};

/// What commands work with.
pub struct Session<'a> {
    /// Whom they ask.
    pub api: ApiClient,
    /// Ages are counted from its time.
    pub clock: &'a dyn Clock,
    /// What they write for.
    pub screen: Screen,
    /// Whether they answer in JSON.
    pub json: bool,
}

impl Session<'_> {
    /// `evercal connect`
    pub async fn connect(&self, command: &ConnectOptions) -> Result<String, CliError> {
        let said =
            [("label", &command.label), ("login_hint", &command.login_hint), ("account_id", &command.account_id)];
        let mut request: serde_json::Map<String, Value> =
            said.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?)))).collect();
        if command.allow_duplicate {
            request.insert("allow_duplicate".to_owned(), json!(true));
        }
        let answer = self.api.post_json(&["oauth", &command.provider, "start"], request.into()).await?;
        if self.json {
            return Ok(pretty(&answer));
        }
        let consent: Consent = read(&self.api, answer)?;
        Ok(format!(
            "Open this address in the browser of the person whose calendars they are, until {}:\n\n{}\n\n\
             `evercal accounts` then shows the account as {}.\n",
            in_full(consent.expires_at),
            plain(&consent.authorization_url),
            plain(&consent.account_id)
        ))
    }

    /// `evercal accounts`
    pub async fn accounts(&self, limit: Option<u32>) -> Result<String, CliError> {
        let answer = self.api.list(&["accounts"], &[], limit).await?;
        if self.json {
            return Ok(pretty(&answer));
        }
        let list: List<Account> = read(&self.api, answer)?;
        if list.items.is_empty() {
            return Ok("No account is connected. `evercal connect` begins to connect one.\n".to_owned());
        }
        let columns = [
            Column::Whole("ID"),
            Column::Whole("PROVIDER"),
            Column::Elastic("LABEL"),
            Column::Whole("STATE"),
            Column::Whole("CONNECTED"),
            Column::Elastic("DETAIL"),
        ];
        let rows = list.items.iter().map(|account| {
            [
                Cell::new(account.id),
                text(&account.provider),
                text(&account.label),
                state(&account.state),
                Cell::new(self.relative(account.created_at)),
                text(account.detail.as_deref().unwrap_or_default()),
            ]
        });
        Ok(table::list(self.screen, columns, rows) + more(&list))
    }

    /// `evercal calendars`
    pub async fn calendars(&self, limit: Option<u32>) -> Result<String, CliError> {
        let answer = self.api.list(&["calendars"], &[], limit).await?;
        if self.json {
            return Ok(pretty(&answer));
        }
        let list: List<Calendar> = read(&self.api, answer)?;
        if list.items.is_empty() {
            return Ok("There are no calendars yet. `evercal accounts` shows what is being connected.\n".to_owned());
        }
        let columns = [
            Column::Whole("ID"),
            Column::Elastic("TITLE"),
            Column::Whole("STATE"),
            Column::Whole("EXPIRES"),
            Column::Whole("LAST SYNC"),
            Column::Number("EVENTS"),
        ];
        let rows = list.items.iter().map(|calendar| {
            let Mirror { channel_expires_at, last_sync, event_count, .. } = &calendar.mirror;
            [
                Cell::new(calendar.id),
                text(&calendar.title),
                state(&calendar.mirror.state),
                Cell::new(self.relative_or_none(*channel_expires_at)),
                Cell::new(self.relative_or_none(last_sync.as_ref().map(|sync| sync.finished_at))),
                Cell::new(event_count),
            ]
        });
        Ok(table::list(self.screen, columns, rows) + more(&list))
    }

    /// `evercal events`
    pub async fn events(&self, command: &EventsOptions) -> Result<String, CliError> {
        let calendar: Calendar = resolve::find(&self.api, &command.calendar.calendar).await?;
        let window = Window::new(command.from, command.to, calendar.time_zone.as_deref(), self.clock.now())?;
        let (from, to) = window.edges();
        let path = ["calendars", &calendar.id.to_string(), "events"];
        let answer = self.api.list(&path, &[("from", &from), ("to", &to)], Some(command.limit)).await?;
        if self.json {
            return Ok(pretty(&answer));
        }
        let events: Events = read(&self.api, answer)?;
        let freshness = self.freshness(events.confirmed_at, events.via.as_deref());
        let summary = format!(
            "{}, {window}: {} shown, {freshness}, {}.\n",
            plain(&calendar.title),
            events.list.items.len(),
            plain(&events.state).replace('_', " "),
        );
        if events.list.items.is_empty() {
            return Ok(summary);
        }
        let columns = [
            Column::Whole("STARTS"),
            Column::Whole("ENDS"),
            Column::Elastic("ZONE"),
            Column::Elastic("TITLE"),
            Column::Elastic("PLACE"),
        ];
        let rows = events.list.items.iter().map(|occurrence| {
            let Span { starts, ends, zone } = Span::of(&occurrence.start, &occurrence.end);
            let mut title = occurrence.title.clone().unwrap_or_else(|| "(no title)".to_owned());
            if occurrence.status == "tentative" {
                title.insert_str(0, "(tentative) ");
            }
            let place = occurrence.location.as_deref().unwrap_or_default();
            [Cell::new(starts), Cell::new(ends), text(&zone), text(&title), text(place)]
        });
        Ok(format!("{}\n{summary}{}", table::list(self.screen, columns, rows), more(&events.list)))
    }

    /// `evercal status`
    pub async fn status(&self, wanted: &str) -> Result<String, CliError> {
        let calendar: Calendar = resolve::find(&self.api, wanted).await?;
        let id = calendar.id.to_string();
        let answer = self.api.get(&["calendars", &id, "status"]).await?;
        if self.json {
            return Ok(pretty(&answer));
        }
        let status: Status = read(&self.api, answer)?;
        let health: Health = read(&self.api, self.api.health().await?)?;
        let mirror = &status.mirror;
        let mut rows = vec![
            ("Calendar", text(&format!("{} ({id})", calendar.title))),
            ("Account", text(&status.account_id)),
            ("State", state(&mirror.state)),
            ("Since", Cell::new(self.both(mirror.state_changed_at))),
        ];
        if let Some(detail) = &mirror.detail {
            rows.push(("Detail", text(detail)));
        }
        for problem in &health.problems {
            let since = problem.since.map(|at| format!(" (since {})", self.both(at))).unwrap_or_default();
            rows.push(("Evercal", text(&format!("{}: {}{since}", health.status, problem.detail))));
        }
        let expires = mirror.channel_expires_at.map_or_else(|| "no channel".to_owned(), |at| self.both(at));
        rows.push(("Channel until", Cell::new(expires)));
        rows.push(("Mirror", text(&self.freshness(mirror.confirmed_at, mirror.via.as_deref()))));
        rows.push(("Last sync", Cell::new(self.last_sync(mirror.last_sync.as_ref()))));
        rows.push(("Events", Cell::new(mirror.event_count)));
        rows.push(("Workflow", text(&workflow(&status.workflow))));
        // A line of its own, however long: an address that is broken into two lines cannot be followed.
        let ui = self.api.target().temporal_ui.as_deref().unwrap_or("(its address)").trim_end_matches('/');
        let history = format!("\nIts history in the Temporal UI:\n{}{}\n", plain(ui), plain(&status.workflow.ui_path));
        Ok(fields(self.screen, rows) + &self.quarantined(&status) + &history)
    }

    /// `evercal sync`
    pub async fn sync(&self, wanted: &str) -> Result<String, CliError> {
        let calendar: Calendar = resolve::find(&self.api, wanted).await?;
        let id = calendar.id.to_string();
        let title = plain(&calendar.title);
        let advice = format!("`evercal status {id}` shows how it goes");
        let answer = self.api.post(&["calendars", &id, "sync"], &format!("Syncing {title}")).await.map_err(
            |error| match error.failure {
                Failure::Error => CliError { advice: advice.clone(), ..error },
                _ => error,
            },
        )?;
        if self.json {
            return Ok(pretty(&answer));
        }
        let sync: Sync = read(&self.api, answer)?;
        Ok(match sync.changes {
            Some(0) => format!("{title} is in sync: nothing had changed.\n"),
            Some(1) => format!("{title} is in sync: 1 change found.\n"),
            Some(changes) => format!("{title} is in sync: {changes} changes found.\n"),
            None => format!("{title}: the sync is under way and goes on by itself.\n{advice}.\n"),
        })
    }

    /// `evercal refresh`
    pub async fn refresh(&self, wanted: &str) -> Result<String, CliError> {
        let account: Account = resolve::find(&self.api, wanted).await?;
        let label = plain(&account.label);
        let path = ["accounts", &account.id.to_string(), "refresh"];
        let answer = self.api.post(&path, &format!("Listing the calendars of {label}")).await?;
        if self.json {
            return Ok(pretty(&answer));
        }
        let refresh: Progress = read(&self.api, answer)?;
        Ok(match refresh.state.as_str() {
            "done" => format!("The list of calendars of {label} was read. `evercal calendars` shows them.\n"),
            _ => format!(
                "{label}: the list of calendars is going to be read. `evercal accounts` shows what it waits for.\n"
            ),
        })
    }

    /// `evercal disconnect`
    pub async fn disconnect(&self, wanted: &str, yes: bool) -> Result<String, CliError> {
        let may_ask = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if !yes && !may_ask {
            return Err(CliError::usage("there is no terminal to ask on", "give --yes to disconnect without asking"));
        }
        let account: Account = resolve::find(&self.api, wanted).await?;
        let (id, label) = (account.id.to_string(), plain(&account.label));
        if !yes && !confirmed(&format!("Disconnect {label} ({id})? Its calendars are no longer kept fresh. [y/N] "))? {
            return Err(CliError::new(Failure::Error, "nothing was done", "answer y, or give --yes, to disconnect it"));
        }
        let answer = self.api.delete(&["accounts", &id]).await?;
        if self.json {
            return Ok(pretty(&answer));
        }
        let disconnect: Progress = read(&self.api, answer)?;
        Ok(if disconnect.state == "disconnected" {
            format!("{label} is disconnected already.\n")
        } else {
            format!(
                "{label} is being disconnected: its channels are stopped, then its tokens are erased.\n\
                 `evercal accounts` shows when that is done.\n"
            )
        })
    }

    fn relative(&self, at: DateTime<Utc>) -> String {
        relative(self.clock.now(), at)
    }

    fn relative_or_none(&self, at: Option<DateTime<Utc>>) -> String {
        at.map_or_else(|| "–".to_owned(), |at| self.relative(at))
    }

    fn both(&self, at: DateTime<Utc>) -> String {
        format!("{} ({})", self.relative(at), in_full(at))
    }

    /// When we last knew the mirror to be complete.
    fn freshness(&self, confirmed_at: Option<DateTime<Utc>>, via: Option<&str>) -> String {
        let via = via.map_or_else(String::new, |via| format!(" by {}", plain(via)));
        confirmed_at
            .map_or_else(|| "not complete yet".to_owned(), |at| format!("complete as of {}{via}", self.relative(at)))
    }

    fn last_sync(&self, sync: Option<&LastSync>) -> String {
        let Some(LastSync { finished_at, changes, notice_to_stored_ms }) = sync else {
            return "none yet".to_owned();
        };
        let changes = if *changes == 1 { "1 change".to_owned() } else { format!("{changes} changes") };
        let latency = notice_to_stored_ms.map_or_else(String::new, |ms| format!(", {ms} ms from notice to stored"));
        format!("{}, {changes}{latency}", self.relative(*finished_at))
    }

    /// The events that could not be read; nothing where there are none.
    fn quarantined(&self, status: &Status) -> String {
        if status.quarantined.is_empty() {
            return String::new();
        }
        let columns = [Column::Whole("SINCE"), Column::Elastic("EVENT"), Column::Elastic("REASON")];
        let rows = status.quarantined.iter().map(|Quarantined { event_id, reason, since }| {
            [Cell::new(self.relative(*since)), text(event_id.as_deref().unwrap_or("unknown")), text(reason)]
        });
        let more = if status.more_quarantined { "There are more.\n" } else { "" };
        format!("\nEvents that could not be read:\n{}{more}", table::list(self.screen, columns, rows))
    }
}

/// A workflow by its id, and what is wrong with it.
fn workflow(workflow: &Workflow) -> String {
    match workflow.state.as_str() {
        "missing" => format!("{} (missing: it is started again within ten minutes)", workflow.id),
        "unknown" => format!("{} (Temporal does not answer)", workflow.id),
        _ => workflow.id.clone(),
    }
}

/// A JSON document for stdout.
pub fn pretty(answer: &Value) -> String {
    format!("{answer:#}\n")
}

fn more<T>(list: &List<T>) -> &'static str {
    if list.next_cursor.is_some() { "There are more: raise --limit.\n" } else { "" }
}

fn confirmed(question: &str) -> Result<bool, CliError> {
    let ask = || {
        let mut stderr = std::io::stderr();
        stderr.write_all(question.as_bytes())?;
        stderr.flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        Ok(answer)
    };
    let answer: Result<String, std::io::Error> = ask();
    match answer {
        Ok(answer) => Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")),
        Err(error) => Err(CliError::new(
            Failure::Error,
            format!("the terminal cannot be read: {error}"),
            "give --yes to disconnect without asking",
        )),
    }
}
