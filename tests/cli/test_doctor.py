"""`doctor` as a person uses it: without a service, beside one, and on settings that are broken in part."""

from __future__ import annotations

import stat
from typing import Any

import pytest

from tests.cli.conftest import Cli, Ended

LINK = {"SITZUNGSPLANER_MEETING__LINK": "https://meet.example.com/{number}"}
SECRET = "geheim-und-lang"


def found(ended: Ended, level: str) -> dict[str, dict[str, Any]]:
    """Return the findings of a level by where they are."""
    return {one["where"]: one for one in ended.json if one["level"] == level}


def test_a_machine_where_nothing_was_done_is_told_what_is_missing(bare: Cli) -> None:
    ended = bare("doctor", "--json", code=1)
    assert set(found(ended, "problem")) == {"mail.smtp.host"}
    assert {"mail.imap.host", "service.key", "store.url"} <= set(found(ended, "note"))
    assert not bare.data.exists(), "looking made something"


def test_each_finding_has_its_five_fields_and_bad_ones_a_remedy(bare: Cli) -> None:
    for one in bare("doctor", "--json", code=1).json:
        assert list(one) == ["level", "field", "what", "where", "remedy"]
        assert one["what"]
        assert one["remedy"] or one["level"] in ("ok", "note")


def test_people_are_told_by_field_with_remedies_and_a_sum(bare: Cli) -> None:
    ended = bare("doctor", "--quick", code=1)
    heads = [line for line in ended.out.splitlines() if line and not line.startswith(" ")]
    assert heads[:-1] == ["Configuration", "Store", "Sender's domain", "Clock and time zones"]
    assert heads[-1].startswith("Something must be done: 1 problem, ")
    lines = ended.out.splitlines()
    at = next(number for number, line in enumerate(lines) if "✗ problem: Missing.  [mail.smtp.host]" in line)
    assert lines[at + 1].strip() == "→ Set the server that takes our mails, like mail.example.org."
    assert ended.err == ""


def test_a_store_in_order_without_a_service_ends_with_0(empty: Cli) -> None:
    """A service that stands still, and answers that somebody hands in, are worth a word and no alarm."""
    empty.environ |= LINK
    with empty.running():
        pass  # makes the service key and brings the tables up
    empty.environ |= {"SITZUNGSPLANER_MAIL__SMTP__HOST": "localhost"}
    ended = empty("doctor", "--json", "--quick", code=None)
    assert set(found(ended, "problem")) == {"mail.smtp"}, "nobody listens there"
    warnings = set(found(ended, "warning")) - {str(empty.data), "tzdata"}
    assert warnings == {"service.socket"}
    assert any("The database answers: SQLite" in one["what"] for one in ended.json)
    assert any("service.key" in one["what"] for one in found(ended, "ok").values())


def test_beside_a_service_the_service_is_asked(empty: Cli) -> None:
    """It has secrets and a mail server that this command knows nothing of."""
    empty.environ |= LINK
    with empty.running():
        ended = empty("doctor", "--json", "--quick", code=1)
        told = empty("doctor", "--quick", code=1)
    assert "answers at" in found(ended, "ok")["service.socket"]["what"]
    assert found(ended, "problem")["mail.smtp"]["what"].startswith("The mail server 127.0.0.1:9 cannot be reached")
    assert any("The database answers: SQLite" in one["what"] for one in ended.json)
    assert "Mail\n" in told.out


def test_settings_broken_since_the_service_started_are_told_beside_what_it_finds(empty: Cli) -> None:
    with empty.running():
        empty.environ |= {
            "SITZUNGSPLANER_MAIL__SMTP__HOST": "127.0.0.1",
            "SITZUNGSPLANER_MAIL__SMTP__PORT": "99999",
            "SITZUNGSPLANER_MAIL__SMTP__HOTS": "x",
        }
        ended = empty("doctor", "--json", "--quick", code=1)
    problems = found(ended, "problem")
    assert set(problems) == {"mail.smtp.port", "SITZUNGSPLANER_MAIL__SMTP__HOTS", "mail.smtp"}
    assert "Did you mean SITZUNGSPLANER_MAIL__SMTP__HOST" in problems["SITZUNGSPLANER_MAIL__SMTP__HOTS"]["remedy"]


def test_half_broken_settings_leave_the_rest_to_be_looked_at(empty: Cli) -> None:
    empty.environ |= LINK | {
        "SITZUNGSPLANER_MAIL__SMTP__HOST": "127.0.0.1",
        "SITZUNGSPLANER_MAIL__SMTP__PORT": "zero",
        "SITZUNGSPLANER_MAIL__IMAP__HOST": "127.0.0.1",
        "SITZUNGSPLANER_MAIL__IMAP__PORT": "9",
        "SITZUNGSPLANER_MAIL__IMAP__USERNAME": "sitzung",
        "SITZUNGSPLANER_MAIL__IMAP__PASSWORD": SECRET,
    }
    ended = empty("doctor", "--json", code=1)
    assert set(found(ended, "problem")) == {"mail.smtp.port", "mail.imap"}
    assert {one["field"] for one in ended.json} == {"configuration", "store", "mail", "domain", "clock"}
    assert SECRET not in ended.all


def test_a_file_that_is_no_toml_is_all_there_is_to_say(bare: Cli) -> None:
    file = bare.folder / "config.toml"
    file.write_text("[mail\n")
    ended = bare("--config", str(file), "doctor", "--json", code=1)
    assert [(one["level"], one["where"]) for one in ended.json] == [("problem", str(file)), ("note", "")]


def test_a_secret_that_everybody_may_read_is_a_warning_by_its_file(empty: Cli) -> None:
    file = empty.folder / "config.toml"
    file.write_text(f'[mail.imap]\nhost = "127.0.0.1"\nport = 9\nusername = "sitzung"\npassword = "{SECRET}"\n')
    file.chmod(0o644)
    ended = empty("--config", str(file), "doctor", "--json", "--quick", code=1)
    warnings = [one for one in ended.json if one["level"] == "warning" and "everybody may read it" in one["what"]]
    assert [one["remedy"] for one in warnings] == [f"Run: chmod o-r {file}"]
    assert SECRET not in ended.all


def test_a_data_directory_open_to_others_is_told(empty: Cli) -> None:
    empty.data.chmod(0o777)
    ended = empty("doctor", "--json", "--quick", code=1)
    assert found(ended, "problem")[str(empty.data)]["remedy"] == f"Run: chmod 700 {empty.data}"
    assert stat.S_IMODE(empty.data.stat().st_mode) == 0o777, "looking changes nothing"


def test_a_socket_that_answers_nonsense_is_told(empty: Cli, socket_of_a_stranger: None) -> None:
    ended = empty("doctor", "--json", code=1)
    assert "does not answer as it should" in found(ended, "problem")["service.socket"]["what"]


@pytest.fixture
def socket_of_a_stranger(empty: Cli) -> Any:
    """Somebody listens where the service should, and hangs up."""
    import socket
    import threading

    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(empty.data / "api.sock"))
    listener.listen()

    def hang_up() -> None:
        while True:
            try:
                listener.accept()[0].close()
            except OSError:
                return

    thread = threading.Thread(target=hang_up, daemon=True)
    thread.start()
    yield
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


@pytest.mark.parametrize("words", [("doctor", "now"), ("doctor", "--fast")])
def test_wrong_use_is_told(bare: Cli, words: tuple[str, ...]) -> None:
    assert bare(*words, code=2).err.startswith("Error: ")
