"""Foreign bytes into clean content lines and blocks (RFC 5545 3.1), however they were spoilt on the way.

Here because libraries fail silently on what real programs send: they drop lines, return nothing for an object that was cut
off, and keep a VTIMEZONE of one sender for everybody. What the lines mean is read in `ics_read`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from daemon.core.addresses import clean_name
from daemon.core.errors import Unreadable

MAX_BYTES = 1024 * 1024
MAX_COMPONENTS = 5_000
MAX_ATTENDEES = 500
MAX_LINE_BYTES = 64 * 1024
_MAX_DEPTH = 10
_MAX_NOTES = 50

_WIDE = re.compile(r"utf[-_]?(?:16|32)(?:[-_]?[lb]e)?", re.IGNORECASE)
_LATIN = re.compile(r"(?:us-)?ascii|utf[-_]?8|iso[-_]?8859[-_]\d{1,2}|latin-?1|(?:windows|cp)-?125\d", re.IGNORECASE)
_ASIAN = re.compile(r"gb2312|gbk|gb18030|big5|euc[-_](?:jp|kr)|iso-2022-jp|shift[-_]jis|koi8-[ru]", re.IGNORECASE)
_SAID_LATIN_1 = frozenset({"iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "latin-1"})
# C0 without TAB, CR and LF; ESC is dropped after decoding because ISO-2022-JP needs it.
_CONTROL_BYTES = bytes(c for c in (*range(9), 11, 12, *range(14, 27), 28, 29, 30, 31, 127))
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]")

_NAME = re.compile(r"\s*([A-Za-z0-9-]+)\s*(?=[;:])")
# No possessive group, here and elsewhere: up to Python 3.11.4 it keeps what a failed alternative has read.
_PARAM = re.compile(r';\s*([A-Za-z0-9-]*)\s*(?:=((?:[^";:]++|"[^"]*+")*))?')
_LOOSE_PARAM = re.compile(r';\s*([A-Za-z0-9-]+)\s*=("[^"]*"|[^;:"]*)')


class Notes:
    """Collects sentences about what was left out or guessed, each once, and not more than a person reads."""

    def __init__(self) -> None:
        self._seen: dict[str, None] = {}
        self._event = ""

    def event(self, name: str) -> None:
        """From now on the notes are about this event."""
        self._event = f"“{clean_name(name)[:60]}”: " if name else ""

    def add(self, problem: str) -> None:
        self.general(self._event + problem)

    def general(self, problem: str) -> None:
        if len(self._seen) < _MAX_NOTES:
            self._seen[problem] = None

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(self._seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A content line: upper-case name, parameters by upper-case name without quotes (the first of its name), raw value."""

    name: str
    params: dict[str, str]
    value: str
    text: str


@dataclass(slots=True, kw_only=True)
class Block:
    """What stands between BEGIN and END. Of a name that nobody reads the lines are left out."""

    name: str
    lines: list[tuple[str, str]] = field(default_factory=list)  # upper-case name and whole text
    blocks: list[Block] = field(default_factory=list)
    attendees: int = 0

    def all(self, name: str, notes: Notes) -> Iterator[Line]:
        """Every line of that upper-case name, also those that only a tolerant reading understands."""
        for known, text in self.lines:
            if known == name:
                line = parse_line(text) or loose_line(text)
                if line is None:
                    notes.add(f"the line “{clean_name(text)[:60]}” cannot be read and was left out.")
                else:
                    yield line

    def first(self, name: str, notes: Notes) -> Line | None:
        """The first line of that name; a second one that says something else is noted."""
        found = list(self.all(name, notes))
        if len({line.value for line in found}) > 1:
            notes.add(f"{name} is there {len(found)} times; the first was taken.")
        return found[0] if found else None

    @property
    def text(self) -> str:
        inside = "".join(f"{line}\r\n" for _, line in self.lines) + "".join(block.text for block in self.blocks)
        return f"BEGIN:{self.name}\r\n{inside}END:{self.name}\r\n"


def sanitize(raw: bytes, charset: str | None = None) -> bytes:
    """Return UTF-8 with CRLF, unfolded, without control characters, from the first BEGIN:VCALENDAR to the last END:VCALENDAR.

    `charset` is what the sender said. UTF-8 wins over it where the bytes are UTF-8, cp1252 is the last resort. Empty if there is
    no calendar; never raises; a second time changes nothing.
    """
    data = _narrow(raw, charset).removeprefix(b"\xef\xbb\xbf").translate(None, _CONTROL_BYTES)
    data = data.replace(b"\r\r\n", b"\n").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    folded: list[bytearray] = []
    for part in data.split(b"\n"):
        if part[:1] in (b" ", b"\t") and folded:  # before decoding: a fold may stand inside a character
            folded[-1] += part[1:]
        elif part:
            folded.append(bytearray(part))
    lines: list[list[str]] = []
    for piece in _CONTROLS.sub("", _decoded(b"\n".join(folded), charset)).split("\n"):
        if piece[:1] in (" ", "\t") and lines:
            lines[-1].append(piece[1:])
        elif piece[:1] in (";", ":", "=", ",") and lines:  # Notes goes on without the blank that marks a fold
            lines[-1].append(piece)
        elif piece.strip():
            lines.append([piece])
    joined = ["".join(pieces) for pieces in lines]
    marks = [line.strip().upper() for line in joined]
    if "BEGIN:VCALENDAR" not in marks:
        return b""
    first = marks.index("BEGIN:VCALENDAR")
    last = len(marks) - 1 - marks[::-1].index("END:VCALENDAR") if "END:VCALENDAR" in marks[first:] else len(marks) - 1
    return "".join(f"{line}\r\n" for line in joined[first : last + 1]).encode()


def _narrow(raw: bytes, charset: str | None) -> bytes:
    """UTF-16 and UTF-32 as UTF-8; everything else as it is."""
    wide = None
    if raw.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        wide = "utf-32"
    elif raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        wide = "utf-16"
    elif raw.startswith((b"B\x00E\x00", b"\x00B\x00E")):
        wide = "utf-16-le" if raw[:1] == b"B" else "utf-16-be"
    elif charset and _WIDE.fullmatch(charset) and b"BEGIN:VCALENDAR" not in raw.upper():
        wide = charset
    return raw.decode(wide, "replace").removeprefix("\ufeff").encode("utf-8", "replace") if wide else raw


def _decoded(data: bytes, charset: str | None) -> str:
    named = charset if charset and (_LATIN.fullmatch(charset) or _ASIAN.fullmatch(charset)) else None
    if named and named.lower() in _SAID_LATIN_1:
        named = "cp1252"  # what Windows programs mean by it
    order = [named, "utf-8"] if named and _ASIAN.fullmatch(named) else ["utf-8", named]
    for one in order:
        if one:
            try:
                return data.decode(one)
            except (UnicodeDecodeError, LookupError):
                continue
    return data.decode("cp1252", "replace")


def parse_line(text: str) -> Line | None:
    """Return the content line by the grammar of RFC 5545 3.1, or None if it does not follow it."""
    name = _NAME.match(text)
    if name is None:
        return None
    params: dict[str, str] = {}
    at = name.end()
    while text[at] == ";":
        found = _PARAM.match(text, at)
        assert found is not None  # ";" alone matches
        params.setdefault(found[1].upper(), (found[2] or "").replace('"', "").strip())
        at = found.end()
        if at == len(text) or text[at] not in ";:":
            return None
    return Line(name=name[1].upper(), params=params, value=text[at + 1 :], text=text)


def loose_line(text: str) -> Line | None:
    """Return what can be saved of a line whose quotes or colons are wrong: its value follows the last `mailto:` or colon."""
    name = _NAME.match(text)
    if name is None or ":" not in text:
        return None
    address = text.lower().rfind("mailto:")
    start = address if address > 0 else text.rindex(":") + 1
    params: dict[str, str] = {}
    for found in _LOOSE_PARAM.finditer(text, 0, start):
        params.setdefault(found[1].upper(), found[2].replace('"', "").strip(" \\"))
    return Line(name=name[1].upper(), params=params, value=text[start:], text=text)


def read_blocks(clean: bytes, wanted: frozenset[str]) -> tuple[list[Block], list[str]]:
    """Return the VCALENDARs of sanitized bytes, and the lines that are no content lines.

    Lines whose name is not in `wanted` are left out, but those of time zones stay. Raises Unreadable where BEGIN and END do not
    pair (most likely the rest is missing) and beyond the limits.
    """
    calendars: list[Block] = []
    stack: list[Block] = []
    junk: list[str] = []
    events = 0
    in_zone = False
    for text in clean.decode().split("\r\n")[:-1]:
        found = _NAME.match(text)
        name = found[1].upper() if found else ""
        if name == "BEGIN":
            block = Block(name=_marked(text))
            events += block.name == "VEVENT"
            _check_counts(events, len(stack))
            (stack[-1].blocks if stack else calendars).append(block)
            in_zone = in_zone or block.name == "VTIMEZONE"
            stack.append(block)
        elif name == "END":
            if not stack or stack.pop().name != _marked(text):
                raise Unreadable(
                    f"The calendar data is broken: “{text.strip()[:40]}” has no BEGIN. Nothing was read; ask for it again."
                )
            in_zone = any(block.name == "VTIMEZONE" for block in stack)
        elif stack and not found:
            junk.append(text)
        elif stack and (in_zone or name in wanted):
            _add(stack[-1], name, text)
    if stack:
        raise Unreadable(
            f"The calendar data ends in the middle: END:{stack[-1].name} is missing. Nothing was read; ask for it again."
        )
    return [block for block in calendars if block.name == "VCALENDAR"], junk


def _check_counts(events: int, depth: int) -> None:
    if events > MAX_COMPONENTS:
        raise Unreadable(
            f"The calendar data has more than {MAX_COMPONENTS:,} events. Nothing was read; split it into smaller files."
        )
    if depth >= _MAX_DEPTH:
        raise Unreadable("The calendar data is nested too deeply. Nothing was read; export it again from the calendar program.")


def _add(block: Block, name: str, text: str) -> None:
    if len(text.encode()) > MAX_LINE_BYTES:
        raise Unreadable(
            f"The calendar data has a {name} line of more than {MAX_LINE_BYTES // 1024} KiB. Nothing was read; shorten it."
        )
    block.lines.append((name, text))
    block.attendees += name == "ATTENDEE"
    if block.attendees > MAX_ATTENDEES:
        raise Unreadable(f"The calendar data has an event with more than {MAX_ATTENDEES} attendees. Nothing was read.")


def _marked(text: str) -> str:
    return text.partition(":")[2].strip().upper()
