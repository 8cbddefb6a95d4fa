"""Makes objects.json: random calendar objects with the answers of recurring-ical-events, for
tests/recurrence/object_oracle.rs.

Run in this folder, with Python 3.9 or newer:

    python3 -m pip install recurring-ical-events==3.8.2 icalendar==7.3.2 python-dateutil==2.9.0.post0 tzdata==2026.6
    python3 generate_objects.py > objects.json

The seed is fixed: the same versions make the same file. It is [{name: VTIMEZONE}, cases], and a case is

    [zone, VEVENTs, window start, window days, [[start, end, source], ...]]

where zone is a name of zones, "" for all-day and "floating" for times without a zone (the calendar's is Europe/Berlin);
VEVENTs have "|" for line ends; starts and ends are minutes after the window's start (0 o'clock UTC), and
only occurrences that start in the window are listed. The source is -1 for the master, else the number of the exception.

Two things are not asked of recurring-ical-events. A wall-clock time that does not exist: dateutil takes the offset after
the gap, RFC 5545 §3.3.5 the one before. And an end: it has the master's length in instants (§3.8.5.3), not by the clock.
A start that its rule does not make is not generated: RFC 5545 leaves open what it means, and recurring-ical-events leaves
it out. What we do with it is in generate.py.
"""

import json
import random
import sys
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, reset_tzpath

import icalendar
import recurring_ical_events
from dateutil.rrule import rrulestr

# Not the zones of this machine.
reset_tzpath(to=[])

CASES = 500
ZONES = {
    # Nobody's: an hour and a half of summer, in the middle of other people's.
    "Moon Base": [
        ("19701020T000000", "+0700", "+0530", "RRULE:FREQ=YEARLY"),
        ("19700607T020000", "+0530", "+0700", "RRULE:FREQ=YEARLY;BYMONTH=6;BYDAY=1SU"),
    ],
    # As Exchange writes them.
    "Customized Time Zone": [
        ("16010101T030000", "+0200", "+0100", "RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10"),
        ("16010101T020000", "+0100", "+0200", "RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3"),
    ],
    # As libical writes them, with rules that have ended.
    "/freeassociation.sourceforge.net/America/New_York": [
        ("19870405T020000", "-0500", "-0400", "RRULE:FREQ=YEARLY;BYMONTH=4;BYDAY=1SU;UNTIL=20060402T070000Z"),
        ("19671029T020000", "-0400", "-0500", "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU;UNTIL=20061029T060000Z"),
        ("20070311T020000", "-0500", "-0400", "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU"),
        ("20071104T020000", "-0400", "-0500", "RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU"),
    ],
    # Summer around the turn of the year, half an hour of it.
    "Southern Base": [
        ("20080406T020000", "+1100", "+1030", "RRULE:FREQ=YEARLY;BYMONTH=4;BYDAY=1SU"),
        ("20081005T020000", "+1030", "+1100", "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=1SU"),
    ],
    # Changes by list, as where they follow the moon.
    "Listed": [
        ("20240310T030000", "+0100", "+0000", "RDATE:20250223T030000,20260215T030000,20270207T030000"),
        ("20240414T020000", "+0000", "+0100", "RDATE:20250406T020000,20260322T020000,20270314T020000"),
    ],
    "Fixed": [("19700101T000000", "-0330", "-0330", "COMMENT:none")],
}
FLOATING_ZONE = "Europe/Berlin"
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]

rng = random.Random(20261126)


def vtimezone(name):
    lines = ["BEGIN:VTIMEZONE", f"TZID:{name}"]
    for number, (start, before, after, change) in enumerate(ZONES[name]):
        kind = "DAYLIGHT" if after > before else "STANDARD"
        lines += [f"BEGIN:{kind}", f"TZNAME:Z{number}", f"DTSTART:{start}"]
        lines += [f"TZOFFSETFROM:{before}", f"TZOFFSETTO:{after}", change, f"END:{kind}"]
    return "|".join([*lines, "END:VTIMEZONE"])


def chance(probability):
    return rng.random() < probability


def rule():
    frequency, interval = rng.choice([("DAILY", 5), ("WEEKLY", 3), ("MONTHLY", 3), ("YEARLY", 1)])
    parts = [f"FREQ={frequency}"]
    if chance(0.4):
        parts.append(f"INTERVAL={rng.randint(1, interval)}")
    if frequency == "WEEKLY" and chance(0.6):
        parts.append("BYDAY=" + ",".join(rng.sample(DAYS, rng.randint(1, 3))))
    if frequency == "MONTHLY" and chance(0.6):
        parts.append(rng.choice(["BYDAY=-1SU", "BYDAY=1SU,2SU", "BYMONTHDAY=-1,20", "BYDAY=MO,TU;BYSETPOS=-1"]))
    if frequency == "YEARLY":
        parts.append("BYMONTH=3,4,6,10,11;BYDAY=" + rng.choice(["1SU", "-1SU", "2SA"]))
    return ";".join(parts)


class Case:
    def __init__(self):
        self.zone = rng.choice([*ZONES, *ZONES, "", "", "floating"])
        self.window = datetime(2025, 1, 1) + timedelta(days=rng.randint(0, 500))
        self.days = rng.randint(20, 400)
        self.made = self.make()

    def text(self, local):
        return local.strftime("%Y%m%d" if self.zone == "" else "%Y%m%dT%H%M%S")

    def line(self, name, *locals_, utc=False):
        """A line with the zone of the series, or in UTC where that can be said."""
        if self.zone == "":
            return f"{name};VALUE=DATE:" + ",".join(map(self.text, locals_))
        if self.zone == "floating":
            return f"{name}:" + ",".join(map(self.text, locals_))
        if utc and all(self.exists(local) for local in locals_):
            return f"{name}:" + ",".join(self.instant(local).strftime("%Y%m%dT%H%M%SZ") for local in locals_)
        return f'{name};TZID="{self.zone}":' + ",".join(map(self.text, locals_))

    def offset(self, local):
        return local.replace(tzinfo=TZ[self.zone]).utcoffset()

    def exists(self, local):
        day = timedelta(days=1)
        before, after = self.offset(local - day), self.offset(local + day)
        # In a gap dateutil has the offset after it, and as long as the gap earlier the one before it.
        return after <= before or self.offset(local) == before or self.offset(local - (after - before)) == after

    def instant(self, local):
        if self.zone == "":
            return local
        # In a gap it is the offset before it.
        at = local if self.exists(local) else local - timedelta(days=1)
        return local - self.offset(at)

    def event(self, start, length, *lines):
        """With DTEND or DURATION."""
        end = start + length
        by_duration = f"DURATION:P{length.days}D" if self.zone == "" else f"DURATION:PT{length.seconds // 60}M"
        last = by_duration if chance(0.3) else self.line("DTEND", end)
        if self.zone != "" and self.instant(end) - self.instant(start) != length:
            last = by_duration
        return "|".join(["BEGIN:VEVENT", "UID:one", *lines, self.line("DTSTART", start), last, "END:VEVENT"])

    def length(self):
        if self.zone == "":
            return timedelta(days=rng.randint(1, 4))
        return timedelta(minutes=15 * rng.randint(1, 12))

    def make(self):
        first = self.window + timedelta(days=rng.randint(-300, self.days // 2))
        if self.zone != "":
            # Often at night, when clocks change.
            first += timedelta(minutes=rng.choice([0, 30, 90, 135, 150, 165, 15 * rng.randint(0, 95)]))
        text = rule()
        first = rrulestr(text, dtstart=first)[0]
        end = self.window + timedelta(days=self.days)
        limit = rng.choice(["", "COUNT", "UNTIL"])
        if limit == "COUNT":
            text += f";COUNT={rng.randint(2, 60)}"
        locals_ = list(rrulestr(text, dtstart=first).between(first, end + timedelta(days=60), inc=True))
        if limit == "UNTIL" and len(locals_) > 3:
            last = rng.choice(locals_[2:])
            locals_ = [local for local in locals_ if local <= last]
            if self.zone in ("", "floating"):
                text += f";UNTIL={self.text(last)}"
            else:
                if not self.exists(last):
                    return None
                text += f";UNTIL={self.instant(last).strftime('%Y%m%dT%H%M%SZ')}"
        if len(locals_) < 3:
            return None
        lines = [f"RRULE:{text}"]
        ranges = rng.choice([0, 0, 1, 1, 2])

        rng.shuffle(locals_)
        if chance(0.6):
            excluded = [locals_.pop() for _ in range(min(rng.randint(1, 4), len(locals_) - 2))]
            if excluded:
                lines.append(self.line("EXDATE", *excluded, utc=chance(0.3)))
        if chance(0.5):
            added = [rng.choice(locals_) + timedelta(days=rng.randint(1, 40), hours=3) for _ in range(rng.randint(1, 3))]
            # One in UTC would move by UTC's clock.
            lines.append(self.line("RDATE", *added, utc=ranges == 0 and chance(0.5)))
            if self.zone != "" and chance(0.5):
                period = rng.choice(locals_) + timedelta(days=1, minutes=75)
                tzid = "" if self.zone == "floating" else f';TZID="{self.zone}"'
                lines.append(f"RDATE;VALUE=PERIOD{tzid}:{self.text(period)}/PT{rng.randint(1, 9) * 20}M")

        events = [self.event(first, self.length(), "SUMMARY:-1", *lines)]
        for number in range(min(rng.randint(0, 4), len(locals_) - 1)):
            original = locals_.pop()
            is_range = number < ranges
            step = timedelta(days=1) if self.zone == "" else timedelta(minutes=15)
            moved = original + rng.choice([0, 1, -1, 4, -6, rng.randint(-200, 200)]) * step
            if not self.zone == "" and not (self.exists(original) and self.exists(moved)):
                return None
            name = "RECURRENCE-ID;RANGE=THISANDFUTURE" if is_range else "RECURRENCE-ID"
            place = self.line(name, original, utc=chance(0.3))
            events.append(self.event(moved, self.length(), f"SUMMARY:{number}", place))
        rng.shuffle(events)
        events = self.numbered_by_place(events)
        occurrences = self.occurrences("|".join(events))
        return [self.zone, "|".join(events), self.window.strftime("%Y%m%d"), self.days, occurrences]

    @staticmethod
    def numbered_by_place(events):
        """Exceptions are numbered in the order of the text."""
        number = 0
        for position, event in enumerate(events):
            if "SUMMARY:-1|" not in event:
                before, after = event.split("SUMMARY:")
                events[position] = f"{before}SUMMARY:{number}{after[after.index('|'):]}"
                number += 1
        return events

    def occurrences(self, events):
        lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//evercal//oracle//EN"]
        if self.zone in ZONES:
            lines.append(vtimezone(self.zone))
        text = "\r\n".join("|".join([*lines, events, "END:VCALENDAR", ""]).split("|"))
        calendar = icalendar.Calendar.from_ical(text)
        margin = timedelta(days=3)
        start, end = self.window - margin, self.window + timedelta(days=self.days) + margin
        found = []
        for event in recurring_ical_events.of(calendar).between(start, end):
            begin, stop = (self.local(event[name].dt) for name in ("DTSTART", "DTEND"))
            at = begin if self.is_utc(event["DTSTART"].dt) else self.instant(begin)
            if self.window <= at < self.window + timedelta(days=self.days):
                minutes = int((at - self.window).total_seconds()) // 60
                length = int((stop - begin).total_seconds()) // 60
                found.append([minutes, minutes + length, int(event["SUMMARY"])])
        return sorted(found)

    @staticmethod
    def is_utc(time):
        """An RDATE in UTC stays so."""
        return isinstance(time, datetime) and time.tzname() == "UTC"

    @staticmethod
    def local(time):
        if isinstance(time, datetime):
            return time.replace(tzinfo=None)
        assert isinstance(time, date)
        return datetime(time.year, time.month, time.day)


TZ = {
    name: icalendar.Timezone.from_ical(vtimezone(name).replace("|", "\r\n")).to_tz(lookup_tzid=False)
    for name in ZONES
}
TZ["floating"] = ZoneInfo(FLOATING_ZONE)


def main():
    cases = []
    while len(cases) < CASES:
        made = Case().made
        if made and 0 < len(made[-1]) <= 60:
            cases.append(made)
    zones = json.dumps({name: vtimezone(name) for name in ZONES}, indent=0)
    rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in cases)
    sys.stdout.write(f"[{zones},\n[\n{rows}\n]]\n")


if __name__ == "__main__":
    main()
