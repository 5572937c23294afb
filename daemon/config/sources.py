"""Where values come from: environment variables, systemd credentials, the TOML file. In this order the first one wins.

Each source is read into a tree of sections with complaints beside it; nothing is judged here but names. A secret `password` may
also be given as `password_file`; both together in one source are a contradiction.
"""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

PREFIX = "SITZUNGSPLANER_"
ELSEWHERE = frozenset({"SITZUNGSPLANER_OWNER", "SITZUNGSPLANER_CONFIG", "SITZUNGSPLANER_DEBUG"})  # read by the command line
MAX_SECRET = 64 * 1024

Tree = dict[str, Any]
_sources: ContextVar[tuple[tuple[str, Tree], ...]] = ContextVar("_sources", default=())


@dataclass(slots=True)
class Reading:
    """One source as it was read: `values` by dotted key, the same as a `tree`; `names` says where a person finds each."""

    label: str
    values: Tree = field(default_factory=dict)
    tree: Tree = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def put(self, key: str, value: Any, name: str) -> None:
        *sections, last = key.split(".")
        place = self.tree
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
        self.values[key] = value
        self.names[key] = name

    def drop(self, key: str) -> None:
        """Forget a value; one that is not there is fine."""
        *sections, last = key.split(".")
        place = self.tree
        for section in sections:
            place = place.get(section, {})
        place.pop(last, None)
        self.values.pop(key, None)


class _Tree(PydanticBaseSettingsSource):
    """A tree that was read before, as a source for pydantic-settings."""

    def __init__(self, settings_cls: type[BaseSettings], label: str, tree: Tree) -> None:
        super().__init__(settings_cls)
        self.label = label
        self.tree = tree

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self.tree.get(field_name), field_name, False

    def __call__(self) -> Tree:
        return self.tree

    def __repr__(self) -> str:
        return f"<{self.label}>"  # never the values: the library shows sources in its own errors


def current_sources(settings_cls: type[BaseSettings]) -> tuple[PydanticBaseSettingsSource, ...]:
    """Return the sources of the running `load_config`; none outside of it, so that a bare `Config()` is all defaults."""
    return tuple(_Tree(settings_cls, label, tree) for label, tree in _sources.get())


@contextmanager
def use(*readings: Reading) -> Iterator[None]:
    """Let `Config()` be made from these, the first one winning."""
    token = _sources.set(tuple((one.label, one.tree) for one in readings))
    try:
        yield
    finally:
        _sources.reset(token)


def known_keys(model: type[BaseModel], prefix: str = "") -> dict[str, FieldInfo]:
    """Return every key that a value can be given for, dotted; `*` stands for a name of the admin's choice."""
    keys: dict[str, FieldInfo] = {}
    for name, info in model.model_fields.items():
        inner = info.annotation
        if get_origin(inner) is not None and issubclass(get_origin(inner) or object, Mapping):
            keys |= known_keys(get_args(inner)[1], f"{prefix}{name}.*.")
        elif isinstance(inner, type) and issubclass(inner, BaseModel):
            keys |= known_keys(inner, f"{prefix}{name}.")
        else:
            keys[f"{prefix}{name}"] = info
    return keys


class Keys:
    """The known keys, with the `_file` forms of secrets, and what else somebody may have meant."""

    def __init__(self, model: type[BaseModel]) -> None:
        self.fields = known_keys(model)
        self.secrets = frozenset(key for key, info in self.fields.items() if info.annotation is SecretStr)
        self.all = (*self.fields, *(f"{key}_file" for key in sorted(self.secrets)))
        self._shapes = [(re.compile(re.escape(key).replace(r"\*", r"[^.]+")), key) for key in self.all]
        self.sections = {key[: match.start()] for key in self.all for match in re.finditer(r"\.", key)}

    def shape(self, key: str) -> str | None:
        """Return the known key, with `*` for chosen names, or None."""
        return next((known for pattern, known in self._shapes if pattern.fullmatch(key)), None)

    def is_section(self, key: str) -> bool:
        return any(re.fullmatch(re.escape(one).replace(r"\*", r"[^.]+"), key) for one in self.sections)

    def near(self, key: str) -> str:
        """Return " Did you mean …?" or ""."""
        last = key.rpartition(".")[2]
        found = get_close_matches(key, self.all, n=1, cutoff=0.8) or [
            known
            for known in self.all
            if known.rpartition(".")[2] in get_close_matches(last, [known.rpartition(".")[2]], cutoff=0.75)
        ]
        return f" Did you mean {' or '.join(found[:3])}?" if found else ""

    def near_section(self, key: str) -> str:
        found = get_close_matches(key, self.sections, n=1, cutoff=0.6)
        return f" Did you mean [{found[0]}]?" if found else ""


def environment_name(key: str) -> str:
    """Return the environment variable of a dotted key."""
    return PREFIX + key.replace(".", "__").upper()


def read_environment(environ: Mapping[str, str], keys: Keys, *, with_secrets: bool) -> Reading:
    """Read the variables that begin with our prefix. Unknown ones are problems: a typo must not be silently without effect."""
    reading = Reading("environment")
    given: dict[str, tuple[Any, str]] = {}
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in ELSEWHERE:
            continue
        key = name.removeprefix(PREFIX).lower().replace("__", ".")
        if keys.shape(key) is None:
            found = get_close_matches(name, [environment_name(known) for known in keys.all], n=1, cutoff=0.8)
            hint = (
                f" Did you mean {found[0]}?"
                if found
                else " Sections are parted by two underscores, as in SITZUNGSPLANER_MAIL__SMTP__HOST."
            )
            reading.problems.append(f"{name}: there is no such setting.{hint}")
        else:
            given[key] = (environ[name], name)
    _take(reading, given, keys, base=Path.cwd(), with_secrets=with_secrets)
    return reading


def read_credentials(directory: Path | None, keys: Keys) -> Reading:
    """Read systemd credentials: files named like secret keys (`mail.smtp.password`). Other names are other people's."""
    reading = Reading("credentials")
    if directory is None or not directory.is_dir():
        return reading
    for file in sorted(directory.iterdir()):
        if keys.shape(file.name) in keys.secrets:
            text = _secret_text(reading, file.name, f"the credential {file.name}", file)
            if text is not None:
                reading.put(file.name, text, f"the systemd credential {file.name}")
    return reading


def read_file(path: Path, keys: Keys, *, with_secrets: bool) -> Reading:
    """Read the TOML file (missing or unreadable is a problem)."""
    reading = Reading(str(path))
    try:
        data = tomllib.loads(path.read_bytes().decode())
        mode = path.stat().st_mode
    except UnicodeDecodeError as error:
        reading.problems.append(f"{path}: this is not UTF-8 text (byte {error.start}). Save it as UTF-8.")
        return reading
    except tomllib.TOMLDecodeError as error:
        reading.problems.append(_toml_problem(path, error))
        return reading
    except FileNotFoundError:
        reading.problems.append(
            f"{path}: there is no such file. Copy config.example.toml there, or name another file with --config."
        )
        return reading
    except OSError as error:
        reading.problems.append(
            f"{path}: it cannot be read ({error.strerror}). Give the user who runs this the right to read it."
        )
        return reading
    given: dict[str, tuple[Any, str]] = {}
    for key, value in _flat(data, keys, reading):
        given[key] = (value, f"{path}")
    _take(reading, given, keys, base=path.parent, with_secrets=with_secrets)
    clear = [key for key in given if keys.shape(key) in keys.secrets and given[key][0]]
    if clear and mode & stat.S_IROTH:
        reading.warnings.append(f"{path} holds a secret ({', '.join(clear)}) and everybody may read it. Run: chmod o-r {path}")
    return reading


def _flat(data: Tree, keys: Keys, reading: Reading, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        key = f"{prefix}{name}"
        if keys.shape(key):
            yield key, value
        elif keys.is_section(key) and isinstance(value, dict):
            if not value and prefix == "calendars.secrets.":
                reading.problems.append(f"{key}.password: missing. Set it, or {key}.password_file.")
            yield from _flat(value, keys, reading, f"{key}.")
        elif keys.is_section(key):
            reading.problems.append(
                f"{key}: this is a section, not a single value. Write [{key}] on a line of its own and its keys below."
            )
        elif isinstance(value, dict):
            reading.problems.append(f"{key}: there is no such section.{keys.near_section(key) or keys.near(key)}")
        else:
            reading.problems.append(f"{key}: there is no such setting.{keys.near(key)}")


def _take(reading: Reading, given: dict[str, tuple[Any, str]], keys: Keys, *, base: Path, with_secrets: bool) -> None:
    for key, (value, name) in given.items():
        secret = key.removesuffix("_file")
        if keys.shape(key) in keys.fields:
            reading.put(key, value, name)
        elif secret in given:
            reading.problems.append(f"{key}: {secret} is given as well. Keep one of the two.")
        elif not isinstance(value, str):
            reading.problems.append(f"{key}: this must be a file's name in quotes.")
        elif value and with_secrets:
            file = base / value
            text = _secret_text(reading, key, str(file), file)
            if text is not None:
                reading.put(secret, text, f"{name}, file {file}")


def _secret_text(reading: Reading, key: str, shown: str, file: Path) -> str | None:
    try:
        with file.open("rb") as handle:
            data = handle.read(MAX_SECRET + 1)
            mode = file.stat().st_mode
        text = data.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        reading.problems.append(f"{key}: {shown} is not UTF-8 text.")
        return None
    except OSError as error:
        reading.problems.append(
            f"{key}: {shown} cannot be read ({error.strerror}). Check its name and that the service's user may read it."
        )
        return None
    if not text or len(data) > MAX_SECRET or "\n" in text or "\0" in text:
        what = "is empty" if not text else "holds more than one line; a secret is one line"
        reading.problems.append(f"{key}: {shown} {what}.")
        return None
    if mode & stat.S_IROTH and key.endswith("_file"):
        reading.warnings.append(f"{key}: everybody may read the secret in {shown}. Run: chmod o-r {file}")
    return text


def _toml_problem(path: Path, error: tomllib.TOMLDecodeError) -> str:
    where = re.search(r"\(at (?:line (\d+), column (\d+)|end of document)\)", str(error))
    reason = str(error)[: where.start()].strip() if where else str(error)
    place = f"line {where[1]}, column {where[2]}" if where and where[1] else "the end"
    return f"{path}: at {place} this is not TOML: {reason}. Texts stand in quotes, sections in square brackets."
