"""One `Config` from all sources, or all problems at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from daemon.config.problems import sentences
from daemon.config.settings import Config, Security
from daemon.config.sources import Keys, Reading, read_credentials, read_environment, read_file, use
from daemon.core.errors import ConfigProblem
from daemon.core.organizer import TOKEN_LENGTH, OrganizerForm
from daemon.core.subaddress import room_for_detail

SYSTEM_FILE = Path("/etc/sitzungsplaner/config.toml")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", ""})


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where things lie on this machine."""

    file: Path = SYSTEM_FILE
    data: Path = Path("/var/lib/sitzungsplaner")
    run: Path = Path("/run/sitzungsplaner")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The settings, the file they came from (None: there is none) and sentences about what an admin should look at."""

    config: Config
    path: Path | None
    warnings: tuple[str, ...]


def load_config(
    path: Path | None = None, environ: Mapping[str, str] = os.environ, *, places: Places | None = None, with_secrets: bool = True
) -> Loaded:
    """Read the settings: environment before systemd credentials before the file before the defaults.

    The file is `path`, else $SITZUNGSPLANER_CONFIG, else the system's, which may be missing. `config.toml` in the working
    directory is not looked for: it may be anybody's. Without `with_secrets` no secret's file is read: who only talks to the
    service's socket needs none and may have no right to read them. Raises ConfigProblem with all problems.
    """
    chosen, readings = _read(path, environ, places or Places(), with_secrets=with_secrets)
    problems = [problem for one in reversed(readings) for problem in one.problems]
    config, wrong = _made(readings)
    problems += wrong
    if with_secrets:
        problems += _contradictions(readings)
    if problems or config is None:
        raise ConfigProblem(tuple(problems))
    warnings = (*(warning for one in readings for warning in one.warnings), *_open_passwords(config))
    return Loaded(config=config, path=chosen, warnings=warnings)


def salvage_config(
    path: Path | None = None, environ: Mapping[str, str] = os.environ, *, places: Places | None = None, with_secrets: bool = True
) -> Config | None:
    """Return the settings with the default in place of each that `load_config` complains about. For looking, never for running.

    None where that would be a guess: a file that is there and cannot be read as a whole.
    """
    _, readings = _read(path, environ, places or Places(), with_secrets=with_secrets)
    *_, file, _ = readings
    if file.problems and not file.values:
        return None
    wrong = [problem for one in readings for problem in one.problems] + _made(readings)[1] + _contradictions(readings)
    for key in {problem.partition(":")[0] for problem in wrong}:
        for one in readings:
            one.drop(key)
    return _made(readings)[0]


def _read(
    path: Path | None, environ: Mapping[str, str], places: Places, *, with_secrets: bool
) -> tuple[Path | None, tuple[Reading, ...]]:
    """The file that is meant, and every source as it was read: environment, credentials, file, this machine's places."""
    keys = Keys(Config)
    chosen = path or (Path(environ["SITZUNGSPLANER_CONFIG"]) if environ.get("SITZUNGSPLANER_CONFIG") else None)
    if chosen is None and _exists(places.file):
        chosen = places.file
    file = read_file(chosen, keys, with_secrets=with_secrets) if chosen else Reading("no file")
    directory = Path(environ["CREDENTIALS_DIRECTORY"]) if environ.get("CREDENTIALS_DIRECTORY") and with_secrets else None
    given = (read_environment(environ, keys, with_secrets=with_secrets), read_credentials(directory, keys), file)
    return chosen, (*given, _usual(given, environ, places))


def _made(readings: tuple[Reading, ...]) -> tuple[Config | None, list[str]]:
    """The settings, or what is wrong with values."""
    try:
        with use(*readings):
            return Config(), []
    except ValidationError as error:
        return None, sentences(error, Keys(Config), readings)


def require_mail(config: Config) -> None:
    """Raise ConfigProblem listing what the service cannot do without: an address to write from and a server that takes mail.

    A mailbox to read (mail.imap) is not among it: a mail server may hand answers to `answer ingest` instead.
    """
    problems = []
    if not config.mail.address:
        problems.append(
            "mail.address: missing. Set the mailbox that invitations come from and answers go to, like sitzung@example.org."
        )
    if not config.mail.smtp.host:
        problems.append("mail.smtp.host: missing. Set the server that takes our mails, like mail.example.org.")
    if config.mail.imap.host and not config.mail.imap.username:
        problems.append("mail.imap.username: missing. Set the name that signs in to read answers, often the address itself.")
    if problems:
        raise ConfigProblem(tuple(problems))


def _contradictions(readings: tuple[Reading, ...]) -> list[str]:
    """What is wrong between keys. Looks at the raw values, so that it is told together with what is wrong within them."""
    given = {key for one in readings for key, value in one.values.items() if value != ""}
    complained = {problem.partition(":")[0] for one in readings for problem in one.problems}
    problems = []
    for server in ("mail.smtp", "mail.imap"):
        name, password = f"{server}.username", f"{server}.password"
        if name in given and password not in given and not complained & {password, f"{password}_file"}:
            problems.append(f"{password}: missing, while {name} is set. Set it, {password}_file or the systemd credential.")
        if password in given and name not in given:
            problems.append(f"{name}: missing, while {password} is set.")
    values = {key: value for one in reversed(readings) for key, value in one.values.items()}
    address = str(values.get("mail.address", ""))
    if values.get("mail.organizer") == OrganizerForm.TOKEN and room_for_detail(address) < TOKEN_LENGTH:
        problems.append(
            f'mail.organizer: "token" needs {TOKEN_LENGTH + 1} characters more before the @ of {address}, and 64 are allowed '
            'there. Take a shorter address, or "service".'
        )
    if "web.listen" in given and "web.url" not in given | complained:
        problems.append(
            "web.url: missing, while web.listen is set. Set the address by which people reach the pages, "
            "like https://planer.example.org."
        )
    return problems


def _open_passwords(config: Config) -> tuple[str, ...]:
    return tuple(
        f'{name}.security is "none": the password goes over the network in clear to {section.host}. Use "starttls" or "tls".'
        for section, name in ((config.mail.smtp, "mail.smtp"), (config.mail.imap, "mail.imap"))
        if section.security is Security.NONE and section.password.get_secret_value() and section.host not in _LOOPBACK
    )


def _usual(readings: tuple[Reading, ...], environ: Mapping[str, str], places: Places) -> Reading:
    """Data and socket where systemd or the user's habits want them, unless they are set."""
    reading = Reading("places")
    set_data = next((one.tree["service"]["data_dir"] for one in readings if "data_dir" in one.tree.get("service", {})), None)
    data = Path(set_data) if isinstance(set_data, str) else _data_dir(environ, places)
    if environ.get("RUNTIME_DIRECTORY"):
        socket = Path(environ["RUNTIME_DIRECTORY"].partition(":")[0]) / "api.sock"
    elif (set_data is None or data == places.data) and _exists(places.run / "api.sock"):
        # The installed service runs here: the command line of an ordinary user speaks to it.
        socket = places.run / "api.sock"
    else:
        socket = data / "api.sock"
    reading.put("service.data_dir", data, "places")
    reading.put("service.socket", socket, "places")
    return reading


def _data_dir(environ: Mapping[str, str], places: Places) -> Path:
    if environ.get("STATE_DIRECTORY"):
        return Path(environ["STATE_DIRECTORY"].partition(":")[0])
    if os.geteuid() == 0 or os.access(places.data, os.W_OK):
        return places.data
    home = environ.get("XDG_DATA_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".local" / "share")
    return Path(home) / "sitzungsplaner"


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return True  # there is something we may not look at: reading it will say so
