"""Bad .ics files: bytes that somebody may hand to `entry import`, and what is said of them."""

from __future__ import annotations

from tests.cli.test_files import calendar, event


def vevent(*lines: str) -> bytes:
    return calendar(["BEGIN:VEVENT", "DTSTAMP:20340101T000000Z", *lines, "END:VEVENT"])


NO_CALENDAR = "There is no calendar in the data: BEGIN:VCALENDAR is missing. Send an .ics file (iCalendar)."
AT = ("UID:bad@x", "SUMMARY:Sitzung", "DTSTART:20350306T080000Z")

ICS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "Error: FOLDER/in.ics is empty. Nothing was read."),
    "blanks": (b" \r\n\r\n", "Error: FOLDER/in.ics is empty. Nothing was read."),
    "a letter": (b"hallo welt", f"Error: FOLDER/in.ics: {NO_CALENDAR}"),
    "any bytes": (bytes(range(256)) * 10, f"Error: FOLDER/in.ics: {NO_CALENDAR}"),
    "a page in place of the file": (b"<html><body>404</body></html>", f"Error: FOLDER/in.ics: {NO_CALENDAR}"),
    "an address book": (b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:x\r\nEND:VCARD\r\n", f"Error: FOLDER/in.ics: {NO_CALENDAR}"),
    "a file cut off": (
        calendar(event("a@x"))[:-30],
        "The calendar data ends in the middle: END:VEVENT is missing. Nothing was read",
    ),
    "a file cut off at once": (b"BEGIN:VCALENDAR", "The calendar data ends in the middle: END:VCALENDAR is missing."),
    "a calendar in a calendar, 2000 times": (b"BEGIN:VCALENDAR\r\n" * 2000, "The calendar data is nested too deeply."),
    "a file of 21 MiB": (b"x" * (21 * 1024 * 1024), "The body is larger than 20 MiB. Send it in parts."),
    "no start": (vevent("UID:bad@x", "SUMMARY:Sitzung"), "skipped   Sitzung – The event has no start, so it cannot be planned."),
    "a start that is none": (vevent(*AT[:2], "DTSTART:morgen"), "DTSTART “morgen” is no date or time that can be used"),
    "a year out of reach": (vevent(*AT[:2], "DTSTART:08500306T080000Z"), "DTSTART “08500306T080000Z” is no date or time"),
    "a rule that is none": (
        vevent(*AT, "RRULE:FREQ=IMMER"),
        "skipped   Sitzung – A session repeats DAILY, WEEKLY, MONTHLY or YEARLY, not “IMMER”.",
    ),
    "a rule every second": (vevent(*AT, "RRULE:FREQ=SECONDLY"), "skipped   Sitzung – A session repeats DAILY, WEEKLY, MONTHLY"),
    "a rule that never matches": (
        vevent(*AT, "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"),
        "skipped   Sitzung – The rule never matches: there is no such day within 200 years after the start.",
    ),
    "a hundred million dates": (
        vevent(*AT, "RRULE:FREQ=DAILY;COUNT=99999999"),
        "skipped   Sitzung – COUNT=99999999 does not work: it has to be a number from 1 to 10000.",
    ),
    "an end before the start": (
        vevent(*AT, "RRULE:FREQ=DAILY;UNTIL=20340101T000000Z"),
        "skipped   Sitzung – The series ends (2034-01-01) before it starts (2035-03-06).",
    ),
    "a session of 400 days": (
        vevent(*AT, "DURATION:P400D"),
        "skipped   Sitzung – The duration must be more than nothing and at most 31 days, like 45m or 1h30m.",
    ),
    "one date without its series": (
        vevent(*AT, "RECURRENCE-ID:20350306T080000Z"),
        "skipped   Sitzung – The file has only single dates of this series and not the series itself.",
    ),
    "a description without end": (
        vevent(*AT, f"DESCRIPTION:{'x' * 30_000}"),
        "skipped   Sitzung – The description has 30000 characters; at most 20000 fit.",
    ),
}
