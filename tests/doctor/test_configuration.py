"""Settings: all that is wrong with them at once, and what still can be used of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.config import Config, Places
from daemon.doctor import Level
from daemon.doctor.configuration import Settings, judge_service, judge_settings, read_settings
from tests.doctor.tables import levels, the

WHOLE = """
[service]
data_dir = "DATA"
[mail]
address = "sitzung@example.org"
[mail.smtp]
host = "mail.example.org"
[mail.imap]
host = "mail.example.org"
username = "sitzung"
password = "geheim-und-lang"
[meeting]
link = "https://meet.example.com/{number}"
"""


def read(folder: Path, text: str = WHOLE, *, with_secrets: bool = True, mode: int = 0o600, **environ: str) -> Settings:
    file = folder / "config.toml"
    file.write_text(text.replace("DATA", str(folder / "data")), encoding="utf-8")
    file.chmod(mode)
    places = Places(file=folder / "none.toml", data=folder / "var", run=folder / "run")
    return read_settings(file, environ, places=places, with_secrets=with_secrets)


def test_whole_settings_have_nothing_to_be_said_about(tmp_path: Path) -> None:
    findings = judge_settings(read(tmp_path))
    assert levels(findings) == []
    assert "can be used" in findings[0].what


# What is changed in the settings, what it is changed to; level, key, what is said and what to do.
COMPLAINTS = {
    "a wrong value": ("[mail.smtp]", "[mail.smtp]\nport = 99999", "problem", "mail.smtp.port", "out of range", "Correct"),
    "an unknown key": ("[mail.smtp]", "[mail.smtp]\nhots = 1", "problem", "mail.smtp.hots", "no such setting", "mail.smtp.host?"),
    "a missing address": ('address = "sitzung@example.org"', "", "problem", "mail.address", "Missing", "Set the mailbox"),
    "a missing password": ('password = "geheim-und-lang"', "", "problem", "mail.imap.password", "Missing", "credential"),
    "no mail server": (
        '[mail.smtp]\nhost = "mail.example.org"',
        "",
        "problem",
        "mail.smtp.host",
        "Missing",
        "Set the server that takes our mails",
    ),
    "the link of the example": (
        'link = "https://meet.example.com/{number}"',
        "",
        "warning",
        "meeting.link",
        "only an example",
        "Set the address",
    ),
    "a password in clear": ('"sitzung"\n', '"sitzung"\nsecurity = "none"\n', "warning", "", "in clear to", "starttls"),
    "answers to the owners' own mailboxes": (
        "[mail]",
        '[mail]\norganizer = "owner"',
        "warning",
        "mail.organizer",
        "answered to the owners' own mailboxes",
        "redirect answers to mail.address",
    ),
    "no room for a token": (
        '[mail]\naddress = "sitzung@example.org"',
        f'[mail]\norganizer = "token"\naddress = "{"s" * 44}@example.org"',
        "problem",
        "mail.organizer",
        "needs 21 characters more before the @",
        "shorter address",
    ),
    "reports without a token": (
        "[mail]",
        '[mail]\nbounces = "sitzung@example.org"',
        "problem",
        "mail.bounces",
        "must have {token} once, before the @",
        "config.example.toml",
    ),
    "no mailbox": (
        'host = "mail.example.org"\nusername = "sitzung"\npassword = "geheim-und-lang"',
        "",
        "note",
        "mail.imap.host",
        "No mailbox is read",
        "answer ingest",
    ),
}


@pytest.mark.parametrize("case", COMPLAINTS)
def test_each_complaint_is_a_finding_by_its_key(case: str, tmp_path: Path) -> None:
    before, after, level, where, piece, remedy = COMPLAINTS[case]
    assert before in WHOLE
    findings = judge_settings(read(tmp_path, WHOLE.replace(before, after, 1)))
    found = the(findings, Level(level), piece)
    assert (found.where, levels(findings)) == (where, [level])
    assert remedy in found.remedy
    assert "geheim" not in str([one.as_mapping() for one in findings])


@pytest.mark.parametrize(
    ("mode", "said"), [(0o620, "may change the settings"), (0o602, "may change the settings"), (0o604, "everybody may read it")]
)
def test_who_may_read_and_change_the_file_is_told(tmp_path: Path, mode: int, said: str) -> None:
    found = the(judge_settings(read(tmp_path, mode=mode)), Level.WARNING, said)
    assert "chmod" in found.remedy


def test_half_broken_settings_can_still_be_used_where_they_are_whole(tmp_path: Path) -> None:
    text = WHOLE.replace("[mail.smtp]", "[mail.smtp]\nport = 0\nnix = 1").replace('"sitzung@example.org"', '"nobody"')
    settings = read(tmp_path, text, SITZUNGSPLANER_STORE__THREADS="many", SITZUNGSPLANER_NIX="1")
    assert settings.config is not None
    assert settings.config.service.data_dir == tmp_path / "data"
    assert settings.config.mail.imap.host == "mail.example.org"
    assert settings.config.mail.imap.password.get_secret_value() == "geheim-und-lang"
    assert (settings.config.mail.address, settings.config.mail.smtp.port, settings.config.store.threads) == ("", 587, 8)
    sections = ("mail.smtp", "mail.imap", "mail.address", "store", "service", "meeting")
    assert {one for one in sections if settings.broken(one)} == {"mail.smtp", "mail.address", "store"}
    findings = judge_settings(settings)
    assert levels(findings) == ["problem"] * 5, "what is wrong already is not missing besides"
    assert {one.where for one in findings if one.level is Level.PROBLEM} == {
        "mail.smtp.nix",
        "mail.smtp.port",
        "mail.address",
        "store.threads",
        "SITZUNGSPLANER_NIX",
    }


@pytest.mark.parametrize("text", ["[mail", "\xff", None], ids=["half a section", "a stray letter", "no file"])
def test_settings_that_cannot_be_read_are_no_guess(tmp_path: Path, text: str | None) -> None:
    settings = read_settings(tmp_path / "missing.toml", {}) if text is None else read(tmp_path, text)
    assert settings.config is None
    findings = judge_settings(settings)
    assert levels(findings) == ["problem", "note"]
    the(findings, Level.NOTE, "Nothing else was looked at")


def test_secrets_that_only_the_service_has_are_not_missed(tmp_path: Path) -> None:
    text = WHOLE.replace('password = "geheim-und-lang"', 'password_file = "nowhere"')
    assert levels(judge_settings(read(tmp_path, text))) == ["problem"]
    assert levels(judge_settings(read(tmp_path, text, with_secrets=False))) == []


def test_no_file_at_all_is_told(tmp_path: Path) -> None:
    findings = judge_settings(read_settings(None, {}, places=Places(file=tmp_path / "no.toml", data=tmp_path, run=tmp_path)))
    the(findings, Level.OK, "There is no file of settings")
    the(findings, Level.PROBLEM, "mail.address")


def test_whether_the_service_runs_is_told(tmp_path: Path) -> None:
    socket = tmp_path / "api.sock"
    assert judge_service(socket, running=True).level is Level.OK
    stopped = judge_service(socket, running=False)
    assert (stopped.level, stopped.remedy) == (Level.WARNING, "Start it: systemctl start sitzungsplaner")
    hidden = judge_service(socket, running=False, trouble=f"You have no right to use {socket}. Use sudo.")
    assert (hidden.level, hidden.what, hidden.remedy) == (Level.WARNING, f"You have no right to use {socket}.", "Use sudo.")


def test_settings_without_a_complaint_break_nothing() -> None:
    assert not Settings(config=Config()).broken("mail.smtp", "store")
