"""Reads a running evercal with a client that openapi-python-client made of its description: prints how many calendars there
are, and the titles of a calendar's events in a window. Arguments: the calendar's id, from, to."""

import json
import os
import sys
from datetime import datetime

from evercal_client import AuthenticatedClient
from evercal_client.api.calendars import get_calendar, list_calendars, list_events
from evercal_client.models import CalendarList, EventList, Problem

calendar_id, start, end = sys.argv[1:]
client = AuthenticatedClient(base_url=os.environ["EVERCAL_API"].rstrip("/"), token=os.environ["EVERCAL_API_KEY"])


def all_calendars():
    page = list_calendars.sync(client=client, limit=1)
    while isinstance(page, CalendarList):
        yield from page.items
        if page.next_cursor is None:
            return
        page = list_calendars.sync(client=client, limit=1, cursor=page.next_cursor)
    raise SystemExit(f"no list of calendars: {page}")


def all_events():
    window = {"from_": datetime.fromisoformat(start), "to": datetime.fromisoformat(end), "limit": 50}
    page = list_events.sync(calendar_id, client=client, **window)
    while isinstance(page, EventList):
        yield from page.items
        if page.next_cursor is None:
            return
        page = list_events.sync(calendar_id, client=client, **window, cursor=page.next_cursor)
    raise SystemExit(f"no list of events: {page}")


calendars = list(all_calendars())
assert get_calendar.sync(calendar_id, client=client).state == "live"
missing = get_calendar.sync("cal_nonsense", client=client)
assert isinstance(missing, Problem) and missing.type_ == "urn:evercal:problem:calendar-not-found", missing
print(json.dumps({"calendars": len(calendars), "titles": [event.title for event in all_events()]}))
