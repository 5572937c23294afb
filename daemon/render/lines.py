"""Foreign text made fit for a subject, a plain mail, an HTML mail: nothing in it breaks a line, a header or the reading order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from markupsafe import Markup, escape

from daemon.core.addresses import clean_text

WIDTH = 76
_LABEL = 18
_INVISIBLE = re.compile("[\u061c\u180e\u200b\u2060-\u2065\ufeff\ufff9-\ufffb]")  # beyond those of clean_text
_WORD = re.compile(r"\([^()\n]{1,44}\)\S*|\d{1,2}\. \S+|\S+")  # "(Europe/Berlin, CET, UTC+1)" and "1. Dezember" stay together
_FROM_TO = re.compile(r"\d\d:\d\d–\d\d:\d\d")
_BLANK_LINES = re.compile(r"\n[ \t]*\n\s*")


# Cached here and below: the same title, date and description go to everybody who is invited. Never cache what escapes: Markup
# equals its str, so the cache could hand out unescaped text.
@lru_cache(maxsize=1024)
def safe(text: str) -> str:
    """Return free text without control, bidirectional and invisible characters; line ends are LF."""
    return _INVISIBLE.sub("", clean_text(text)).strip()


@lru_cache(maxsize=2048)
def one_line(text: str, limit: int = 300) -> str:
    """Return the text as one line of at most `limit` characters, shortened at a word where there is one."""
    line = " ".join(safe(text).split())
    if len(line) <= limit:
        return line
    cut = line[: limit - 1]
    at_word = cut.rsplit(" ", 1)[0]
    return (at_word if len(at_word) > limit // 2 else cut).rstrip(" ,;:–-") + "…"


@lru_cache(maxsize=2048)
def wrap(text: str, indent: str = "", width: int = WIDTH) -> str:
    """Return the text in lines of at most `width`, its own line ends kept. Links are never broken."""
    room = width - len(indent)
    return "\n".join(f"{indent}{line}".rstrip() for given in text.split("\n") for line in _broken(given, room))


def _broken(text: str, room: int) -> list[str]:
    lines: list[str] = []
    line = ""
    for whole in _WORD.findall(text):
        word = whole
        while len(word) > room and "://" not in word:
            if line:
                lines.append(line)
                line = ""
            lines.append(word[:room])
            word = word[room:]
        if not line:
            line = word
        elif len(line) + 1 + len(word) <= room:
            line = f"{line} {word}"
        else:
            lines.append(line)
            line = word
    return [*lines, line]


@lru_cache(maxsize=512)
def paragraphs(text: str) -> str:
    """Return a block of a template as wrapped paragraphs: blank lines part them, other line ends mean nothing."""
    return "\n\n".join(wrap(" ".join(part.split())) for part in _BLANK_LINES.split(text.strip()) if part.strip())


def row(label: str, value: str | Sequence[str]) -> str:
    """Return "label   value" with the value wrapped in its own column; several values stand below each other."""
    values = [value] if isinstance(value, str) else list(value)
    block = "\n".join(wrap(one, " " * _LABEL) for one in values)
    return f"{label:<{_LABEL}}{block.lstrip()}" if len(label) < _LABEL else f"{label}\n{block}"


@lru_cache(maxsize=512)
def underlined(text: str, line: str) -> str:
    """Return a heading with a line below it as long as its longest line."""
    wrapped = wrap(text)
    return f"{wrapped}\n{line * max(len(one) for one in wrapped.split(chr(10)))}"


def html_paragraphs(text: str, style: str, css: str) -> Markup:
    """Return a rendered (escaped) block of a template as HTML paragraphs, 12 px apart."""
    parts = [" ".join(part.split()) for part in _BLANK_LINES.split(str(text).strip()) if part.strip()]
    margins = ("margin:0;", *["margin:12px 0 0 0;"] * len(parts))
    whole = (f'<p class="{css}" style="{style}{margin}">{part}</p>' for margin, part in zip(margins, parts, strict=False))
    return Markup("\n".join(whole))  # noqa: S704 -- the block is escaped, style and class are the layout's own


def html_lines(text: str) -> Markup:
    """Return the text escaped, with its line ends kept."""
    return Markup("<br>\n").join(escape(line) for line in text.split("\n"))


def strong(text: str) -> Markup:
    """Return the text escaped and bold; "09:00–10:00" is never broken."""
    whole = _FROM_TO.sub(r'<span style="white-space:nowrap;">\g<0></span>', str(escape(text)))
    return Markup(f"<strong>{whole}</strong>")  # noqa: S704 -- escaped in the line above


def unbroken(text: str) -> Markup:
    """Return the text escaped, for a page: "09:00–10:00" is never broken there (inline styles are forbidden on pages)."""
    return Markup(_FROM_TO.sub(r'<span class="whole">\g<0></span>', str(escape(text))))  # noqa: S704 -- escaped right here


def link(url: str) -> Markup:
    """Return an address as a link in the colour of its surroundings; a mail address opens a new mail."""
    target = href(url) or f"mailto:{url}"
    return Markup('<a href="{}" style="color:inherit;text-decoration:underline;">{}</a>').format(target, url)


def href(url: str) -> str:
    """Return the address if it is a web link; anything else ("javascript:", "file:") becomes empty."""
    return url if url.startswith(("https://", "http://")) and not any(c.isspace() for c in url) else ""
