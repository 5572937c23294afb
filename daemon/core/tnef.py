"""Answers that Outlook packed into winmail.dat (MS-OXTNEF), as calendar data (best effort, itip.md 1.12).

Read are the message class and a few MAPI properties, by hand and within the bytes that are there. No public sample of such an
answer is known; what cannot be read is no calendar data, so the mail is left for a person.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from daemon.core.addresses import clean_text

_SIGNATURE = 0x223E9F78
_MESSAGE_CLASS, _MAPI_PROPERTIES = 0x8008, 0x9003
_MOST_PROPERTIES = 2_000
_MOST_BYTES = 1024 * 1024

_MEETING = UUID("6ed8da90-450b-101b-98da-00aa003f1305")
_APPOINTMENT = UUID("00062002-0000-0000-c000-000000000046")
_GLOBAL_ID, _CLEAN_ID, _CRITICAL_CHANGE = (_MEETING, 0x03), (_MEETING, 0x23), (_MEETING, 0x01)
_SEQUENCE, _REPLACED = (_APPOINTMENT, 0x8201), (_APPOINTMENT, 0x8228)
_COUNTER, _PROPOSED_START, _PROPOSED_END = (_APPOINTMENT, 0x8257), (_APPOINTMENT, 0x8250), (_APPOINTMENT, 0x8251)
_BODY = (None, 0x1000)

_PARTSTATS = {"mtgrespp": "ACCEPTED", "mtgrespn": "DECLINED", "mtgrespa": "TENTATIVE"}
_CLASSES = ("ipm.microsoft schedule.", "ipm.schedule.meeting.")
_LONG_CLASSES = {"resp.pos": "mtgrespp", "resp.neg": "mtgrespn", "resp.tent": "mtgrespa"}
_FOREIGN_UID = b"vCal-Uid\x01\x00\x00\x00"
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)

# Sizes of MAPI types whose value has a fixed length (MS-OXTNEF 2.1.3.4), each padded to four bytes.
_FIXED = {0x02: 4, 0x03: 4, 0x04: 4, 0x05: 8, 0x06: 8, 0x07: 8, 0x0A: 4, 0x0B: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_VARIABLE = (0x0D, 0x1E, 0x1F, 0x102)
_MANY = 0x1000

_Name = tuple[UUID | None, int]


def calendar_of(data: bytes, sender: str) -> bytes | None:
    """Return the answer as a REPLY or COUNTER of `sender` (RFC 5546 3.2.3, 3.2.7), or None if there is none in it."""
    try:
        attributes = dict(_attributes(data[:_MOST_BYTES]))
        partstat = _partstat(attributes.get(_MESSAGE_CLASS, b""))
        if partstat is None or not sender:
            return None
        found = dict(_properties(attributes.get(_MAPI_PROPERTIES, b"")))
    except (struct.error, IndexError, OverflowError, ValueError):
        return None
    uid = _uid(found)
    return None if uid is None else _written(uid, partstat, sender, found)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    if struct.unpack_from("<I", data)[0] != _SIGNATURE:
        return
    at = 6
    while at + 11 <= len(data):
        name, _, length = struct.unpack_from("<HHI", data, at + 1)
        yield name, data[at + 9 : at + 9 + length]
        at += 11 + length


def _partstat(message_class: bytes) -> str | None:
    text = message_class.split(b"\0")[0].decode("latin-1").strip().lower()
    for prefix in _CLASSES:
        if text.startswith(prefix):
            rest = text.removeprefix(prefix)
            return _PARTSTATS.get(_LONG_CLASSES.get(rest, rest))
    return None


def _properties(data: bytes) -> Iterator[tuple[_Name, bytes]]:
    """Each property by its named set and number; the bytes of its first value."""
    (count,) = struct.unpack_from("<I", data)
    at = 4
    for _ in range(min(count, _MOST_PROPERTIES)):
        kind, number = struct.unpack_from("<HH", data, at)
        at += 4
        name: _Name = (None, number)
        if number >= 0x8000:
            named = UUID(bytes_le=data[at : at + 16])
            by_text, number = struct.unpack_from("<II", data, at + 16)
            at += 24 + (_padded(number) if by_text else 0)
            name = (named, -1 if by_text else number)
        plain = kind & ~_MANY
        values = 1
        if kind & _MANY or plain in _VARIABLE:
            (values,) = struct.unpack_from("<I", data, at)
            at += 4
        first = b""
        for index in range(min(values, _MOST_PROPERTIES)):
            if plain in _VARIABLE:
                (length,) = struct.unpack_from("<I", data, at)
                at += 4
            else:
                length = _FIXED[plain] if plain in _FIXED else _unknown(plain)
            first = data[at : at + length] if not index else first
            at += _padded(length)
        yield name, first


def _unknown(kind: int) -> int:
    raise ValueError(f"MAPI type {kind:#x} is not known, so its length is not")


def _padded(length: int) -> int:
    return length + -length % 4


def _uid(found: dict[_Name, bytes]) -> str | None:
    """The UID that we gave: Outlook keeps it inside its own GlobalObjectId (MS-OXCICAL 2.1.3.1.1.20.26)."""
    for name in (_CLEAN_ID, _GLOBAL_ID):
        value = found.get(name, b"")
        if value[40 : 40 + len(_FOREIGN_UID)] == _FOREIGN_UID:
            return value[40 + len(_FOREIGN_UID) :].split(b"\0")[0].decode("utf-8", "replace")
    return None


def _written(uid: str, partstat: str, sender: str, found: dict[_Name, bytes]) -> bytes:
    counter = any(found.get(_COUNTER, b""))
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", f"METHOD:{'COUNTER' if counter else 'REPLY'}", "BEGIN:VEVENT", f"UID:{_one(uid)}"]
    if len(found.get(_SEQUENCE, b"")) >= 4:
        lines.append(f"SEQUENCE:{struct.unpack_from('<I', found[_SEQUENCE])[0]}")
    times = [("DTSTAMP", _CRITICAL_CHANGE), ("RECURRENCE-ID", _REPLACED)]
    times += [("DTSTART", _PROPOSED_START), ("DTEND", _PROPOSED_END)] if counter else []
    for word, name in times:
        moment = _moment(found.get(name, b""))
        if moment is not None:
            lines.append(f"{word}:{moment:%Y%m%dT%H%M%SZ}")
    day = _day(found.get(_GLOBAL_ID, b"")) if _REPLACED not in found else None
    lines += [f"RECURRENCE-ID;VALUE=DATE:{day}"] if day else []
    lines += [f"ATTENDEE;PARTSTAT={partstat}:mailto:{sender}", "END:VEVENT", "END:VCALENDAR", ""]
    return "\r\n".join(lines).encode()


def _moment(value: bytes) -> datetime | None:
    ticks = struct.unpack("<Q", value)[0] if len(value) == 8 else 0
    try:
        return (_EPOCH + timedelta(microseconds=ticks // 10)).replace(microsecond=0) if ticks else None
    except OverflowError:
        return None


def _day(value: bytes) -> str | None:
    """The date of a series that is answered: its year, month and day stand in the GlobalObjectId."""
    if len(value) < 20 or not any(value[16:20]):
        return None
    return f"{int.from_bytes(value[16:18], 'big'):04d}{value[18]:02d}{value[19]:02d}"


def _one(text: str) -> str:
    return " ".join(clean_text(text).split())
