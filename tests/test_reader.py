"""The process that reads mails: what comes back is what reading here gives, and a mail that is too much costs only itself."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.core import ics, reading
from daemon.core.errors import Unreachable
from daemon.reader import Reader, _PlainValues, here
from tests.core.test_imip import a_mail, received, with_parts

SERIES = b"""BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//x//EN
METHOD:REPLY
BEGIN:VEVENT
UID:1@x
DTSTAMP:20270301T080000Z
DTSTART;TZID=Europe/Berlin:20270315T090000
DTEND;TZID=Europe/Berlin:20270315T100000
RRULE:FREQ=WEEKLY;COUNT=5
EXDATE;TZID=Europe/Berlin:20270322T090000
RECURRENCE-ID;TZID=Europe/Berlin:20270329T090000
SEQUENCE:2
ORGANIZER:mailto:planner@example.test
ATTENDEE;PARTSTAT=ACCEPTED;CN=Anna:mailto:anna@example.test
END:VEVENT
END:VCALENDAR
""".replace(b"\n", b"\r\n")


@pytest.fixture
def reader() -> Iterator[Reader]:
    one = Reader()
    yield one
    one.close()


def with_calendar(text: bytes) -> bytes:
    return with_parts("Content-Type: text/calendar; charset=utf-8; method=REPLY\r\n\r\n" + text.decode())


def an_answer() -> bytes:
    return with_calendar(SERIES)


def processes_of(reader: Reader) -> int:
    assert reader._process is not None
    return reader._process.pid


@pytest.mark.parametrize(
    "raw",
    [an_answer(), a_mail(), b"", b"\xff\x00" * 5000, b"Subject: x\r\n\r\nhallo", with_calendar(b"BEGIN:VCALENDAR\r\nmore")],
    ids=["an answer", "a mail", "nothing", "rubbish", "no calendar", "a calendar that is cut off"],
)
async def test_what_comes_back_is_what_reading_here_gives(reader: Reader, raw: bytes) -> None:
    found = await reader.read(raw)
    assert found == await here(raw)
    assert found.mail is not None or found.problem


async def test_a_calendar_that_cannot_be_read_is_a_problem_in_a_sentence(reader: Reader) -> None:
    found = await reader.read(with_calendar(b"BEGIN:VEVENT\r\nEND:VEVENT\r\n"))
    assert found.mail is not None
    assert "There is no calendar in the data" in found.problem


async def test_one_process_reads_all_mails(reader: Reader) -> None:
    await reader.read(an_answer())
    first = processes_of(reader)
    await reader.read(a_mail())
    assert processes_of(reader) == first


async def test_a_mail_that_takes_too_long_ends_the_process_and_is_put_aside_and_the_next_one_is_read() -> None:
    reader = Reader(cpu=timedelta(milliseconds=1))
    try:
        found = await reader.read(received("Content-Type: text/plain", body="Zeile\r\n" * 200_000))
        assert found.mail is None
        assert found.problem == "The mail is such that reading it takes too long. It was put aside; look at it yourself."
        reader._limits = timedelta(seconds=2), reader._limits[1]
        assert (await reader.read(an_answer())).answer is not None
    finally:
        reader.close()


async def test_a_mail_that_takes_too_much_memory_is_put_aside_and_the_next_one_is_read() -> None:
    reader = Reader(memory=90 * 1024 * 1024)
    try:
        found = await reader.read(b"Subject: x\r\nContent-Type: text/plain\r\n\r\n" + b"x" * 60_000_000)
        assert found.mail is None
        assert "more memory than one mail may take" in found.problem
        reader._limits = reader._limits[0], 512 * 1024 * 1024
        reader.close()
        assert (await reader.read(an_answer())).answer is not None
    finally:
        reader.close()


async def test_a_bug_is_logged_with_its_traceback_and_the_mail_is_put_aside(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The process finds a `daemon.core.ics` that breaks, by PYTHONPATH."""
    (tmp_path / "sitecustomize.py").write_text("import daemon.core.imip as one\none.read_mail = lambda raw: 1 // 0\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    reader = Reader()
    try:
        found = await reader.read(an_answer())
        assert "because of an error of this service" in found.problem
        assert "ZeroDivisionError" in capsys.readouterr().out
        assert (await reader.read(an_answer())).problem == found.problem
    finally:
        reader.close()


async def test_it_is_not_given_the_secrets_of_the_service(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITZUNGSPLANER_MAIL__SMTP__PASSWORD", "geheim")
    await reader.read(a_mail())
    given = Path(f"/proc/{processes_of(reader)}/environ").read_bytes()  # noqa: ASYNC240 - no disk is read
    assert b"geheim" not in given


async def test_without_a_process_the_mail_is_tried_again(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    with pytest.raises(Unreachable, match="cannot be started"):
        await reader.read(a_mail())


def test_nothing_but_plain_values_is_taken_from_it() -> None:
    assert _PlainValues(io.BytesIO(pickle.dumps(reading.read(an_answer())))).load() == reading.read(an_answer())
    for harmful in (os.getcwd, ics.parse_calendar, Path):
        with pytest.raises(pickle.UnpicklingError, match="no plain value"):
            _PlainValues(io.BytesIO(pickle.dumps(harmful))).load()
    with pytest.raises(pickle.UnpicklingError, match="enumeration"):
        _PlainValues(io.BytesIO(b"cbuiltins\ngetattr\n(cdaemon.core.reading\nReading\nV__init__\ntR.")).load()
