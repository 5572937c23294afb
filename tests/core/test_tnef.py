"""Answers inside winmail.dat (MS-OXTNEF): what is read of them, and that any bytes are taken calmly."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.ics import parse_calendar
from daemon.core.model import Method, PartStat
from daemon.core.tnef import calendar_of

MEETING = UUID("6ed8da90-450b-101b-98da-00aa003f1305").bytes_le
APPOINTMENT = UUID("00062002-0000-0000-c000-000000000046").bytes_le
ANNA = "anna@corp.example"


def attribute(name: int, data: bytes) -> bytes:
    return struct.pack("<BHHI", 1, name, 7, len(data)) + data + b"\0\0"


def named(kind: int, owner: bytes, number: int, value: bytes) -> bytes:
    return struct.pack("<HH", kind, 0x8001) + owner + struct.pack("<II", 0, number) + value


def binary(value: bytes) -> bytes:
    return struct.pack("<II", 1, len(value)) + value + b"\0" * (-len(value) % 4)


def global_id(uid: str, day: bytes = b"\0\0\0\0") -> bytes:
    return (
        b"\x04\0\0\0\x82\0\xe0\0\x74\xc5\xb7\x10\x1a\x82\xe0\x08"
        + day
        + b"\0" * 20
        + b"vCal-Uid\x01\0\0\0"
        + uid.encode()
        + b"\0"
    )


def winmail(message_class: str, *properties: bytes) -> bytes:
    mapi = struct.pack("<I", len(properties)) + b"".join(properties)
    return struct.pack("<IH", 0x223E9F78, 1) + attribute(0x8008, message_class.encode() + b"\0") + attribute(0x9003, mapi)


@pytest.mark.parametrize(
    ("message_class", "partstat"),
    [
        ("IPM.Microsoft Schedule.MtgRespP", PartStat.ACCEPTED),
        ("IPM.Microsoft Schedule.MtgRespN", PartStat.DECLINED),
        ("IPM.Schedule.Meeting.Resp.Tent", PartStat.TENTATIVE),
    ],
)
def test_the_message_class_is_the_answer(message_class: str, partstat: PartStat) -> None:
    day = struct.pack(">H", 2027) + bytes((3, 8))
    data = winmail(
        message_class,
        named(0x102, MEETING, 3, binary(global_id("series-1@sessions.example", day))),
        named(3, APPOINTMENT, 0x8201, struct.pack("<I", 2)),
    )
    found = calendar_of(data, ANNA)
    assert found is not None
    parsed = parse_calendar(found)
    (event,) = parsed.components
    assert (parsed.method, event.uid, event.sequence) == (Method.REPLY, "series-1@sessions.example", 2)
    assert (event.guests[0].email, event.guests[0].partstat) == (ANNA, partstat)
    assert event.recurrence_id_is_date
    assert f"{event.recurrence_id:%Y%m%d}" == "20270308"


def ticks(value: int) -> bytes:
    return named(0x40, MEETING, 0x01, struct.pack("<Q", value))


def test_when_it_was_answered_is_taken_over_and_a_time_beyond_the_calendar_is_not() -> None:
    meeting = named(0x102, MEETING, 3, binary(global_id("x@sessions.example")))
    answered = datetime(2027, 3, 1, 8, tzinfo=UTC)
    since = (answered - datetime(1601, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 10
    for value, stamp in ((since, answered), (2**64 - 1, None), (0, None)):
        found = calendar_of(winmail("IPM.Microsoft Schedule.MtgRespP", meeting, ticks(value)), ANNA)
        assert found is not None
        assert parse_calendar(found).components[0].dtstamp == stamp


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(winmail("IPM.Note", named(0x102, MEETING, 3, binary(global_id("x@y")))), id="an ordinary mail"),
        pytest.param(winmail("IPM.Microsoft Schedule.MtgRespP"), id="without the name of the meeting"),
        pytest.param(
            winmail("IPM.Microsoft Schedule.MtgRespP", named(0x102, MEETING, 3, binary(b"\x04" * 60))), id="Outlook's own"
        ),
        pytest.param(winmail("IPM.Microsoft Schedule.MtgRespP", named(0x99, MEETING, 3, b"")), id="a type of unknown length"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_what_is_no_answer_gives_none(data: bytes) -> None:
    assert calendar_of(data, ANNA) is None


@given(st.binary(max_size=300), st.integers(0, 200))
def test_any_bytes_are_taken_calmly(junk: bytes, cut: int) -> None:
    whole = winmail("IPM.Microsoft Schedule.MtgRespP", named(0x102, MEETING, 3, binary(global_id("x@y"))))
    calendar_of(whole[:cut] + junk, ANNA)
    calendar_of(struct.pack("<IH", 0x223E9F78, 1) + junk, ANNA)
