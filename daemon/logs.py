"""Log lines: events with keys on standard error, in the form that its reader wants. A line is one line, and holds no secret.

Under systemd the journal knows time and service; it gets `<priority>` prefixes (sd-daemon(3)). A terminal gets colours, a
collector JSON. What libraries log through `logging` comes the same way, warnings and worse only. Not here: the delivery
journal (`core.journal`), which is data.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2, "exception": 3}
_SECRET_KEY = re.compile(r"(?:^|[_.\- ])(?:password|passwd|token|secret|authorization|cookie)s?$", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+(?=@)")
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]{8,}", re.IGNORECASE)
_HIDDEN = "[hidden]"
_BIDI = "\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
# Controls become visible escapes: a mail's subject must neither begin a line of its own nor move a terminal's cursor.
_ESCAPES = {
    **{code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))},
    **{ord(char): f"\\u{ord(char):04x}" for char in _BIDI},
    **{ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"},
}


def get_logger(name: str) -> FilteringBoundLogger:
    """Return a logger; may be called before `configure_logs`, which it obeys from then on."""
    return cast(FilteringBoundLogger, structlog.get_logger(logger_name=name))


def configure_logs(
    *, level: str = "info", form: str = "auto", stream: TextIO | None = None, environ: Mapping[str, str] = os.environ
) -> None:
    """Send all log lines to `stream` (standard error) as `journal`, `text` or `json`; `auto` finds out who reads."""
    out = stream or sys.stderr
    if form == "auto":
        form = "journal" if _is_journal(out, environ) else "text"
    # Python's own way of turning an exception into text; Rich's would show local variables, passwords among them.
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
    ]
    if form != "journal":
        shared.append(structlog.processors.TimeStamper(fmt="iso" if form == "json" else "%H:%M:%S", utc=form == "json"))
    tidy: list[Processor] = [hide_secrets, one_line]
    renderer: Processor
    match form:
        case "journal":
            renderer = journal_line
        case "json":
            renderer = json_line
        case _:
            colours = out.isatty() and not environ.get("NO_COLOR")
            renderer = structlog.dev.ConsoleRenderer(
                colors=colours, exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
            )
    structlog.configure(
        processors=[*shared, *tidy, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _name_of_library],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tidy, renderer],
        )
    )
    root = logging.getLogger()
    for old in [one for one in root.handlers if isinstance(one.formatter, structlog.stdlib.ProcessorFormatter)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace the values of secret keys at any depth, and passwords inside of addresses and headers in any text."""
    return {key: _HIDDEN if _SECRET_KEY.search(str(key)) and value else _hidden(value) for key, value in event.items()}


def _hidden(value: Any) -> Any:
    match value:
        case str():
            return _BEARER.sub(rf"\1 {_HIDDEN}", _USERINFO.sub(rf"\1:{_HIDDEN}", value))
        case Mapping():
            return {key: _HIDDEN if _SECRET_KEY.search(str(key)) and one else _hidden(one) for key, one in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_hidden(one) for one in value]
        case bool() | int() | float() | None:
            return value
        case _:
            return _hidden(str(value))  # an error's text, a path, a moment


def one_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Turn control characters into visible escapes. Tracebacks keep their lines, indented so that none looks like an event."""
    return {
        str(key).translate(_ESCAPES): _block(value) if key == "exception" and isinstance(value, str) else _escaped(value)
        for key, value in event.items()
    }


def _escaped(value: Any) -> Any:
    match value:
        case str():
            return value.translate(_ESCAPES)
        case Mapping():
            return {str(key).translate(_ESCAPES): _escaped(one) for key, one in value.items()}
        case list():
            return [_escaped(one) for one in value]
        case _:
            return value


def _block(text: str) -> str:
    return "\n".join(f"  | {line.translate(_ESCAPES)}" for line in text.split("\n"))


def journal_line(_logger: WrappedLogger, method: str, event: EventDict) -> str:
    """Return `<6>what happened key=value …`; every line of a traceback has the prefix as well."""
    level = str(event.pop("level", method))
    event.pop("logger_name", None)
    message, exception = str(event.pop("event", "")), event.pop("exception", None)
    words = [message, *(f"{key}={_quoted(value)}" for key, value in event.items())]
    lines = [" ".join(words), *(exception.split("\n") if isinstance(exception, str) else ())]
    prefix = f"<{_PRIORITIES.get(level, 6)}>"
    return "\n".join(prefix + line for line in lines)


def json_line(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """Return one JSON object."""
    return json.dumps(event, ensure_ascii=False, default=str)


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    # Backslashes stay as they are: those of our escapes are meant to be read.
    return '"' + text.replace('"', '\\"') + '"' if not text or re.search(r'[\s"=]', text) else text


def _name_of_library(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    library = event["_record"].name
    return {**event, "logger_name": library, "event": f"{library}: {event['event']}"}


def _is_journal(out: TextIO, environ: Mapping[str, str]) -> bool:
    """True if the stream is the one systemd connected (systemd.exec(5), JOURNAL_STREAM), and not one inherited from there."""
    device, _, inode = environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        at = os.fstat(out.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(at.st_dev), str(at.st_ino))
