"""Makes windows_zones.json, the Windows names of time zones with their IANA names, for src/zone_names.rs.

    python3 -m pip install icalendar==7.3.2
    python3 windows_zones.py > windows_zones.json

icalendar takes its table from CLDR (supplemental/windowsZones.xml, territory 001).
"""

import json
import sys

from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

json.dump(WINDOWS_TO_OLSON, sys.stdout, indent=0, sort_keys=True)
sys.stdout.write("\n")
