// Microsoft's own client for Node against the simulator: arguments are the base URL, a token, an address for notices and the
// folder of the client's modules. It prints `all checks passed` at the end.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [base, token, webhook, modules] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { BatchRequestContent, BatchResponseContent, Client, PageIterator } = require("@microsoft/microsoft-graph-client");

const url = new URL(base);
const graph = Client.init({
  baseUrl: `${url.origin}/`,
  defaultVersion: "v1.0",
  customHosts: new Set([url.hostname]),
  authProvider: (done) => done(null, token),
});
const span = { startDateTime: "2027-03-01T00:00:00Z", endDateTime: "2027-04-01T00:00:00Z" };
const point = (dateTime) => ({ dateTime, timeZone: "Europe/Berlin" });

const calendar = await graph.api("/me/calendars").post({ name: "Node" });
const path = `/me/calendars/${calendar.id}`;
const event = await graph.api(`${path}/events`).post({
  subject: "Lunch",
  start: point("2027-03-02T12:00:00"),
  end: point("2027-03-02T13:00:00"),
});
const series = await graph.api(`${path}/events`).post({
  subject: "Mondays",
  start: point("2027-03-01T10:00:00"),
  end: point("2027-03-01T11:00:00"),
  recurrence: {
    pattern: { type: "weekly", interval: 1, daysOfWeek: ["monday"] },
    range: { type: "noEnd", startDate: "2027-03-01" },
  },
});
const found = await graph.api(`/me/events/${event.id}`).header("Prefer", 'outlook.timezone="UTC"').select("subject").get();
assert.equal(found.subject, "Lunch");
assert.equal(found.start, undefined);

const first = await graph.api(`${path}/calendarView/delta`).query(span).header("Prefer", "odata.maxpagesize=2").get();
const items = [];
const pages = new PageIterator(graph, first, (item) => items.push(item) > 0, {
  headers: { Prefer: "odata.maxpagesize=2" },
});
await pages.iterate();
assert.deepEqual(items.map((item) => item.type).sort(), [
  ...Array(5).fill("occurrence"),
  "seriesMaster",
  "singleInstance",
]);
const delta = pages.getDeltaLink();
await graph.api(`/me/events/${series.id}`).delete();
const next = await graph.api(delta).get();
assert.deepEqual(next.value.map((item) => [item.id, item["@removed"]]), [[series.id, { reason: "deleted" }]]);

const steps = ["1", "2"].map((id) => ({ id, request: new Request(`${base}me/events/${event.id}`, { method: "GET" }) }));
steps[1].dependsOn = ["1"];
const answers = await graph.api("/$batch").post(await new BatchRequestContent(steps).getContent());
const batch = new BatchResponseContent(answers);
assert.deepEqual([batch.getResponseById("1").status, batch.getResponseById("2").status], [200, 200]);

const subscription = await graph.api("/subscriptions").post({
  changeType: "updated",
  notificationUrl: webhook,
  resource: `${path}/events`,
  expirationDateTime: new Date(Date.now() + 86_400_000).toISOString(),
  clientState: "secret",
});
await graph.api(`/subscriptions/${subscription.id}`).delete();
await assert.rejects(graph.api(`/subscriptions/${subscription.id}`).get(), (error) => error.statusCode === 404);
await graph.api(path).delete();
console.log("all checks passed");
