"""Makes zones.bin, the time zones of the simulator: IANA's as PyPI's `tzdata` has them, which the product does not use.

    python3 -m pip install tzdata==2026.6
    python3 generate.py > zones.bin

First a line of text for each name: name, offset and length of its TZif data (RFC 8536) behind the empty line that ends
the index.
"""

import importlib.resources
import sys

import tzdata

folder = importlib.resources.files(tzdata) / "zoneinfo"
names = sorted((importlib.resources.files(tzdata) / "zones").read_text().split())
data = bytearray()
places = {}
index = [f"# tzdata {tzdata.IANA_VERSION}"]
for name in names:
    zone = folder.joinpath(*name.split("/")).read_bytes()
    if zone not in places:
        places[zone] = len(data)
        data += zone
    index.append(f"{name}\t{places[zone]}\t{len(zone)}")
sys.stdout.buffer.write("\n".join([*index, "", ""]).encode() + data)
