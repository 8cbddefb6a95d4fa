//! Reading whole what a page only named: single events, and series with all that they have inside of the window.

use std::collections::{BTreeMap, BTreeSet};

use evercal_domain::limits::OCCURRENCES_PER_SERIES_MAX;
use evercal_domain::{Part, ProviderError, ProviderErrorKind, ProviderEventId, RemoteItem, SeriesPosition};
use evercal_http::{HttpRequest, HttpResponse};
use evercal_recurrence::Window;
use serde::de::IgnoredAny;

use super::GraphProvider;
use super::calls::{GET_EVENT, INSTANCES};
use super::cursor::own_link;
use super::delta::{WirePage, item, single};
use super::errors::unreadable_answer;
use super::event::{Entry, Kind, OfSeries, WireEvent, entry, raw_text};
use super::requests::{self, INSTANCES_PER_PAGE, INSTANCES_PER_PAGE_MIN};
use crate::call::{ANSWER_TOO_LARGE, CallContext, RemoteCalendarRef};
use crate::entry::unreadable;
use crate::provider::{CalendarProvider as _, Fetched};

/// Pages of the instances of one series: beyond it Microsoft is looping.
const INSTANCE_PAGES_MAX: usize = 500;

/// Microsoft's word for an event that does not exist (any more).
const GONE: &str = "ErrorItemNotFound";

/// A series whose instances are still to be read.
struct Master {
    wire: Box<WireEvent>,
    raw: String,
}

/// The instances of a series, or that it is gone.
enum Instances {
    Are(Vec<Part>, Vec<RemoteItem>),
    Gone,
    TooMany,
}

impl GraphProvider {
    /// Everything about these events. What does not exist any more is answered as deleted.
    pub(super) async fn whole(
        &self,
        context: &CallContext,
        calendar: RemoteCalendarRef<'_>,
        ids: &[ProviderEventId],
        window: &Window,
    ) -> Result<Fetched, ProviderError> {
        let wanted: Vec<HttpRequest> =
            ids.iter().map(|id| requests::event(&self.settings, context, calendar, id)).collect();
        let answers = self.each(context, &wanted).await?;
        if answers.iter().all(|answer| answer.as_ref().is_err_and(is_about_itself)) {
            // Perhaps it is the calendar that is gone or refused, and none of these: then this says so.
            self.probe(context, calendar).await?;
        }
        let mut fetched = Fetched { items: Vec::with_capacity(ids.len()), left: None };
        let is_up = answers.iter().any(Result::is_ok);
        let mut masters = BTreeMap::new();
        for ((id, request), answer) in ids.iter().zip(wanted).zip(answers) {
            let answer = match answer {
                // While others are answered it is about this one. A second time it is no accident.
                Err(error) if is_up && is_broken(&error) => self.send(context, request).await,
                answer => answer,
            };
            let items = &mut fetched.items;
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) if error.reason.as_deref() == Some(GONE) => {
                    items.push(RemoteItem::Deleted { provider_id: id.clone() });
                    continue;
                }
                Err(error) if is_about_itself(&error) || (is_up && is_broken(&error)) => {
                    items.push(refused(id, &error));
                    continue;
                }
                // The whole call is made again, with another token.
                Err(error) if error.kind == ProviderErrorKind::TokenRefreshNeeded => return Err(error),
                // What it keeps from being read is asked for again; the others are not.
                Err(error) => {
                    fetched.left.get_or_insert(error);
                    continue;
                }
            };
            let text = String::from_utf8_lossy(&answer.body);
            if serde_json::from_str::<IgnoredAny>(&text).is_err() {
                // Not even JSON: that is about the answer, and not about the event.
                fetched.left.get_or_insert(unreadable_answer(GET_EVENT, &answer));
                continue;
            }
            match read(id, &text) {
                Read::Item(item) => items.push(item),
                Read::Master(wire) => {
                    masters.insert(id.clone(), Master { wire, raw: text.into_owned() });
                }
            }
        }
        // Whoever is asked to wait asks for nothing more: these series come with what is left.
        if fetched.left.as_ref().is_none_or(|left| left.kind != ProviderErrorKind::RateLimited) {
            let series = self.with_instances(context, calendar, masters, window).await?;
            fetched.items.extend(series.items);
            fetched.left = fetched.left.or(series.left);
        }
        match fetched {
            Fetched { items, left: Some(error) } if items.is_empty() => Err(error),
            fetched => Ok(fetched),
        }
    }

    /// The slots of these series that are cancelled. Pages over everything leave them out like slots that never were.
    pub(super) async fn cancelled_of(
        &self,
        context: &CallContext,
        calendar: RemoteCalendarRef<'_>,
        masters: &[ProviderEventId],
    ) -> Result<Vec<(ProviderEventId, SeriesPosition)>, ProviderError> {
        let wanted: Vec<HttpRequest> =
            masters.iter().map(|id| requests::cancelled_occurrences(&self.settings, context, calendar, id)).collect();
        let mut cancelled = Vec::new();
        for answer in self.each(context, &wanted).await? {
            let answer = match answer {
                Ok(answer) => answer,
                // It was deleted meanwhile, which the next round says, or is not shown alone: then its slots are as if they never were.
                Err(error) if is_about_itself(&error) => continue,
                Err(error) => return Err(error),
            };
            if let Entry::Event(wire, _) = entry(&String::from_utf8_lossy(&answer.body)) {
                cancelled.extend(wire.cancelled());
            }
        }
        Ok(cancelled)
    }

    /// Series as wholes.
    async fn with_instances(
        &self,
        context: &CallContext,
        calendar: RemoteCalendarRef<'_>,
        masters: BTreeMap<ProviderEventId, Master>,
        window: &Window,
    ) -> Result<Fetched, ProviderError> {
        let first = |id: &ProviderEventId, per_page| {
            requests::instances(&self.settings, context, calendar, id, window, per_page)
        };
        let wanted: Vec<HttpRequest> = masters.keys().map(|id| first(id, INSTANCES_PER_PAGE)).collect();
        let mut fetched = Fetched::default();
        let answers = self.each(context, &wanted).await?;
        for ((id, master), answer) in masters.into_iter().zip(answers) {
            let series = master.wire.of_series();
            let mut instances = self.instances(context, answer, &series).await;
            if instances.as_ref().is_err_and(is_too_large) {
                // Whichever page it was: in smaller ones they may fit.
                let answer = self.send(context, first(&id, INSTANCES_PER_PAGE_MIN)).await;
                instances = self.instances(context, answer, &series).await;
            }
            let items = &mut fetched.items;
            match instances {
                Ok(Instances::Are(parts, others)) => {
                    items.extend(others);
                    items.push(whole_series(master, parts));
                }
                Ok(Instances::Gone) => items.push(RemoteItem::Deleted { provider_id: id }),
                Ok(Instances::TooMany) => {
                    let reason = format!("the series has more than {OCCURRENCES_PER_SERIES_MAX} occurrences");
                    items.push(unreadable(&master.raw, reason));
                }
                Err(error) if is_about_itself(&error) || is_too_large(&error) => items.push(refused(&id, &error)),
                Err(error) if error.kind == ProviderErrorKind::TokenRefreshNeeded => return Err(error),
                Err(error) => {
                    fetched.left.get_or_insert(error);
                }
            }
        }
        Ok(fetched)
    }

    /// All pages of a series' instances, of which the first is there.
    async fn instances(
        &self,
        context: &CallContext,
        first: Result<HttpResponse, ProviderError>,
        series: &OfSeries,
    ) -> Result<Instances, ProviderError> {
        let (mut parts, mut others) = (Vec::new(), Vec::new());
        let mut answer = first;
        for _ in 0..INSTANCE_PAGES_MAX {
            let page = match answer {
                Ok(page) => page,
                Err(error) if error.kind == ProviderErrorKind::NotFound => return Ok(Instances::Gone),
                Err(error) => return Err(error),
            };
            let text = String::from_utf8_lossy(&page.body);
            let wire: WirePage<'_> = serde_json::from_str(&text).map_err(|_| unreadable_answer(INSTANCES, &page))?;
            for raw in &wire.value {
                match instance(raw.get(), series) {
                    Ok(part) => parts.push(part),
                    Err(item) => others.extend(item.map(|item| *item)),
                }
            }
            if parts.len() > OCCURRENCES_PER_SERIES_MAX {
                return Ok(Instances::TooMany);
            }
            let Some(link) = wire.next_link else { return Ok(Instances::Are(parts, others)) };
            let next = requests::get(INSTANCES, own_link(&self.settings, INSTANCES, &link)?, context);
            answer = self.send(context, next).await;
        }
        Ok(Instances::TooMany)
    }
}

/// Whether a refusal is one of this event, and says nothing of any other.
fn is_about_itself(error: &ProviderError) -> bool {
    matches!(error.kind, ProviderErrorKind::NotFound | ProviderErrorKind::Forbidden | ProviderErrorKind::InvalidRequest)
}

/// Whether an error is one in Microsoft's service that comes of what is asked for: a service that is overloaded or down says so.
fn is_broken(error: &ProviderError) -> bool {
    error.kind == ProviderErrorKind::TemporaryFailure && matches!(error.status, Some(500..=502))
}

fn is_too_large(error: &ProviderError) -> bool {
    error.reason.as_deref() == Some(ANSWER_TOO_LARGE)
}

/// An event that is there and that Microsoft does not show.
fn refused(id: &ProviderEventId, error: &ProviderError) -> RemoteItem {
    let code = error.reason.as_deref().unwrap_or_else(|| error.kind.as_str());
    let reason = format!("Microsoft refuses to show it ({code})");
    RemoteItem::Unreadable { provider_id: Some(id.clone()), reason, raw: String::new() }
}

/// What the answer to a single request has.
enum Read {
    Item(RemoteItem),
    Master(Box<WireEvent>),
}

/// The event that was asked for by an id, under that id.
fn read(id: &ProviderEventId, text: &str) -> Read {
    match entry(text) {
        Entry::Event(wire, raw) => match wire.kind() {
            Kind::Master => Read::Master(wire),
            Kind::Single => Read::Item(single(*wire, raw)),
            Kind::Occurrence | Kind::Exception => Read::Item(item(*wire, raw, None)),
        },
        Entry::Removed(_) => Read::Item(RemoteItem::Deleted { provider_id: id.clone() }),
        // Not even its id could be read, which is the one that was asked for.
        Entry::Unreadable(RemoteItem::Unreadable { provider_id: None, reason, raw }) => {
            Read::Item(RemoteItem::Unreadable { provider_id: Some(id.clone()), reason, raw })
        }
        Entry::Unreadable(item) => Read::Item(item),
    }
}

/// An instance as a part of its series, or what stands beside it: one that cannot be read.
fn instance(raw: &str, series: &OfSeries) -> Result<Part, Option<Box<RemoteItem>>> {
    let wire = match entry(raw) {
        Entry::Event(wire, _) => wire,
        Entry::Removed(_) => return Err(None),
        Entry::Unreadable(item) => return Err(Some(Box::new(item))),
    };
    let provider_id = wire.id();
    let unreadable = |reason: &'static str| Some(Box::new(unreadable(raw, reason.to_owned())));
    match wire.kind() {
        Kind::Exception => wire.into_event(Some(series)).map(|event| Part::Event(Box::new(event))).map_err(unreadable),
        Kind::Occurrence => wire
            .into_occurrence(series)
            .map(|occurrence| Part::Occurrence { provider_id, occurrence })
            .map_err(unreadable),
        Kind::Single | Kind::Master => Err(unreadable("an instance of a series is no occurrence of it")),
    }
}

/// A master with its instances and its cancelled slots.
fn whole_series(master: Master, mut parts: Vec<Part>) -> RemoteItem {
    let Master { wire, raw } = master;
    let (owner, version) = (wire.id(), wire.version());
    let shown: BTreeSet<String> = parts.iter().filter_map(slot_of).collect();
    let cancelled =
        wire.cancelled().into_iter().filter(|(_, position)| !shown.contains(&position.original_start.key()));
    parts.extend(cancelled.map(|(provider_id, position)| Part::Cancelled { provider_id, position }));
    match wire.into_event(None) {
        Ok(event) => {
            parts.push(Part::Event(Box::new(event)));
            RemoteItem::Whole { owner, version, raw: raw_text(&raw), parts }
        }
        Err(reason) => unreadable(&raw, reason.to_owned()),
    }
}

/// Where the rule put an instance that is shown.
fn slot_of(part: &Part) -> Option<String> {
    match part {
        Part::Event(event) => event.series.as_ref().map(|series| series.original_start.key()),
        Part::Occurrence { occurrence, .. } => Some(occurrence.position.original_start.key()),
        Part::Cancelled { .. } => None,
    }
}
