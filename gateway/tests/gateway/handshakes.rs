//! A provider asks whether an address is ours, and is answered out of the request.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use tracing::field::{Field, Visit};
use tracing::span;

use crate::played_notices::{LIFECYCLE, LONG, NOTICES};
use crate::support::{World, eventually};

/// How soon a handshake is answered, whatever else there is to do.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);

/// All that is logged, on whatever level.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<String>>);

impl Visit for Written {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.lock().unwrap().push_str(&format!("{field}={value:?}\n"));
    }
}

impl tracing::Subscriber for Written {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        attributes.record(&mut self.clone());
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut self.clone());
    }
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn a_handshake_is_answered_with_its_text_while_nothing_else_can_be() {
    let mut world = World::new().await;
    world.take_notices_in_bodies(LONG);
    (world.config.limits.notices_max, world.config.limits.unproven_body_bytes_max) = (0, 0);
    world.start_quietly().await;
    world.workflows.down.store(true, Ordering::SeqCst);
    world.faults.hanging.store(true, Ordering::SeqCst);
    for path in [NOTICES, LIFECYCLE] {
        let text = "Validation%3a+%3cscript%3e";
        let address = format!("{path}?hello={text}");
        let asked = world.send(Method::POST, &address, &[], Body::empty());
        let answer = tokio::time::timeout(ANSWERED_WITHIN, asked).await.expect("in its time");
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, text));
        assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    }
}

#[tokio::test]
async fn nothing_of_a_handshake_is_logged_or_stored() {
    let written = Written::default();
    // While there are two, places in the code that another test comes to first are not taken for ones that nobody hears.
    let _second = tracing::Dispatch::new(Written::default());
    let _heard = tracing::subscriber::set_default(written.clone());
    let mut world = World::new().await;
    world.take_notices_in_bodies(LONG);
    world.start_quietly().await;
    let answer = world.send(Method::POST, &format!("{NOTICES}?hello=marker"), &[], Body::empty()).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "marker"));
    world.heartbeats(10).await;
    let written = written.0.lock().unwrap().clone();
    assert!(written.contains("message=answered"), "{written}");
    assert!(!written.contains("marker"), "{written}");
    assert_eq!(world.store.security_events(100).await.unwrap(), []);
    assert_eq!(world.workflows.calls(), []);
}

#[tokio::test]
async fn a_handshake_that_cannot_be_answered_is_refused_and_counted() {
    let mut world = World::new().await;
    world.take_notices_in_bodies(LONG);
    world.start_quietly().await;
    let answer = world.send(Method::POST, &format!("{NOTICES}?hello="), &[], Body::empty()).await;
    assert_eq!((answer.problem(), answer.kind().as_str()), (400, "malformed-notice"));
    eventually(&1, async || world.security_events("notice_refused").await).await;
}

#[tokio::test]
async fn a_provider_that_says_nothing_of_its_channels_has_no_address_for_it() {
    let world = World::running().await;
    let customer = world.customer().await;
    let notice = world.notice(customer.calendar, "exists");
    for (path, kind, says) in [
        (LIFECYCLE, "path-not-found", "Google says nothing of its channels"),
        ("/api/webhooks/another/lifecycle", "provider-not-found", "no provider of this name"),
    ] {
        let answer = world.send(Method::POST, path, &notice, Body::empty()).await;
        assert_eq!((answer.problem(), answer.kind().as_str()), (404, kind));
        assert!(answer.body.contains(says), "{answer:?}");
    }
    let answer = world.send(Method::GET, LIFECYCLE, &[], Body::empty()).await;
    assert_eq!((answer.problem(), answer.kind().as_str()), (405, "method-not-allowed"));
    assert_eq!(world.workflows.calls(), []);
}
