//! Answers have to be taken in time, and keep their place until then.

use std::time::Duration;

use evercal_domain::RemoteItem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::pages::{morning, single, sync};
use crate::support::{Customer, World, eventually};

/// Together more than what the system keeps of an answer on its way.
const EVENTS: usize = 60;
const DESCRIPTION_BYTES: usize = 60 * 1_024;
/// How slow the slow reader is: nobody waits for anything here.
const BETWEEN_TWO_SIPS: Duration = Duration::from_millis(200);
/// Longer than any test waits.
const LONG: Duration = Duration::from_mins(10);

/// A gateway that serves one request at a time, and a customer with a page of some megabytes.
async fn world(write_timeout: Duration, answer_timeout: Duration) -> (World, Customer) {
    let mut world = World::new().await;
    world.config.limits.requests_max = 1;
    (world.config.limits.write_timeout, world.config.limits.answer_timeout) = (write_timeout, answer_timeout);
    world.start().await;
    let customer = world.customer().await;
    let events: Vec<_> = (0..EVENTS)
        .map(|number| {
            let (item, owner) = single(&format!("large{number}"), "large", morning(5));
            let RemoteItem::Event(mut remote) = item else { panic!("an event") };
            remote.event.description = Some("x".repeat(DESCRIPTION_BYTES));
            (RemoteItem::Event(remote), owner)
        })
        .collect();
    sync(&world, customer.calendar, &events).await;
    (world, customer)
}

/// Asks for the page, and leaves the answer to whoever has the connection.
async fn ask(world: &World, customer: &Customer) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(world.gateway.as_ref().unwrap().address()).await.unwrap();
    let request = format!(
        "GET /v1/calendars/{}/events?from=2026-06-01T00:00:00Z&to=2026-06-30T00:00:00Z&limit=500 HTTP/1.1\r\n\
         host: evercal\r\nauthorization: Bearer {}\r\n\r\n",
        customer.calendar, customer.key
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn status(world: &World, customer: &Customer) -> u16 {
    world.get(&customer.key, "/v1/calendars").await.status.as_u16()
}

#[tokio::test]
async fn an_answer_of_which_nothing_is_taken_keeps_its_place_until_it_is_given_up() {
    let (world, customer) = world(Duration::from_secs(1), LONG).await;
    let _unread = ask(&world, &customer).await;
    eventually(&503, async || status(&world, &customer).await).await;
    eventually(&200, async || status(&world, &customer).await).await;
}

#[tokio::test]
async fn an_answer_that_is_taken_a_little_at_a_time_is_given_up_too() {
    let (world, customer) = world(LONG, Duration::from_secs(2)).await;
    let mut slowly_read = ask(&world, &customer).await;
    let takes_a_little = async {
        let mut taken = [0; 64];
        while slowly_read.read(&mut taken).await.is_ok_and(|bytes| bytes > 0) {
            tokio::time::sleep(BETWEEN_TWO_SIPS).await;
        }
        // Given up: there is nothing to wait for.
        std::future::pending::<()>().await;
    };
    let gives_up = async {
        eventually(&503, async || status(&world, &customer).await).await;
        eventually(&200, async || status(&world, &customer).await).await;
    };
    tokio::select! {
        () = takes_a_little => {}
        () = gives_up => {}
    }
}
