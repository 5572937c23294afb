"""The settings and what they need on this machine: every complaint at once, who may read them, whether the service runs."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from daemon.config import Config, Places, load_config, require_mail, salvage_config
from daemon.core.errors import ConfigProblem
from daemon.core.organizer import OrganizerForm
from daemon.doctor.findings import Field, Finding, Level, told

_found = partial(Finding, field=Field.CONFIGURATION)
_KEYED = re.compile(r"(\S+?): (.*)", re.DOTALL)
_START = "Start it: systemctl start sitzungsplaner"
_EXAMPLE_LINK = Config.model_fields["meeting"].default.link


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings as they were read. `config` None: there is nothing to go by; with `problems`, it has defaults in their place.

    `mode` are the rights of the file, where there is one. `secrets`: the secrets were read as well.
    """

    config: Config | None
    path: Path | None = None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    mode: int | None = None
    secrets: bool = True

    def broken(self, *sections: str) -> bool:
        """Tell whether there is a complaint about a key in one of these sections: what depends on it is not to be asked."""
        keys = [problem.partition(":")[0] for problem in self.problems]
        return any(key == one or key.startswith(f"{one}.") for key in keys for one in sections)


def read_settings(
    path: Path | None, environ: Mapping[str, str] = os.environ, *, places: Places | None = None, with_secrets: bool = True
) -> Settings:
    """Read the settings with all that is wrong with them; raises nothing for what is wrong."""
    try:
        loaded = load_config(path, environ, places=places, with_secrets=with_secrets)
    except ConfigProblem as error:
        config = salvage_config(path, environ, places=places, with_secrets=with_secrets)
        return Settings(config=config, path=path, problems=error.problems, secrets=with_secrets)
    try:
        mode = loaded.path.stat().st_mode if loaded.path else None
    except OSError:
        mode = None
    return Settings(config=loaded.config, path=loaded.path, warnings=loaded.warnings, mode=mode, secrets=with_secrets)


def judge_settings(settings: Settings) -> tuple[Finding, ...]:
    """Return a finding for each thing to be said about the settings."""
    findings = [_complaint(Level.PROBLEM, one) for one in settings.problems]
    findings += [_complaint(Level.WARNING, one) for one in settings.warnings]
    config = settings.config
    if config is None:
        text = "Nothing else was looked at: without settings it would be a guess."
        return (*findings, _found(level=Level.NOTE, what=text, remedy="Correct the settings and ask again."))
    findings += _missing(config, settings)
    if settings.mode is not None and settings.mode & (stat.S_IWGRP | stat.S_IWOTH):
        findings.append(
            _found(
                level=Level.WARNING,
                what=f"Others than its owner may change the settings (mode {stat.S_IMODE(settings.mode):04o}).",
                where=str(settings.path),
                remedy=f"Run: chmod go-w {settings.path}",
            )
        )
    if config.meeting.link == _EXAMPLE_LINK and not settings.broken("meeting"):
        findings.append(
            _found(
                level=Level.WARNING,
                what=f"Invitations name {config.meeting.link}, which is only an example.",
                where="meeting.link",
                remedy="Set the address at which sessions take place, with {number} in it.",
            )
        )
    if not settings.problems:
        read = f"The settings of {settings.path} can be used." if settings.path else "There is no file of settings."
        findings.append(_found(level=Level.OK, what=read, where=str(settings.path or "")))
    return tuple(findings)


def judge_service(socket: Path, *, running: bool, trouble: str = "") -> Finding:
    """Say whether the service runs; `trouble` is why that cannot be told."""
    if trouble:
        what, remedy = told(trouble, "Run this with sudo.")
        return _found(level=Level.WARNING, what=what, where="service.socket", remedy=remedy)
    if running:
        return _found(level=Level.OK, what=f"The service runs and answers at {socket}.", where="service.socket")
    return _found(
        level=Level.WARNING,
        what=f"The service does not run: nothing is sent or fetched. Nobody answers at {socket}.",
        where="service.socket",
        remedy=_START,
    )


def _missing(config: Config, settings: Settings) -> list[Finding]:
    try:
        require_mail(config)
    except ConfigProblem as error:
        wanted = [one for one in error.problems if not settings.broken(one.partition(":")[0])]
    else:
        wanted = []
    findings = [_complaint(Level.PROBLEM, one) for one in wanted]
    if not (config.mail.imap.host or config.mail.lmtp.listen or settings.broken("mail.imap", "mail.lmtp")):
        findings.append(
            _found(
                level=Level.NOTE,
                what="No mailbox is read, so answers do not come in by themselves.",
                where="mail.imap.host",
                remedy="Set it, or let your mail server deliver answers to mail.lmtp.listen or to sitzungsplaner answer ingest.",
            )
        )
    if config.mail.organizer is OrganizerForm.OWNER:
        findings.append(
            _found(
                level=Level.WARNING,
                what="Invitations are answered to the owners' own mailboxes, which are not read here.",
                where="mail.organizer",
                remedy="Let their mail server redirect answers to mail.address or hand them to sitzungsplaner answer ingest, "
                'or set it to "service".',
            )
        )
    return findings


def _complaint(level: Level, text: str) -> Finding:
    keyed = _KEYED.fullmatch(text)
    where, rest = (keyed[1], keyed[2]) if keyed else ("", text)
    what, remedy = told(rest, f"Correct {where or 'it'}; config.example.toml explains every setting.")
    return _found(level=level, what=what[:1].upper() + what[1:] if keyed else what, where=where, remedy=remedy)
