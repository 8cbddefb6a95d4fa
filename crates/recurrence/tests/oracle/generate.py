"""Makes expected.json: random rules with the answers of python-dateutil, for tests/recurrence/oracle.rs.

Run in this folder, with Python 3.9 or newer:

    python3 -m pip install python-dateutil==2.9.0.post0 tzdata==2026.6
    python3 generate.py > expected.json

The seed is fixed: the same versions make the same file. Each case is

    [zone, dtstart, rule, window start, window days, count, checksum, first starts]

where zone is "" for an all-day series, starts are seconds after the window's start (0 o'clock UTC), count and checksum
are over all starts in the window, and a timed event lasts half an hour. dateutil repeats by the wall clock;
zoneinfo turns that into instants with fold=0: the offset before a gap, the first of two.

One thing is not dateutil's answer: a start that its rule does not make. dateutil leaves it out; we show it, as Google
does, beyond COUNT and unless it is after UNTIL. So it is added here.
"""

import json
import random
import sys
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo, reset_tzpath

from dateutil.rrule import rrulestr

# Zones come from PyPI, neither from this machine nor from where the product has its own.
reset_tzpath(to=[])

CASES = 2200
FIRST_STARTS = 3
STEPS_MAX = 45_000
ZONES = [
    "",
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "America/St_Johns",
    # Their rules changed in 2026.
    "America/Vancouver",
    "America/Havana",
    "Africa/Casablanca",
]
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
# Frequency, how often it is drawn, largest interval, largest age of the series in days, largest window in days.
FREQUENCIES = [
    ("YEARLY", 5, 4, 9000, 2000),
    ("MONTHLY", 6, 7, 9000, 800),
    ("WEEKLY", 6, 5, 9000, 500),
    ("DAILY", 5, 12, 9000, 400),
    ("HOURLY", 2, 30, 900, 60),
    ("MINUTELY", 3, 90, 12, 6),
    ("SECONDLY", 2, 9000, 1, 2),
]

rng = random.Random(20261123)


def chance(probability):
    return rng.random() < probability


def some(values, most):
    return ",".join(str(value) for value in rng.sample(values, rng.randint(1, most)))


def signed(most):
    return [*range(1, most + 1), *range(-most, 0)]


def rule_parts(frequency, interval_max, all_day):
    parts = [f"FREQ={frequency}"]
    large = frequency in ("YEARLY", "MONTHLY")
    if chance(0.5):
        parts.append(f"INTERVAL={rng.randint(1, interval_max)}")
    if chance(0.3):
        parts.append(f"WKST={rng.choice(DAYS)}")
    # Parts that hardly ever meet are not combined: dateutil looks for such a day until the year 9999.
    week_numbers = frequency == "YEARLY" and chance(0.2)
    year_days = frequency in ("YEARLY", "HOURLY", "MINUTELY") and not week_numbers and chance(0.15)
    months = not week_numbers and not year_days and chance(0.25)
    positions = large and not week_numbers and chance(0.25)
    if months:
        parts.append("BYMONTH=" + some(range(1, 13), 4))
    if week_numbers:
        parts.append("BYWEEKNO=" + some(signed(53), 4))
    if chance(0.35):
        days = rng.sample(DAYS, rng.randint(1, 4))
        if positions:
            # Beyond the fifth of a month dateutil reads past its tables. The fifth last is not supported.
            most = 4 if frequency == "MONTHLY" or months else 20
            days = [f"{rng.choice([*signed(most), 5])}{day}" for day in days]
        parts.append("BYDAY=" + ",".join(days))
    if frequency != "WEEKLY" and not (week_numbers or year_days or positions) and chance(0.3):
        parts.append("BYMONTHDAY=" + some(signed(28), 5))
    if year_days:
        parts.append("BYYEARDAY=" + some(signed(365), 8))
    if not all_day and not (year_days and frequency == "MINUTELY"):
        if chance(0.15):
            parts.append("BYHOUR=" + some(range(24), 3))
        if chance(0.15):
            parts.append("BYMINUTE=" + some(range(60), 3))
        if chance(0.08):
            parts.append("BYSECOND=" + some(range(60), 3))
    if large and len(parts) > 2 and chance(0.25):
        parts.append("BYSETPOS=" + some(signed(3), 2))
    return parts


def locals_of(parts, first):
    try:
        yield from rrulestr(";".join(parts), dtstart=first)
    except ValueError:
        return  # dateutil sees that it makes nothing (more).


def case():
    frequency, _, interval_max, age_max, window_max = rng.choices(
        FREQUENCIES, weights=[row[1] for row in FREQUENCIES]
    )[0]
    zone = rng.choice(ZONES if frequency in ("YEARLY", "MONTHLY", "WEEKLY", "DAILY") else ZONES[1:])
    parts = rule_parts(frequency, interval_max, zone == "")
    window = datetime(2025, 1, 1) + timedelta(days=rng.randint(0, 600))
    days = rng.randint(1, window_max)
    first = window + timedelta(
        days=rng.randint(-age_max, days), seconds=60 * rng.choice([0, 30, 120, 150, rng.randint(0, 1439)])
    )
    if zone == "":
        first = first.replace(hour=0, minute=0)
    until = None
    if chance(0.2):
        parts.append(f"COUNT={rng.randint(1, 400)}")
    elif chance(0.2):
        until = window + timedelta(days=rng.randint(-10, days), seconds=rng.choice([0, 30600]))

    end = window + timedelta(days=days)
    length = timedelta(days=1) if zone == "" else timedelta(minutes=30)

    def instant(local):
        if zone == "":
            return local
        return local.replace(tzinfo=ZoneInfo(zone)).astimezone(timezone.utc).replace(tzinfo=None)

    if zone and instant(first).replace(tzinfo=timezone.utc).astimezone(ZoneInfo(zone)).replace(tzinfo=None) != first:
        return None  # A series cannot start at a time that does not exist.
    starts = set()

    def add(start):
        if start < end and start + length > window:
            starts.add(int((start - window).total_seconds()))

    start = instant(first)
    if not until or (first.date() <= until.date() if zone == "" else start <= until):
        add(start)
    for step, local in enumerate(locals_of(parts, first)):
        if step > STEPS_MAX:
            return None
        start = instant(local)
        if local > end + timedelta(days=2) or (until and local > until + timedelta(days=2)):
            break
        if until and (local.date() > until.date() if zone == "" else start > until):
            continue
        add(start)
    if len(starts) > 20_000:
        return None
    if until:
        text = until.strftime("%Y%m%d" if zone == "" else "%Y%m%dT%H%M%SZ")
        parts.append(f"UNTIL={text}")
    starts = sorted(starts)
    checksum = 0
    for start in starts:
        checksum = (checksum * 31 + start) % 2**32
    return [
        zone,
        first.strftime("%Y%m%d" if zone == "" else "%Y%m%dT%H%M%S"),
        ";".join(parts),
        window.strftime("%Y%m%d"),
        days,
        len(starts),
        checksum,
        starts[:FIRST_STARTS],
    ]


def main():
    cases = []
    while len(cases) < CASES:
        made = case()
        # A few rules that make nothing are worth having, not hundreds.
        if made and (made[5] > 0 or chance(0.15)):
            cases.append(made)
    rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in cases)
    sys.stdout.write(f"[\n{rows}\n]\n")


if __name__ == "__main__":
    main()
