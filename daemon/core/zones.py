"""Wall times, zones and instants. The only module that turns one into the other.

Rules come from the PyPI package `tzdata` alone: a machine's own zone files differ from machine to machine, so two hosts would
not agree on an instant. A wall time that a clock change skips is read with the offset before the change (02:30 becomes 03:30); of
one that occurs twice the first is meant (PEP 495, fold=0). VTIMEZONE text (RFC 5545 3.6.5) is written and read in `vtimezone`.
"""

from __future__ import annotations

import difflib
import re
import zoneinfo
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

import tzdata  # type: ignore[import-untyped]  # it has no code to type

from daemon.core.errors import Rejected
from daemon.core.model import When, require_utc, require_wall
from daemon.core.vtimezone import ForeignZone, read_vtimezone, vtimezone_text
from daemon.core.windows_zones import NAMES, folded, windows_to_iana

__all__ = [
    "TZDATA_VERSION",
    "ForeignZone",
    "read_vtimezone",
    "resolve",
    "span",
    "to_utc",
    "to_wall",
    "vtimezone",
    "zone",
]

zoneinfo.reset_tzpath(())
ZoneInfo.clear_cache()  # zones that somebody read from the machine's own files before this import

TZDATA_VERSION: str = tzdata.IANA_VERSION
"""Version of the zone rules ("2026f"): where it differs from the stored one, future instants are computed anew."""

_LONGEST_TZID = 255
_PREFIX = re.compile(r"\((?:UTC|GMT)\s*(?:([+-])\s*(\d{1,2})[:.](\d{2}))?\)\s*", re.IGNORECASE)
_REGIONS = frozenset({"Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"})
# Last parts of IANA names that are no city, or one of several cities of that name.
_NO_CITIES = frozenset(
    {"act", "center", "cordoba", "easter", "la rioja", "lhi", "north", "nsw", "samoa", "san juan", "south", "west"},
)
_LABEL_YEARS = (2012, 2018, 2024)  # labels keep a zone's old offset for years after it changed


@cache
def _by_folded_name() -> dict[str, str]:
    # "Factory" is a real file of tzdata that says "nobody has set this clock".
    return {name.casefold(): name for name in zoneinfo.available_timezones() if name != "Factory"}


def zone(name: str) -> ZoneInfo:
    """Return the zone of an IANA name, however its letters are cased; `.key` is the proper spelling.

    Raises Rejected (field "zone") with the nearest names if there is none.
    """
    return _zone(name)


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    proper = _iana(name)
    if proper is None:
        raise Rejected(_unknown(name), field="zone")
    return ZoneInfo(proper)


def _iana(name: str) -> str | None:
    return _by_folded_name().get(name.strip().casefold())


def _unknown(name: str) -> str:
    shown = " ".join(name.split())[:80]
    meant = resolve(name)
    if meant is None:
        wanted = name[:_LONGEST_TZID].strip().casefold().replace(" ", "_")
        known = {full.rpartition("/")[2]: full for full in sorted(_by_folded_name())} | {full: full for full in _by_folded_name()}
        near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.7)
        names = list(dict.fromkeys(_by_folded_name()[known[one]] for one in near))
    else:
        names = [meant]
    hint = f"Did you mean {' or '.join(names)}?" if names else "Write it like Europe/Berlin."
    return f"There is no time zone “{shown}”. {hint}"


def to_utc(wall: datetime, zone: str) -> datetime:
    """Return the instant (UTC) of a wall time. A skipped wall time is read with the offset before, a doubled one is the first.

    Raises Rejected for an unknown zone and for a time beyond the years 1 to 9999.
    """
    require_wall(wall, "wall")
    info = _zone(zone)
    try:
        return wall.replace(tzinfo=info, fold=0).astimezone(UTC)
    except OverflowError:
        raise Rejected(f"The time {wall.isoformat()} is beyond what can be computed.", field="start") from None


def to_wall(moment: datetime, zone: str) -> datetime:
    """Return the wall time (naive) that clocks in the zone show at a UTC instant.

    Raises Rejected for an unknown zone and for a time beyond the years 1 to 9999.
    """
    require_utc(moment, "moment")
    info = _zone(zone)
    try:
        return moment.astimezone(info).replace(tzinfo=None, fold=0)
    except OverflowError:
        raise Rejected(f"The time {moment.isoformat()} is beyond what can be computed.", field="start") from None


def span(when: When) -> tuple[datetime, datetime]:
    """Return start and end as UTC instants.

    `duration` is elapsed time (RFC 5545 3.8.2.5: 23:00 plus PT5H over the spring change ends at 05:00). All-day: from local
    midnight to local midnight, so a day may last 23 or 25 hours. Raises Rejected like `to_utc`.
    """
    start = to_utc(when.start, when.zone)
    try:
        end = to_utc(when.start + when.duration, when.zone) if when.all_day else start + when.duration
    except OverflowError:
        raise Rejected("The end is beyond what can be computed: make the duration shorter.", field="duration") from None
    return start, end


def vtimezone(name: str, moments: Sequence[datetime]) -> str:
    """Return one VTIMEZONE (RFC 5545 3.6.5, CRLF) with TZID `name` that is right at every given UTC moment and between them.

    The usual form is one STANDARD and at most one DAYLIGHT with a yearly rule, the only form Outlook understands, right for ever
    after. Where a zone's rule does not hold over the moments, real changes are listed one by one. At least one moment is needed.
    Raises Rejected for an unknown zone.
    """
    first, last = min(moments), max(moments)
    require_utc(first, "moments")
    return vtimezone_text(name, _zone(name).key, first, last)


def resolve(tzid: str) -> str | None:
    """Return the IANA name for a TZID of any producer, or None where its name alone does not say which zone is meant.

    Known are IANA names in any case (aliases stay as they are), those behind a vendor's prefix
    ("/mozilla.org/20050126_1/Europe/Berlin"), Windows' names, and labels with places ("(UTC+01:00) Amsterdam, Berlin, ..."), as
    far as offset and places agree.
    """
    text = tzid.strip().strip('"').replace("\\,", ",").replace("\\;", ";").strip()
    return _resolve(text) if 0 < len(text) <= _LONGEST_TZID else None


@lru_cache(maxsize=2048)
def _resolve(text: str) -> str | None:
    return _iana(text) or _behind_prefix(text) or windows_to_iana(text) or _labelled(text)


def _behind_prefix(text: str) -> str | None:
    if not text.startswith("/") and "://" not in text:
        return None
    parts = [part for part in text.split("/") if part]
    return next((name for size in (3, 2, 1) if (name := _iana("/".join(parts[-size:])))), None)


def _labelled(text: str) -> str | None:
    prefix = _PREFIX.match(text)
    label = text[prefix.end() :] if prefix else text
    places = re.split(r"[,;:/]", label)
    found = [NAMES.get(folded(label)), windows_to_iana(label)]
    for place in places:
        found.append(NAMES.get(folded(place)))
        found.extend(_cities().get(folded(place), ()))
    offset = _offset(prefix) if prefix else None
    return next((name for name in found if name and (offset is None or offset in _standard_offsets(name))), None)


def _offset(prefix: re.Match[str]) -> timedelta:
    sign, hours, minutes = prefix.groups()
    size = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    return -size if sign == "-" else size


def _standard_offsets(name: str) -> set[timedelta | None]:
    zone = ZoneInfo(name)
    return {min(datetime(year, month, 1, tzinfo=zone).utcoffset() or timedelta(0) for month in (1, 7)) for year in _LABEL_YEARS}


@cache
def _cities() -> dict[str, tuple[str, ...]]:
    cities: dict[str, tuple[str, ...]] = {}
    for name in sorted(_by_folded_name().values()):
        region, _, rest = name.partition("/")
        city = folded(rest.rpartition("/")[2])
        if region in _REGIONS and city not in _NO_CITIES:
            cities[city] = (*cities.get(city, ()), name)
    return cities
