// Reads a running evercal with the types that openapi-typescript made of its description: prints how many calendars there are,
// and the titles of a calendar's events in a window. Arguments: the calendar's id, from, to.

import createClient from "openapi-fetch";
import type { components, paths } from "./evercal.js";

declare const process: { env: Record<string, string>; argv: string[] };

type Calendar = components["schemas"]["Calendar"];
type Occurrence = components["schemas"]["Occurrence"];

const [id, from, to] = process.argv.slice(2);
if (id === undefined || from === undefined || to === undefined) throw new Error("a calendar's id, from, to");
const client = createClient<paths>({
  baseUrl: process.env["EVERCAL_API"]!.replace(/\/$/, ""),
  headers: { authorization: `Bearer ${process.env["EVERCAL_API_KEY"]}` },
});

async function allCalendars(): Promise<Calendar[]> {
  const calendars: Calendar[] = [];
  let cursor: string | null = null;
  do {
    const query: { limit: number; cursor?: string } = cursor === null ? { limit: 1 } : { limit: 1, cursor };
    const { data, error } = await client.GET("/v1/calendars", { params: { query } });
    if (data === undefined) throw new Error(error?.detail);
    calendars.push(...data.items);
    cursor = data.next_cursor;
  } while (cursor !== null);
  return calendars;
}

async function allEvents(calendar: string): Promise<Occurrence[]> {
  const events: Occurrence[] = [];
  let cursor: string | null = null;
  do {
    const window = { from: from!, to: to!, limit: 50 };
    const query: typeof window & { cursor?: string } = cursor === null ? window : { ...window, cursor };
    const { data, error } = await client.GET("/v1/calendars/{id}/events", { params: { path: { id: calendar }, query } });
    if (data === undefined) throw new Error(error?.detail);
    events.push(...data.items);
    cursor = data.next_cursor;
  } while (cursor !== null);
  return events;
}

const missing = await client.GET("/v1/calendars/{id}", { params: { path: { id: "cal_nonsense" } } });
if (missing.error?.type !== "urn:evercal:problem:calendar-not-found") throw new Error(JSON.stringify(missing.error));
const calendars = await allCalendars();
const titles = (await allEvents(id)).map((event) => event.title);
console.log(JSON.stringify({ calendars: calendars.length, titles }));
