"""Makes offsets.json: the offsets of all zones on some days, by PyPI's `tzdata`, for offsets.rs.

Run in this folder, with Python 3.9 or newer:

    python3 -m pip install tzdata==2026.6
    python3 generate.py > offsets.json

It is {version, days, zones: {name: [seconds east of Greenwich at noon UTC of each day]}}.
"""

import importlib.resources
import json
import sys
from datetime import datetime, timezone
from zoneinfo import ZoneInfo, reset_tzpath

import tzdata

reset_tzpath(to=[])
DAYS = ["1970-07-01", "1999-12-31", "2025-07-01", "2026-12-07", "2027-06-07", "2050-01-01", "2099-07-01"]

names = sorted((importlib.resources.files(tzdata) / "zones").read_text().split())
noons = [datetime.fromisoformat(day + "T12:00:00").replace(tzinfo=timezone.utc) for day in DAYS]


def offsets(name):
    zone = ZoneInfo(name)
    return [int(noon.astimezone(zone).utcoffset().total_seconds()) for noon in noons]


zones = ",\n".join(f"{json.dumps(name)}: {json.dumps(offsets(name))}" for name in names if name != "Factory")
sys.stdout.write(f'{{"version": "{tzdata.IANA_VERSION}", "days": {json.dumps(DAYS)}, "zones": {{\n{zones}\n}}}}\n')
