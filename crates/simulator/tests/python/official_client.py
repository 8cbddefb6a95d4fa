"""Drives the simulator with Google's own Python client and checks every answer against the discovery document.

Started by tests/official_python_client.rs with the simulator's root URL, a webhook address and an access token.
Prints one line per check; ends with a non-zero code at the first failure.
"""

import datetime
import json
import os
import sys
import time
import urllib.request

import googleapiclient
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError

ROOT, WEBHOOK, ACCESS_TOKEN, CALENDAR = sys.argv[1:5]

DOCUMENT = os.path.join(
    os.path.dirname(googleapiclient.__file__), "discovery_cache", "documents", "calendar.v3.json"
)
with open(DOCUMENT, encoding="utf-8") as file:
    DISCOVERY = json.load(file)
SCHEMAS = DISCOVERY["schemas"]


def local_client():
    """The client as Google ships it, but for its endpoint (batch included)."""
    document = dict(DISCOVERY)
    document["rootUrl"] = ROOT
    document["baseUrl"] = ROOT + "calendar/v3/"
    document.pop("mtlsRootUrl", None)
    return build_from_document(document, credentials=Credentials(ACCESS_TOKEN))


def check(condition, what, *details):
    if not condition:
        print("FAILED:", what, *details, flush=True)
        sys.exit(1)
    print("ok:", what, flush=True)


def mismatches(schema, value, path):
    """All places where a value has a field or a type that the schema does not know."""
    if "$ref" in schema:
        return mismatches(SCHEMAS[schema["$ref"]], value, path)
    kind = schema.get("type")
    if kind == "object":
        if not isinstance(value, dict):
            return [f"{path}: no object"]
        known = schema.get("properties", {})
        other = schema.get("additionalProperties")
        found = []
        for name, field in value.items():
            if name in known:
                found += mismatches(known[name], field, f"{path}.{name}")
            elif other:
                found += mismatches(other, field, f"{path}.{name}")
            else:
                found.append(f"{path}.{name}: unknown field")
        return found
    if kind == "array":
        if not isinstance(value, list):
            return [f"{path}: no list"]
        return [m for i, item in enumerate(value) for m in mismatches(schema["items"], item, f"{path}[{i}]")]
    if kind == "boolean":
        return [] if isinstance(value, bool) else [f"{path}: no boolean"]
    if kind == "integer":
        return [] if isinstance(value, int) else [f"{path}: no integer"]
    if kind == "string":
        if not isinstance(value, str):
            return [f"{path}: no string"]
        if schema.get("format") == "int64" and not value.lstrip("-").isdigit():
            return [f"{path}: no int64 in a string"]
        if schema.get("format") == "date-time":
            datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
        if schema.get("format") == "date":
            datetime.date.fromisoformat(value)
        return []
    return []


def checked(schema_name, value):
    found = mismatches({"$ref": schema_name}, value, schema_name)
    check(not found, f"{schema_name} has the documented shape", found[:5])
    return value


def fails_with(status, reason, request):
    try:
        request.execute()
    except HttpError as error:
        details = json.loads(error.content)["error"]
        got = (error.status_code, details["errors"][0]["reason"], details["code"])
        check(got == (status, reason, status), f"{status} {reason}", got)
        return
    check(False, f"{status} {reason}", "no error")


def control(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(ROOT + "control/" + path, data=data, method=method)
    with urllib.request.urlopen(request) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def list_all(service, **parameters):
    items, page_token = [], None
    while True:
        page = checked("Events", service.events().list(pageToken=page_token, **parameters).execute())
        items += page["items"]
        page_token = page.get("nextPageToken")
        if page_token is None:
            return items, page.get("nextSyncToken")
        check("nextSyncToken" not in page, "a page has one token, never both")


def timed(start, end, zone="Europe/Berlin"):
    return {
        "start": {"dateTime": start, "timeZone": zone},
        "end": {"dateTime": end, "timeZone": zone},
    }


def calendars(service):
    listed = checked("CalendarList", service.calendarList().list().execute())
    ids = [entry["id"] for entry in listed["items"]]
    check(CALENDAR in ids and "nextSyncToken" in listed, "the calendar list has the calendar", ids)
    checked("CalendarListEntry", service.calendarList().get(calendarId="primary").execute())
    checked("Calendar", service.calendars().get(calendarId="primary").execute())
    made = checked("Calendar", service.calendars().insert(body={"summary": "Extra"}).execute())
    service.calendars().patch(calendarId=made["id"], body={"description": "More"}).execute()
    changed = service.calendarList().list(syncToken=listed["nextSyncToken"]).execute()
    check([entry["id"] for entry in changed["items"]] == [made["id"]], "the new calendar comes as a change")
    service.calendars().delete(calendarId=made["id"]).execute()
    gone = checked("CalendarList", service.calendarList().list(syncToken=changed["nextSyncToken"]).execute())
    check(gone["items"][0]["deleted"], "the deleted calendar comes as a tombstone")
    fails_with(404, "notFound", service.calendars().get(calendarId=made["id"]))


def events(service):
    api = service.events()
    before, token = list_all(service, calendarId=CALENDAR, maxResults=7)
    check(len(before) > 20 and token, "a full list in pages ends with a sync token", len(before))

    body = {"summary": "From Python", "id": "fromscript001", **timed("2026-03-02T09:00:00", "2026-03-02T10:00:00")}
    made = checked("Event", api.insert(calendarId=CALENDAR, body=body, sendUpdates="none").execute())
    check(made["start"]["dateTime"] == "2026-03-02T09:00:00+01:00", "times have the calendar's offset", made["start"])
    fails_with(409, "duplicate", api.insert(calendarId=CALENDAR, body=body))
    fails_with(400, "invalid", api.insert(calendarId=CALENDAR, body={**body, "id": "UPPER"}))

    got = checked("Event", api.get(calendarId=CALENDAR, eventId=made["id"]).execute())
    check(got == made, "get gives what insert gave")

    patched = checked("Event", api.patch(calendarId=CALENDAR, eventId=made["id"], body={"location": "Harbour"}).execute())
    check(patched["summary"] == "From Python" and patched["etag"] != made["etag"], "patch merges and changes the ETag")

    stale = api.patch(calendarId=CALENDAR, eventId=made["id"], body={"location": "No"})
    stale.headers["If-Match"] = made["etag"]
    fails_with(412, "conditionNotMet", stale)
    fresh = api.patch(calendarId=CALENDAR, eventId=made["id"], body={"location": "Pier"})
    fresh.headers["If-Match"] = patched["etag"]
    fresh.execute()

    replaced = api.update(
        calendarId=CALENDAR, eventId=made["id"],
        body={"summary": "Replaced", **timed("2026-03-02T09:00:00", "2026-03-02T09:30:00")},
    ).execute()
    check("location" not in checked("Event", replaced), "update clears what it does not name")

    changed, token = list_all(service, calendarId=CALENDAR, syncToken=token)
    check([event["id"] for event in changed] == [made["id"]], "many edits of one event are one change")
    fails_with(400, "badRequest", api.list(calendarId=CALENDAR, syncToken=token, timeMin="2026-01-01T00:00:00Z"))
    fails_with(400, "timeRangeEmpty", api.list(
        calendarId=CALENDAR, timeMin="2026-02-01T00:00:00Z", timeMax="2026-01-01T00:00:00Z"))

    api.delete(calendarId=CALENDAR, eventId=made["id"]).execute()
    fails_with(410, "deleted", api.delete(calendarId=CALENDAR, eventId=made["id"]))
    changed, token = list_all(service, calendarId=CALENDAR, syncToken=token)
    check(changed[0]["status"] == "cancelled", "a deleted event comes as cancelled")

    private = {"iCalUID": "abc@elsewhere.example", "summary": "Imported", **timed("2026-03-03T09:00:00", "2026-03-03T10:00:00")}
    first = checked("Event", api.import_(calendarId=CALENDAR, body=private).execute())
    again = api.import_(calendarId=CALENDAR, body={**private, "summary": "Imported again"}).execute()
    check(first["id"] == again["id"], "import finds its event again by iCalUID")

    control("DELETE", f"calendars/{CALENDAR}/sync-tokens")
    fails_with(410, "fullSyncRequired", api.list(calendarId=CALENDAR, syncToken=token))


def series(service):
    api = service.events()
    body = {
        "summary": "Weekly", "recurrence": ["RRULE:FREQ=WEEKLY;COUNT=5"],
        **timed("2026-03-16T09:00:00", "2026-03-16T10:00:00"),
    }
    master = checked("Event", api.insert(calendarId=CALENDAR, body=body).execute())
    page = checked("Events", api.instances(calendarId=CALENDAR, eventId=master["id"]).execute())
    starts = [item["start"]["dateTime"] for item in page["items"]]
    check(starts[1:3] == ["2026-03-23T09:00:00+01:00", "2026-03-30T09:00:00+02:00"], "instances keep the local hour", starts)
    second, third = page["items"][1]["id"], page["items"][2]["id"]

    moved = api.patch(
        calendarId=CALENDAR, eventId=second, body=timed("2026-03-24T11:00:00", "2026-03-24T12:00:00")
    ).execute()
    check(checked("Event", moved)["recurringEventId"] == master["id"], "a moved instance is an exception")
    check(moved["originalStartTime"]["dateTime"] == starts[1], "an exception remembers its place")
    api.delete(calendarId=CALENDAR, eventId=third).execute()

    kept = api.instances(calendarId=CALENDAR, eventId=master["id"]).execute()["items"]
    check([item["id"] for item in kept].count(third) == 0 and len(kept) == 4, "a cancelled instance is not listed")
    shown = api.instances(calendarId=CALENDAR, eventId=master["id"], showDeleted=True).execute()["items"]
    check(len(shown) == 5, "but with showDeleted it is")

    window = {"timeMin": "2026-03-16T00:00:00Z", "timeMax": "2026-04-20T00:00:00Z"}
    single = checked("Events", api.list(
        calendarId=CALENDAR, singleEvents=True, orderBy="startTime", **window).execute())["items"]
    ours = [item for item in single if item.get("recurringEventId") == master["id"]]
    check([item["id"] for item in ours].index(second) == 1 and len(ours) == 4, "singleEvents expands with exceptions in place")

    busy = checked("FreeBusyResponse", service.freebusy().query(
        body={**window, "items": [{"id": CALENDAR}, {"id": "nobody@example.com"}]}).execute())
    check(any(slot["start"] == "2026-03-24T10:00:00Z" for slot in busy["calendars"][CALENDAR]["busy"]), "busy at the moved hour")
    check(busy["calendars"]["nobody@example.com"]["errors"][0]["reason"] == "notFound", "an unknown calendar has an error")

    api.delete(calendarId=CALENDAR, eventId=master["id"]).execute()
    rest, _ = list_all(service, calendarId=CALENDAR)
    check(all(item.get("recurringEventId") != master["id"] for item in rest), "a deleted series takes its exceptions along")


def push(service):
    expiration = int((time.time() + 3600) * 1000)
    body = {"id": "python-channel", "type": "web_hook", "address": WEBHOOK, "token": "t", "expiration": expiration}
    channel = checked("Channel", service.events().watch(calendarId=CALENDAR, body=body).execute())
    check(channel["expiration"] == str(expiration), "the asked expiration is granted", channel)
    fails_with(400, "channelIdNotUnique", service.events().watch(calendarId=CALENDAR, body=body))
    service.events().insert(
        calendarId=CALENDAR, body={"summary": "Push", **timed("2026-03-02T09:00:00", "2026-03-02T10:00:00")}
    ).execute()
    deadline = time.time() + 10
    while True:
        counts = control("GET", "deliveries")["counts"]
        if counts.get("delivered") == 2:
            break
        check(time.time() < deadline, "sync and exists are delivered", counts)
        time.sleep(0.02)
    service.channels().stop(body={"id": channel["id"], "resourceId": channel["resourceId"]}).execute()
    fails_with(404, "notFound", service.channels().stop(body={"id": channel["id"], "resourceId": channel["resourceId"]}))
    check(not any(known["live"] for known in control("GET", "channels")["channels"]), "no channel is left")


def batch(service):
    answers = {}

    def note(request_id, response, error):
        answers[request_id] = error.status_code if error else response["summary"]

    together = service.new_batch_http_request(callback=note)
    for number in range(3):
        body = {"summary": f"Batch {number}", **timed("2026-03-02T09:00:00", "2026-03-02T10:00:00")}
        together.add(service.events().insert(calendarId=CALENDAR, body=body), request_id=str(number))
    together.add(service.events().get(calendarId=CALENDAR, eventId="missing0"), request_id="missing")
    together.execute()
    check(answers == {"0": "Batch 0", "1": "Batch 1", "2": "Batch 2", "missing": 404}, "each part has its own status", answers)


def errors(service):
    bad = build_from_document(
        {**DISCOVERY, "rootUrl": ROOT, "baseUrl": ROOT + "calendar/v3/"}, credentials=Credentials("wrong")
    )
    try:
        bad.events().list(calendarId=CALENDAR).execute()
        check(False, "a wrong token is refused")
    except HttpError as error:
        check(error.status_code == 401, "a wrong token is refused")
    except Exception as error:  # google-auth tries to refresh on 401 and has nothing to do it with
        check("refresh" in str(error), "a wrong token is refused", error)
    rule = {"method": "calendar.events.list", "action": {"kind": "quota", "status": 403}}
    control("PUT", "faults", {"rules": [rule]})
    fails_with(403, "userRateLimitExceeded", service.events().list(calendarId=CALENDAR))
    control("PUT", "faults", {"rules": [rule]})
    service.events().list(calendarId=CALENDAR).execute(num_retries=2)
    check(True, "the client's own retry gets over a rate limit")


def main():
    service = local_client()
    calendars(service)
    events(service)
    series(service)
    push(service)
    batch(service)
    errors(service)
    print("all checks passed", flush=True)


main()
