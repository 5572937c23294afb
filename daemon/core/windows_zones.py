"""Names that Microsoft's, IBM's and other programs give to time zones, and the IANA names they stand for.

Registry names ("W. Europe Standard Time") come from the table that the icalendar package carries (Unicode CLDR). Here is what
that table lacks: labels people see, old and short spellings. Only names with one meaning: "Customized Time Zone" is not here.
Cities need no line here: `zones.resolve` finds them in the IANA names.
"""

from __future__ import annotations

import unicodedata
from functools import cache

NAMES: dict[str, str] = {
    # labels of Windows, without "(UTC-08:00)"; compared as `folded` spells them
    "alaska": "America/Anchorage",
    "amsterdam berlin bern rome stockholm vienna": "Europe/Berlin",
    "aleutian islands": "America/Adak",
    "arizona": "America/Phoenix",
    "ashgabat tashkent": "Asia/Tashkent",
    "astana": "Asia/Almaty",
    "atlantic time canada": "America/Halifax",
    "azores": "Atlantic/Azores",
    "baja california": "America/Tijuana",
    "beijing": "Asia/Shanghai",
    "bougainville island": "Pacific/Bougainville",
    "brasilia": "America/Sao_Paulo",
    "cabo verde is": "Atlantic/Cape_Verde",
    "cape verde is": "Atlantic/Cape_Verde",
    "cape verde islands": "Atlantic/Cape_Verde",
    "caucasus": "Asia/Yerevan",
    "central america": "America/Guatemala",
    "central time us canada": "America/Chicago",
    "chatham islands": "Pacific/Chatham",
    "chetumal": "America/Cancun",
    "chokurdakh": "Asia/Srednekolymsk",
    "city of buenos aires": "America/Argentina/Buenos_Aires",
    "coordinated universal time": "UTC",
    "coordinated universal time 02": "Etc/GMT+2",
    "coordinated universal time 08": "Etc/GMT+8",
    "coordinated universal time 09": "Etc/GMT+9",
    "coordinated universal time 11": "Etc/GMT+11",
    "coordinated universal time 12": "Etc/GMT-12",
    "coordinated universal time 13": "Etc/GMT-13",
    "easter island": "Pacific/Easter",
    "eastern time us canada": "America/New_York",
    "ekaterinburg": "Asia/Yekaterinburg",
    "fiji islands": "Pacific/Fiji",
    "fiji marshall is": "Pacific/Fiji",
    "greenland": "America/Nuuk",
    "greenwich mean time": "Europe/London",
    "haiti": "America/Port-au-Prince",
    "hawaii": "Pacific/Honolulu",
    "indiana east": "America/Indiana/Indianapolis",
    "international date line west": "Etc/GMT+12",
    "islamabad": "Asia/Karachi",
    "kiritimati island": "Pacific/Kiritimati",
    "lord howe island": "Australia/Lord_Howe",
    "marquesas islands": "Pacific/Marquesas",
    "mexico city tegucigalpa": "America/Mexico_City",
    "midway island samoa": "Pacific/Pago_Pago",
    "mountain time us canada": "America/Denver",
    "mumbai": "Asia/Kolkata",
    "new caledonia": "Pacific/Noumea",
    "new delhi": "Asia/Kolkata",
    "newfoundland": "America/St_Johns",
    "norfolk island": "Pacific/Norfolk",
    "nuku alofa": "Pacific/Tongatapu",
    "pacific time us canada": "America/Los_Angeles",
    "petropavlovsk kamchatsky": "Asia/Kamchatka",
    "pretoria": "Africa/Johannesburg",
    "saint pierre and miquelon": "America/Miquelon",
    "salvador": "America/Bahia",
    "samoa": "Pacific/Apia",
    "saskatchewan": "America/Regina",
    "solomon is": "Pacific/Guadalcanal",
    "sri jayawardenepura": "Asia/Colombo",
    "st petersburg": "Europe/Moscow",
    "turks and caicos": "America/Grand_Turk",
    "wellington": "Pacific/Auckland",
    "west central africa": "Africa/Lagos",
    "yangon rangoon": "Asia/Yangon",
    "yukon": "America/Whitehorse",
    # German Windows and Notes
    "mitteleuropaische zeit": "Europe/Berlin",
    "mitteleuropaische normalzeit": "Europe/Berlin",
    "mitteleuropaische sommerzeit": "Europe/Berlin",
    "koordinierte weltzeit": "UTC",
    # Notes, Exchange 2003, short and abbreviated spellings seen in calendar mails
    "western central europe": "Europe/Berlin",
    "westeurope": "Europe/Berlin",
    "us eastern": "America/New_York",
    "us central": "America/Chicago",
    "us mountain": "America/Denver",
    "us pacific": "America/Los_Angeles",
    "eastern": "America/New_York",
    "central": "America/Chicago",
    "mountain": "America/Denver",
    "pacific": "America/Los_Angeles",
    "eastern time": "America/New_York",
    "central time": "America/Chicago",
    "mountain time": "America/Denver",
    "pacific time": "America/Los_Angeles",
    "brt": "America/Sao_Paulo",
    "cest": "Europe/Berlin",
    "mesz": "Europe/Berlin",
    "mez": "Europe/Berlin",
    "z": "UTC",
}


def folded(label: str) -> str:
    """Return the compared form of a label: no accents, lower case, letters and digits with single blanks between."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", label) if not unicodedata.combining(char)).casefold()
    return " ".join("".join(char if char.isalnum() else " " for char in plain).split())


@cache
def _registry() -> dict[str, str]:
    # The package is heavy; most runs of the command line never meet a Windows name.
    from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

    return {name.casefold(): iana for name, iana in WINDOWS_TO_OLSON.items()}


def windows_to_iana(name: str) -> str | None:
    """Return the IANA name for a Windows registry name, its daylight form, or one that lost its " Standard Time" ("FLE")."""
    low = " ".join(name.split()).casefold().replace(" daylight time", " standard time")
    return _registry().get(low) or _registry().get(f"{low} standard time")
