"""Log lines: their forms, and what must never stand in them."""

from __future__ import annotations

import io
import json
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from daemon.logs import configure_logs, get_logger, hide_secrets, one_line


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def written(form: str, out: TextIO | None = None, level: str = "info") -> io.StringIO:
    stream = out or io.StringIO()
    configure_logs(level=level, form=form, stream=stream, environ={})
    assert isinstance(stream, io.StringIO)
    return stream


def test_a_journal_line_has_its_priority_and_no_time() -> None:
    out = written("journal")
    log = get_logger("daemon.x")
    log.info("mail sent", action="sent", uid="a@b", tries=2, title="Der Ausschuss", empty="")
    log.warning("server slow")
    log.error("server gone")
    assert out.getvalue().splitlines() == [
        '<6>mail sent action=sent uid=a@b tries=2 title="Der Ausschuss" empty=""',
        "<4>server slow",
        "<3>server gone",
    ]


def test_every_line_of_a_traceback_has_the_prefix_and_none_can_be_forged() -> None:
    out = written("journal")
    try:
        raise ValueError("evil\n<0>forged")
    except ValueError:
        get_logger("daemon.x").exception("it broke")
    first, *rest = out.getvalue().splitlines()
    assert first == "<3>it broke"
    assert len(rest) > 3
    assert all(line.startswith("<3>  | ") for line in rest)
    assert rest[-1] == "<3>  | <0>forged"


@pytest.mark.parametrize("form", ["journal", "text", "json"])
def test_line_ends_in_values_become_visible_and_stay_one_line(form: str) -> None:
    out = written(form)
    get_logger("daemon.x").info("mail\nread", subject="Hi\r\n<0>root: logged in\x1b[2J", names=["a\nb"], more={"k\n": "v\u2028"})
    assert out.getvalue().count("\n") == 1
    assert "\x1b[2J" not in out.getvalue()
    assert re.search(r"Hi\\+r\\+n<0>root", out.getvalue())


@pytest.mark.parametrize("form", ["journal", "text", "json"])
@pytest.mark.parametrize(
    "values",
    [
        {"password": "geheim"},
        {"smtp_password": "geheim"},
        {"Authorization": "Basic geheim"},
        {"token": SecretStr("geheim")},
        {"headers": {"authorization": "geheim"}},
        {"accounts": [{"secret": "geheim"}]},
        {"url": "postgresql://user:geheim@host/db"},
        {"error": ConnectionError("https://user:geheim@host refused")},
        {"request": "Authorization: Bearer geheimgeheim"},
    ],
    ids=lambda values: next(iter(values)),
)
def test_no_secret_reaches_a_line(form: str, values: dict[str, Any]) -> None:
    out = written(form)
    get_logger("daemon.x").info("talked", **values)
    assert "geheim" not in out.getvalue()
    assert "hidden" in out.getvalue()


@pytest.mark.parametrize("form", ["journal", "text", "json"])
def test_no_secret_reaches_a_traceback(form: str) -> None:
    out = written(form)
    password = "geheim"
    try:
        raise ValueError(f"cannot use https://user:{password}@host")
    except ValueError:
        get_logger("daemon.x").exception("it broke")
    assert "geheim" not in out.getvalue()
    assert "ValueError" in out.getvalue()


def test_words_that_only_resemble_secret_keys_are_shown() -> None:
    out = written("journal")
    get_logger("daemon.x").info("read", sync_token_age=3, password="", tokens_left=4)
    assert out.getvalue() == '<6>read sync_token_age=3 password="" tokens_left=4\n'


def test_json_is_one_object_a_line_with_time_level_and_logger() -> None:
    out = written("json")
    get_logger("daemon.x").info("täglich", path=Path("/x"))
    event = json.loads(out.getvalue())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", event.pop("timestamp"))
    assert event == {"event": "täglich", "path": "/x", "level": "info", "logger_name": "daemon.x"}


def test_a_terminal_gets_colours_unless_it_asks_not_to() -> None:
    terminal = Terminal()
    written("auto", terminal)
    get_logger("daemon.x").info("hello")
    assert "\x1b[" in terminal.getvalue()
    plain = Terminal()
    configure_logs(stream=plain, environ={"NO_COLOR": "1"})
    get_logger("daemon.x").info("hello")
    assert re.fullmatch(r"\d\d:\d\d:\d\d \[info *\] hello +\[daemon\.x\]\n", plain.getvalue())


def test_the_journal_is_recognised_only_when_it_is_this_stream(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+") as out:
        at = os.fstat(out.fileno())
        configure_logs(stream=out, environ={"JOURNAL_STREAM": f"{at.st_dev}:{at.st_ino}"})
        get_logger("daemon.x").info("hello")
        configure_logs(stream=out, environ={"JOURNAL_STREAM": f"{at.st_dev}:{at.st_ino + 1}"})
        get_logger("daemon.x").info("again")
        out.seek(0)
        first, second = out.read().splitlines()
    assert first == "<6>hello"
    assert not second.startswith("<")


def test_what_is_below_the_level_is_not_written() -> None:
    out = written("journal", level="warning")
    get_logger("daemon.x").info("nothing")
    assert out.getvalue() == ""
    out = written("journal", level="debug")
    get_logger("daemon.x").debug("everything")
    assert out.getvalue() == "<7>everything\n"


def test_a_logger_made_before_the_configuration_obeys_it() -> None:
    log = get_logger("daemon.x")
    out = written("journal")
    log.info("hello")
    assert out.getvalue() == "<6>hello\n"


def test_libraries_are_heard_from_warnings_up_and_in_the_same_form() -> None:
    out = written("journal", level="debug")
    library = logging.getLogger("some.library")
    library.info("chatter")
    library.warning("cannot reach %s\nnow", "https://user:geheim@host")
    try:
        raise OSError("x")
    except OSError:
        library.exception("broke")
    lines = out.getvalue().splitlines()
    assert lines[0] == "<4>some.library: cannot reach https://user:[hidden]@host\\nnow"
    assert lines[1] == "<3>some.library: broke"
    assert lines[-1] == "<3>  | OSError: x"


def test_configuring_twice_does_not_write_twice() -> None:
    written("journal")
    out = written("journal")
    logging.getLogger("some.library").warning("once")
    assert out.getvalue() == "<4>some.library: once\n"


def test_bound_context_is_on_each_line() -> None:
    out = written("journal")
    with structlog.contextvars.bound_contextvars(request="abc"):
        get_logger("daemon.x").info("hello")
    assert out.getvalue() == "<6>hello request=abc\n"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(st.dictionaries(st.text(), VALUES))
def test_whatever_is_logged_is_one_line_without_control_characters(values: dict[str, Any]) -> None:
    event = one_line(None, "info", hide_secrets(None, "info", {f"k{key}": value for key, value in values.items()}))
    text = json.dumps(event, ensure_ascii=False)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202e]", text)
