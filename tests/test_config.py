"""Settings: where they come from, and every complaint about them."""

from __future__ import annotations

import os
import re
import tomllib
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from daemon.config import RELOADABLE, Config, Loaded, Places, Security, TakenOver, load_config, require_mail, take_over
from daemon.config.sources import Keys, environment_name
from daemon.core.errors import ConfigProblem

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"


class Machine:
    """A machine of its own for one test: a configuration file, an environment, places."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path / "config.toml"
        self.environ: dict[str, str] = {}
        self.places = Places(file=path / "etc.toml", data=path / "var", run=path / "run")

    def load(self, toml: str | None = None, *, with_secrets: bool = True, **environ: str) -> Loaded:
        if toml is not None:
            self.file.write_text(toml, encoding="utf-8")
            self.file.chmod(0o640)
        chosen = self.file if toml is not None else None
        return load_config(chosen, {**self.environ, **environ}, places=self.places, with_secrets=with_secrets)

    def problems(self, toml: str | None = None, **environ: str) -> tuple[str, ...]:
        with pytest.raises(ConfigProblem) as caught:
            self.load(toml, **environ)
        return caught.value.problems


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_nothing_at_all_is_a_valid_configuration(machine: Machine) -> None:
    loaded = machine.load()
    assert loaded.path is None
    assert loaded.warnings == ()
    assert loaded.config.reminders.offsets == (timedelta(hours=24), timedelta(minutes=15))
    assert loaded.config.mail.coalesce == timedelta(seconds=60)


def test_the_system_s_file_is_found_by_itself_and_the_environment_can_name_another(machine: Machine) -> None:
    machine.places.file.write_text('[mail]\nname = "System"\n')
    assert machine.load().config.mail.name == "System"
    other = machine.path / "other.toml"
    other.write_text('[mail]\nname = "Other"\n')
    loaded = machine.load(SITZUNGSPLANER_CONFIG=str(other), SITZUNGSPLANER_OWNER="anna@example.org")
    assert (loaded.path, loaded.config.mail.name) == (other, "Other")


def test_the_environment_wins_over_credentials_and_these_over_the_file(machine: Machine) -> None:
    credentials = machine.path / "credentials"
    credentials.mkdir()
    (credentials / "mail.smtp.password").write_text("from-credential\n")
    (credentials / "service.key").write_text("of somebody else")
    toml = '[mail.smtp]\nhost = "file.example.org"\nport = 2525\nusername = "u"\npassword = "from-file"\n'
    smtp = machine.load(
        toml, CREDENTIALS_DIRECTORY=str(credentials), SITZUNGSPLANER_MAIL__SMTP__HOST="env.example.org"
    ).config.mail.smtp
    assert (smtp.host, smtp.port, smtp.password.get_secret_value()) == ("env.example.org", 2525, "from-credential")
    smtp = machine.load(
        toml, CREDENTIALS_DIRECTORY=str(credentials), SITZUNGSPLANER_MAIL__SMTP__PASSWORD="from-environment"
    ).config.mail.smtp
    assert smtp.password.get_secret_value() == "from-environment"
    assert machine.load(toml).config.mail.smtp.password.get_secret_value() == "from-file"


def _spelled(value: Any) -> tuple[str, Any]:
    """A value other than the default, as environment text and as it must arrive."""
    match value:
        case StrEnum():
            other = next(one for one in type(value) if one is not value)
            return other.value, other
        case int():
            return str(value + 1), value + 1
        case SecretStr():
            return "postgresql://x", SecretStr("postgresql://x")
        case (str(), *_):
            return "10.0.0.1, 192.0.2.0/24", ("10.0.0.1", "192.0.2.0/24")
        case tuple():
            return "2h, PT5M", (timedelta(hours=2), timedelta(minutes=5))
        case Path():
            return "/srv/x", Path("/srv/x")
        case None:
            return str(EXAMPLE), EXAMPLE
        case _:
            raise AssertionError(value)


_TEXTS = {
    "mail.address": "sitzung@example.org",
    "service.timezone": "Europe/Paris",
    "mail.bounces": "sitzung+{token}@example.org",
    "meeting.link": "https://x.example/{number}",
    "health.listen": "127.0.0.1:9180",
    "mail.lmtp.listen": "127.0.0.1:2424",
    "web.listen": "192.0.2.1:8470",
    "web.url": "https://planer.example.org/x",
}


@pytest.mark.parametrize("key", [key for key in Keys(Config).fields if "*" not in key])
def test_every_key_can_be_set_by_the_environment(machine: Machine, key: str) -> None:
    default: Any = Config()
    for part in key.split("."):
        default = getattr(default, part)
    plain = isinstance(default, str) and not isinstance(default, StrEnum)
    text, wanted = (_TEXTS.get(key, "text"),) * 2 if plain else _spelled(default)
    environ = {environment_name(key): text}
    for partner in ("username", "password"):  # one is useless without the other
        if key.endswith((".username", ".password")):
            environ.setdefault(environment_name(f"{key.rpartition('.')[0]}.{partner}"), "partner")
    if key == "web.listen":
        environ[environment_name("web.url")] = _TEXTS["web.url"]
    value: Any = machine.load(**environ).config
    for part in key.split("."):
        value = getattr(value, part)
    assert value == wanted
    assert value != default


def test_a_reference_s_password_can_come_from_everywhere(machine: Machine) -> None:
    credentials = machine.path / "credentials"
    credentials.mkdir()
    (credentials / "calendars.secrets.one.password").write_text("1")
    (machine.path / "two").write_text("2\n")
    loaded = machine.load(
        '[calendars.secrets.two]\npassword_file = "two"\n[calendars.secrets.three]\npassword = "3"\n',
        CREDENTIALS_DIRECTORY=str(credentials),
        SITZUNGSPLANER_CALENDARS__SECRETS__FOUR__PASSWORD="4",
    )
    assert loaded.config.calendars.references == {"one": "1", "two": "2", "three": "3", "four": "4"}


_READ = "[mail.imap]\nusername = 'u'\n"


def _one_line_cases() -> list[Any]:
    cases = [
        ("[mail.smtp]\nport = 'abc'", 'mail.smtp.port: "abc" is not a whole number (1–65535).'),
        ("[mail.smtp]\nport = 70000", "mail.smtp.port: 70000 is out of range (1–65535)."),
        ("[mail.smtp]\nport = 1.5", "mail.smtp.port: 1.5 is not a whole number (1–65535)."),
        ("[mail.smtp]\nport = true", "mail.smtp.port: true is not a whole number (1–65535)."),
        ("[mail.smtp]\nport = [1]", "mail.smtp.port: A list is not a whole number (1–65535)."),
        ("[mail.smtp]\nport = {a = 1}", "mail.smtp.port: A section is not a whole number (1–65535)."),
        ("[mail.smtp]\nhost = 5", "mail.smtp.host: 5 is not text; write it in quotes."),
        ("[mail.smtp]\nhost = 2026-11-22", "mail.smtp.host: 2026-11-22 is not text; write it in quotes."),
        ("[mail.smtp]\nsecurity = 'TSL'", 'mail.smtp.security: "TSL" is not one of none, starttls, tls. Did you mean "tls"?'),
        ("[mail.smtp]\nprot = 25", "mail.smtp.prot: there is no such setting. Did you mean mail.smtp.port?"),
        ("[mail.smpt]\nhost = 'x'", "mail.smpt: there is no such section. Did you mean [mail.smtp]?"),
        ("coalesce_seconds = 3", "coalesce_seconds: there is no such setting. Did you mean mail.coalesce_seconds?"),
        ("[zebra]\nx = 3", "zebra: there is no such section."),
        ("zebra = 3", "zebra: there is no such setting."),
        ("mail = 'x'", "mail: this is a section, not a single value. Write [mail] on a line of its own and its keys below."),
        ("[mail]\naddress = 'planner'", "mail.address: “planner” is not a mail address. Write it like anna@example.org."),
        ("[mail.imap]\nmailbox = ''", "mail.imap.mailbox: this must not be empty."),
        ("[mail.smtp]\nca_file = '/nowhere/ca.pem'", "mail.smtp.ca_file: /nowhere/ca.pem is no file. Name the file with"),
        ("[mail.imap]\npassword = 5\nusername = 'u'", "mail.imap.password: this must be text in quotes."),
        ("[mail.imap]\npassword = 'geheim'", "mail.imap.username: missing, while mail.imap.password is set."),
        (_READ, "mail.imap.password: missing, while mail.imap.username is set. Set it,"),
        (_READ + "password = 'a'\npassword_file = 'b'",
         "mail.imap.password_file: mail.imap.password is given as well. Keep one of the two."),
        (_READ + "password_file = 5", "mail.imap.password_file: this must be a file's name in quotes."),
        (_READ + "password_file = 'gone'",
         "mail.imap.password_file: {dir}/gone cannot be read (No such file or directory)."),
        ("[service]\ntimezone = 'Europe/Berln'", "service.timezone: "),
        ("[service]\nlanguage = 'fr'", 'service.language: "fr" is not one of de, en.'),
        ("[store]\nurl = 'mysql://u:geheim@h/d'", 'store.url: It must be empty or begin with "postgresql://" or "sqlite:///".'),
        ("[reminders]\noffsets = ['24h', 'soon']", "reminders.offsets: “soon” is not a duration. Write it like 45m,"),
        ("[reminders]\noffsets = [15]", "reminders.offsets: 15 is not a duration. Write it in quotes with a unit"),
        ("[reminders]\noffsets = 15", 'reminders.offsets: 15 is not a list of durations; write it like ["24h", "15m"].'),
        ("[reminders]\noffsets = ['400d']", "reminders.offsets: A reminder comes before the start, by at most a year (366d)."),
        ("[reminders]\noffsets = '1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 11m'", "reminders.offsets: At most ten reminders fit."),
        ("[meeting]\nlink = 'https://meet.example.org/'", "meeting.link: It must contain {number}"),
        ("[meeting]\nlink = 'https://x.org/{number}/{name}'", "meeting.link: {number} is the only thing in braces"),
        ("[meeting]\nlink = 'x.org/{number}'", "meeting.link: It must be a web address without blanks"),
        ("[meeting]\nlink = 'https://x.org/ {number}'", "meeting.link: It must be a web address without blanks"),
        ("[health]\nlisten = '0.0.0.0:9180'", 'health.listen: "0.0.0.0:9180" is no address on this machine. Write it like'),
        ("[health]\nlisten = '9180'", 'health.listen: "9180" is no address on this machine.'),
        ("[health]\nlisten = '::1:9180'", 'health.listen: "::1:9180" is no address on this machine.'),
        ("[health]\nlisten = '[127.0.0.1]:9180'", 'health.listen: "[127.0.0.1]:9180" is no address on this machine.'),
        ("[health]\nlisten = 'localhost:99999'", 'health.listen: "localhost:99999" is no address on this machine.'),
        ("[web]\nlisten = '127.0.0.1:8470'", "web.url: missing, while web.listen is set. Set the address by which people reach"),
        ("[web]\nurl = 'https://x.example'\nlisten = '8470'", 'web.listen: "8470" is no address with a port.'),
        ("[web]\nurl = 'http://planer.example.org'", "web.url: It must begin with https://"),
        ("[web]\nurl = 'https://planer.example.org/?x=1'", "web.url: It must be a web address without blanks"),
        ("[web]\nproxies = ['proxy.example']", 'web.proxies: "proxy.example" is no address of a proxy.'),
        ("[web]\nproxies = 5", "web.proxies: 5 is not a list of texts; write it like"),
        ("[mail.lmtp]\nlisten = '0.0.0.0:2424'", 'mail.lmtp.listen: "0.0.0.0:2424" is neither an address on this machine'),
        ("[mail.lmtp]\nlisten = 'lmtp.sock'", 'mail.lmtp.listen: "lmtp.sock" is neither an address on this machine'),
        ("[health]\nlisten = 'monitor.example:9180'", 'health.listen: "monitor.example:9180" is no address on this machine.'),
        ("[calendars.secrets.web]", "calendars.secrets.web.password: missing. Set it, or calendars.secrets.web.password_file."),
        ("[calendars.secrets.web]\npass = 'x'", "calendars.secrets.web.pass: there is no such setting."),
    ]  # fmt: skip
    return [pytest.param(toml, line, id=f"{number:02} {line[:40]}") for number, (toml, line) in enumerate(cases)]


@pytest.mark.parametrize(("toml", "line"), _one_line_cases())
def test_a_mistake_is_told_in_one_line_with_its_key(machine: Machine, toml: str, line: str) -> None:
    problems = machine.problems(toml)
    assert len(problems) == 1
    assert problems[0].startswith(line.replace("{dir}", str(machine.path)))
    assert "\n" not in problems[0]
    assert "geheim" not in problems[0]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"[mail\nname = 1", "at line 1, column 6 this is not TOML: Expected ']' at the end of a table declaration."),
        (b"[mail]\nname = ", "this is not TOML: Invalid value."),
        (b"[mail]\nname = 'a'\nname = 'b'", "this is not TOML: Cannot overwrite a value."),
        (b"[mail]\nname = 'M\xfcller'", "this is not UTF-8 text (byte 16). Save it as UTF-8."),
    ],
    ids=["a bracket is missing", "the file ends too early", "a key stands twice", "Latin-1"],
)
def test_a_file_that_is_no_toml_is_told_with_the_place(machine: Machine, content: bytes, line: str) -> None:
    machine.file.write_bytes(content)
    with pytest.raises(ConfigProblem) as caught:
        load_config(machine.file, {}, places=machine.places)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{machine.file}: ")
    assert line in problem


def test_a_named_file_that_is_missing_or_closed_is_a_problem(machine: Machine) -> None:
    with pytest.raises(ConfigProblem, match=r"gone\.toml: there is no such file\. Copy config\.example\.toml there"):
        load_config(machine.path / "gone.toml", {}, places=machine.places)
    with pytest.raises(ConfigProblem, match=r"it cannot be read \(Is a directory\)\. Give the user"):
        load_config(machine.path, {}, places=machine.places)


def test_all_problems_of_all_sources_are_told_at_once(machine: Machine) -> None:
    problems = machine.problems(
        "[mail.smtp]\nport = 'abc'\nusername = 'u'\n[nonsense]\n[work]\ntries = 0",
        SITZUNGSPLANER_WORK__HOLD_SECONDS="ages",
        SITZUNGSPLANER_MAIL_SMTP_HOST="x",
        SITZUNGSPLANER_WHATEVER="x",
    )
    assert [problem.partition(":")[0] for problem in problems] == [
        "nonsense",
        "SITZUNGSPLANER_MAIL_SMTP_HOST",
        "SITZUNGSPLANER_WHATEVER",
        "mail.smtp.port",
        "work.hold_seconds",
        "work.tries",
        "mail.smtp.password",
    ]
    assert "Did you mean SITZUNGSPLANER_MAIL__SMTP__HOST?" in problems[1]
    assert "two underscores" in problems[2]
    assert problems[4].endswith("It is set by SITZUNGSPLANER_WORK__HOLD_SECONDS.")


def test_a_broken_file_does_not_hide_a_broken_environment(machine: Machine) -> None:
    problems = machine.problems("[mail", SITZUNGSPLANER_WORK__TRIES="many")
    assert [problem.partition(": ")[0] for problem in problems] == [str(machine.file), "work.tries"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"a\nb", "more than one line"),
        (b"x" * 70_000, "one line"),
        (b"\xff", "is not UTF-8 text"),
    ],
    ids=["empty", "only a line end", "two lines", "too long", "binary"],
)
def test_a_secret_s_file_holds_one_line(machine: Machine, content: bytes, what: str) -> None:
    (machine.path / "secret").write_bytes(content)
    (problem,) = machine.problems("[mail.smtp]\nusername = 'u'\npassword_file = 'secret'")
    assert problem.startswith("mail.smtp.password_file: ")
    assert what in problem


def test_a_wrong_value_from_a_secret_s_file_names_the_file_and_not_the_value(machine: Machine) -> None:
    (machine.path / "secret").write_text("mysql://u:geheim@h")
    (problem,) = machine.problems(SITZUNGSPLANER_STORE__URL_FILE=str(machine.path / "secret"))
    assert problem.startswith("store.url: It must")
    assert problem.endswith(f"It is set by SITZUNGSPLANER_STORE__URL_FILE, file {machine.path / 'secret'}.")


def test_secrets_are_in_no_text_form(machine: Machine) -> None:
    mail = "[mail.smtp]\nusername = 'u'\npassword = 'geheim'\n"
    loaded = machine.load(f"{mail}[store]\nurl = 'postgresql://u:geheim@h/d'\n[calendars.secrets.a]\npassword = 'geheim'")
    for text in (repr(loaded), str(loaded.config), loaded.config.model_dump_json(), str(loaded.config.model_dump())):
        assert "geheim" not in text
    assert loaded.config.mail.smtp.password.get_secret_value() == "geheim"


def test_who_only_uses_the_socket_needs_no_secret_s_file(machine: Machine) -> None:
    loaded = machine.load("[mail.smtp]\nusername = 'u'\npassword_file = '/root/closed'", with_secrets=False)
    assert loaded.config.mail.smtp.password.get_secret_value() == ""


def test_a_file_with_secrets_that_everybody_may_read_is_warned_about(machine: Machine) -> None:
    secret = machine.path / "secret"
    secret.write_text("x")
    secret.chmod(0o644)
    machine.file.write_text("[mail.smtp]\nusername = 'u'\npassword = 'p'\n[mail.imap]\nusername='u'\npassword_file = 'secret'")
    machine.file.chmod(0o644)
    assert load_config(machine.file, {}, places=machine.places).warnings == (
        f"mail.imap.password_file: everybody may read the secret in {secret}. Run: chmod o-r {secret}",
        f"{machine.file} holds a secret (mail.smtp.password) and everybody may read it. Run: chmod o-r {machine.file}",
    )


def test_a_password_over_an_open_connection_is_warned_about_unless_it_stays_on_this_machine(machine: Machine) -> None:
    toml = "[mail.smtp]\nhost = '{}'\nusername = 'u'\npassword = 'p'\nsecurity = 'none'"
    assert machine.load(toml.format("127.0.0.1")).warnings == ()
    (warning,) = machine.load(toml.format("mail.example.org")).warnings
    assert warning.startswith('mail.smtp.security is "none": the password goes over the network in clear to mail.example.org.')


@pytest.mark.parametrize(
    ("section", "security", "port"),
    [("smtp", "none", 25), ("smtp", "starttls", 587), ("smtp", "tls", 465), ("imap", "none", 143), ("imap", "tls", 993)],
)
def test_the_port_follows_from_the_security(machine: Machine, section: str, security: str, port: int) -> None:
    server = getattr(machine.load(f"[mail.{section}]\nsecurity = '{security}'").config.mail, section)
    assert (server.security, server.port) == (Security(security), port)
    assert getattr(machine.load(f"[mail.{section}]\nsecurity = '{security}'\nport = 7").config.mail, section).port == 7


def test_what_the_service_needs_for_mails_is_listed(machine: Machine) -> None:
    with pytest.raises(ConfigProblem) as caught:
        require_mail(machine.load("[mail.imap]\nhost = 'mail.example.org'").config)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "mail.address",
        "mail.smtp.host",
        "mail.imap.username",
    ]
    require_mail(machine.load("[mail]\naddress = 'a@example.org'\nsmtp.host = 'mail.example.org'").config)


class TestPlaces:
    """Data and socket, for the service, for an ordinary user, for a test."""

    def test_systemd_s_directories_are_used(self, machine: Machine) -> None:
        service = machine.load(STATE_DIRECTORY="/var/lib/a:/var/lib/b", RUNTIME_DIRECTORY="/run/a").config.service
        assert (service.data_dir, service.socket) == (Path("/var/lib/a"), Path("/run/a/api.sock"))

    def test_a_data_directory_of_one_s_own_has_its_socket_inside_even_where_a_service_is_installed(
        self, machine: Machine
    ) -> None:
        """A demo beside a real service must never speak to the real one."""
        machine.places.run.mkdir()
        (machine.places.run / "api.sock").touch()
        service = machine.load("[service]\ndata_dir = '/srv/demo'").config.service
        assert (service.data_dir, service.socket) == (Path("/srv/demo"), Path("/srv/demo/api.sock"))

    def test_without_settings_the_installed_service_is_spoken_to(self, machine: Machine) -> None:
        machine.places.run.mkdir()
        (machine.places.run / "api.sock").touch()
        assert machine.load().config.service.socket == machine.places.run / "api.sock"
        explicit = machine.load(f"[service]\ndata_dir = '{machine.places.data}'").config.service
        assert explicit.socket == machine.places.run / "api.sock"

    @pytest.mark.parametrize(
        ("environ", "wanted"),
        [
            ({"XDG_DATA_HOME": "/home/a/data"}, "/home/a/data/sitzungsplaner"),
            ({"HOME": "/home/a"}, "/home/a/.local/share/sitzungsplaner"),
        ],
        ids=["XDG_DATA_HOME", "HOME"],
    )
    def test_an_ordinary_user_has_his_data_at_home(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], wanted: str
    ) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        assert machine.load(**environ).config.service.data_dir == Path(wanted)

    def test_root_uses_the_system_s_directory(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        assert machine.load().config.service.data_dir == machine.places.data

    def test_a_set_socket_stays(self, machine: Machine) -> None:
        assert machine.load(RUNTIME_DIRECTORY="/run/a", SITZUNGSPLANER_SERVICE__SOCKET="/tmp/s").config.service.socket == Path(
            "/tmp/s"
        )


class TestExample:
    """`config.example.toml` names everything that exists and nothing else."""

    def uncommented(self) -> dict[str, Any]:
        lines = [re.sub(r"^# (?=[a-z_]+ = |\[calendars\.secrets\.)", "", line) for line in EXAMPLE.read_text().splitlines()]
        return tomllib.loads("\n".join(lines))

    def flat(self, tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
        keys: dict[str, Any] = {}
        for name, value in tree.items():
            keys |= self.flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
        return keys

    def test_as_it_is_it_sets_nothing(self, machine: Machine) -> None:
        assert machine.load(EXAMPLE.read_text()).config == machine.load().config

    def test_it_names_every_key_and_no_other(self) -> None:
        assert {key.replace(".NAME.", ".*.") for key in self.flat(self.uncommented())} == set(Keys(Config).all)

    def test_what_it_calls_a_default_is_the_default(self) -> None:
        for key, shown in self.flat(self.uncommented()).items():
            if "NAME" in key or key.removesuffix("_file") in Keys(Config).secrets:
                assert shown == ""
                continue
            default: Any = Config()
            for part in key.split("."):
                default = getattr(default, part)
            match default:
                case SecretStr():
                    default = default.get_secret_value()
                case Path():
                    default = str(default)
                case None:
                    default = ""
                case (str(), *_):
                    default = list(default)
                case tuple():
                    assert shown == ["24h", "15m"]
                    assert default == (timedelta(hours=24), timedelta(minutes=15))
                    continue
                case _:
                    pass
            assert shown == default, key


def test_numbers_with_a_unit_in_their_name_are_offered_as_durations(machine: Machine) -> None:
    config = machine.load("[calendars]\nalarm_minutes = -1\npoll_seconds = 90\n[mail.imap]\nidle_seconds = 60").config
    assert (config.calendars.alarm, config.calendars.poll) == (None, timedelta(seconds=90))
    assert machine.load().config.calendars.alarm == timedelta(minutes=15)
    assert (config.mail.imap.idle, config.numbers.quarantine) == (timedelta(minutes=1), timedelta(days=180))
    assert (config.work.hold, config.work.give_up) == (timedelta(minutes=1), timedelta(days=5))


def test_a_credential_that_is_empty_is_a_problem(machine: Machine) -> None:
    credentials = machine.path / "credentials"
    credentials.mkdir()
    (credentials / "mail.smtp.password").write_text("\n")
    (problem,) = machine.problems("[mail.smtp]\nusername = 'u'", CREDENTIALS_DIRECTORY=str(credentials))
    assert problem == "mail.smtp.password: the credential mail.smtp.password is empty."


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("", None),
        ("127.0.0.1:9180", ("127.0.0.1", 9180)),
        ("localhost:80", ("127.0.0.1", 80)),
        ("[::1]:9180", ("::1", 9180)),
    ],
    ids=["nowhere", "IPv4", "by its name", "IPv6"],
)
def test_health_is_served_on_this_machine_only_where_it_is_asked_for(
    machine: Machine, listen: str, address: tuple[str, int] | None
) -> None:
    assert machine.load(f"[health]\nlisten = '{listen}'").config.health.address == address


class TestReload:
    """What a running service takes over of a configuration that was read again."""

    def test_every_key_that_it_takes_over_exists_and_is_no_secret(self) -> None:
        keys = Keys(Config)
        assert set(RELOADABLE) <= set(keys.fields)
        assert not set(RELOADABLE) & keys.secrets

    def test_nothing_changed(self, machine: Machine) -> None:
        config = machine.load("[mail]\nname = 'A'").config
        assert take_over(config, config) == TakenOver(config=config, changed=(), waiting=())

    def test_what_may_change_changes_and_the_rest_stays_as_it_was_at_start(self, machine: Machine) -> None:
        running = machine.load("[mail.smtp]\nhost = 'old.example.org'\n[work]\ntries = 3").config
        toml = (
            "[service]\nlog_level = 'debug'\n[mail]\naddress = 'new@example.org'\nname = 'Neu'\n"
            "[mail.smtp]\nhost = 'new.example.org'\n"
            "[reminders]\noffsets = ['1h']\n[meeting]\nlink = 'https://neu.example.org/{number}'\n[work]\ntries = 4"
        )
        taken = take_over(running, machine.load(toml, with_secrets=False).config)
        assert taken.changed == ("service.log_level", "mail.name", "reminders.offsets", "meeting.link")
        assert taken.waiting == ("mail.address", "mail.smtp.host", "work.tries")
        config = taken.config
        assert (config.mail.name, config.mail.address, config.mail.smtp.host) == ("Neu", "", "old.example.org")
        assert (config.reminders.offsets, config.work.tries) == ((timedelta(hours=1),), 3)
        assert config.meeting.link == "https://neu.example.org/{number}"

    def test_secrets_stay_although_they_are_not_read_again(self, machine: Machine) -> None:
        (machine.path / "smtp").write_text("geheim\n")
        toml = "[mail.smtp]\nusername = 'u'\npassword_file = 'smtp'\n[calendars.secrets.web]\npassword_file = 'smtp'\n"
        running = machine.load(toml).config
        (machine.path / "smtp").unlink()
        taken = take_over(running, machine.load(toml + "[mail]\nname = 'Neu'", with_secrets=False).config)
        assert taken.waiting == ()
        assert taken.config.mail.name == "Neu"
        assert taken.config.mail.smtp.password.get_secret_value() == "geheim"
        assert taken.config.calendars.references == {"web": "geheim"}

    def test_a_secret_that_was_changed_in_the_file_itself_is_named(self, machine: Machine) -> None:
        running = machine.load("[mail.smtp]\nusername = 'u'\npassword = 'old'").config
        read = machine.load("[mail.smtp]\nusername = 'u'\npassword = 'new'", with_secrets=False).config
        taken = take_over(running, read)
        assert taken.waiting == ("mail.smtp.password",)
        assert taken.config == running


@pytest.mark.parametrize(
    ("listen", "address"),
    [("", None), ("[::1]:2424", ("::1", 2424)), ("/run/x/lmtp.sock", Path("/run/x/lmtp.sock"))],
    ids=["nowhere", "port", "socket"],
)
def test_mail_is_taken_in_on_a_port_or_a_socket_of_this_machine(machine: Machine, listen: str, address: Any) -> None:
    assert machine.load(f"[mail.lmtp]\nlisten = '{listen}'").config.mail.lmtp.address == address


def test_pages_may_be_served_to_a_proxy_on_another_machine(machine: Machine) -> None:
    web = machine.load("[web]\nlisten = '192.0.2.1:8470'\nurl = 'https://planer.example.org/sub/'\n").config.web
    assert (web.address, web.url) == (("192.0.2.1", 8470), "https://planer.example.org/sub")
