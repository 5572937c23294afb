"""The shape of the tree: layers, borders, names, sizes. Each border is also crossed once, to see that its contract notices."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("daemon", "connectors")
MOST_LINES = 400

# Files of the product beyond 400 lines, each with its reason.
LONG: dict[str, str] = {}

# Words that say nothing about what stands in a file.
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}

# What only `daemon.clock` may do: `now`, ids and chance are parameters everywhere else.
CLOCKWORK = re.compile(
    r"\bdatetime\.(?:now|utcnow|today)\(|\bdate\.today\(|\btime\.time\("
    r"|\buuid[14]\(|\btoken_(?:hex|bytes|urlsafe)\(|^(?:import|from) random\b",
    re.MULTILINE,
)

# A group that gives nothing back, like (?:"[^"]*"|x)*+ : up to Python 3.11.4, Debian 12's 3.11.2 included, it keeps what an
# alternative had read before it failed (CPython issue 106052). A single class or character, like [^"]*+, is right everywhere.
POSSESSIVE_GROUP = re.compile(r"""re\.compile\([^\n]*\)(?:[*+?]|\{[\d,]+\})\+""")

# Contract, file, a line that crosses the border.
CROSSINGS = {
    "a render that imports the planner": ("layers", "daemon/render/view.py", "import daemon.planner.wishes"),
    "a store that imports the loops": ("layers", "daemon/store/rows.py", "import daemon.loops.lane"),
    "a loop that imports the web": ("layers", "daemon/loops/house.py", "import daemon.web.guard"),
    "a core that imports the ports": ("layers", "daemon/core/model.py", "import daemon.ports"),
    "a service that imports the demonstration": ("layers", "daemon/app.py", "import daemon.demo.post"),
    "a core that draws lots": ("core-is-pure", "daemon/core/numbers.py", "import random"),
    "a core that opens sockets": ("core-is-pure", "daemon/core/ics.py", "import socket"),
    "a connector that imports the store": (
        "connectors-know-ports-and-core",
        "connectors/smtp/errors.py",
        "import daemon.store.work",
    ),
    "a connector that imports another": (
        "connectors-are-strangers",
        "connectors/imap/mapping.py",
        "import connectors.smtp.errors",
    ),
    "a loop that imports a connector": (
        "only-app-knows-connectors",
        "daemon/loops/mail.py",
        "import connectors.memory.mail",
    ),
    "a planner that imports a protocol library": ("sdks-stay-at-home", "daemon/planner/outbox.py", "import aiosmtplib"),
    "a connector that opens a database": ("only-the-store-speaks-sql", "connectors/memory/mail.py", "import sqlite3"),
}


def contracts() -> dict[str, dict[str, object]]:
    """Return the contracts of pyproject.toml by id."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {one["id"]: one for one in config["tool"]["importlinter"]["contracts"]}


def lint(tree: Path) -> tuple[dict[str, bool], str]:
    """Return contract id → kept, and the report. import-linter looks at the packages of its working directory first."""
    program = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run([program, "--no-cache", "--no-logo"], cwd=tree, capture_output=True, text=True, check=False)
    kept = {
        key: found[1] == "KEPT"
        for key, one in contracts().items()
        if (found := re.search(rf"^{re.escape(str(one['name']))}\s+(KEPT|BROKEN)", ran.stdout, re.MULTILINE))
    }
    return kept, ran.stdout + ran.stderr


def modules() -> list[Path]:
    """Return the product's files, relative to the root."""
    return sorted(path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def below(package: str) -> set[str]:
    """Return the names of what stands directly in a package, but for its dunders."""
    found = {path.stem for path in (ROOT / package).iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    return {f"{package}.{name}" for name in found if not name.startswith("_")}


def test_every_import_goes_downwards() -> None:
    kept, report = lint(ROOT)
    assert kept == dict.fromkeys(contracts(), True), report


@pytest.mark.parametrize("crossing", CROSSINGS)
def test_a_border_that_is_crossed_is_reported_by_its_contract_and_no_other(crossing: str, tmp_path: Path) -> None:
    contract, file, line = CROSSINGS[crossing]
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / file).open("a", encoding="utf-8") as changed:
        changed.write(f"\n{line}\n")
    kept, report = lint(tmp_path)
    assert kept == {one: one != contract for one in contracts()}, report
    assert file.removesuffix(".py").replace("/", ".") in report


def test_every_contract_is_crossed_once() -> None:
    assert {contract for contract, _, _ in CROSSINGS.values()} == set(contracts())


def test_no_module_is_forgotten_in_a_contract() -> None:
    """A list that a new module is missing from would let it do anything, unseen. `layers` says `exhaustive` itself."""
    known = contracts()
    ours, theirs = below("daemon"), below("connectors")
    assert set(known["only-app-knows-connectors"]["source_modules"]) == ours - {"daemon.app", "daemon.connections"}  # type: ignore[call-overload]
    may = {"daemon.core", "daemon.ports"}
    assert set(known["connectors-know-ports-and-core"]["forbidden_modules"]) == ours - may  # type: ignore[call-overload]
    assert set(known["connectors-are-strangers"]["modules"]) == theirs  # type: ignore[call-overload]
    assert known["layers"]["exhaustive"] is True


def test_time_and_chance_are_made_in_one_place() -> None:
    """But for the demonstration, which waits beside a running service for the machine's own clock."""
    made = [path for path in modules() if CLOCKWORK.search((ROOT / path).read_text(encoding="utf-8"))]
    found = {path.as_posix() for path in made if path.parts[:2] != ("daemon", "demo")}
    assert found == {"daemon/clock.py"}


def test_no_pattern_has_a_possessive_group() -> None:
    """It read `CN="x` as a whole name on Debian 12, and was right on every machine that it was written on."""
    assert POSSESSIVE_GROUP.search("""re.compile(r';(?:"[^"]*"|[^";:])*+')""")
    found = [path.as_posix() for path in modules() if POSSESSIVE_GROUP.search((ROOT / path).read_text(encoding="utf-8"))]
    assert found == []


def test_no_file_is_longer_than_a_person_reads_in_one_go() -> None:
    lengths = {path.as_posix(): len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in modules()}
    long = {path: lines for path, lines in lengths.items() if lines > MOST_LINES}
    assert long.keys() == LONG.keys(), f"cut them along a word of their standard, or give a reason in LONG: {long}"


def test_no_module_has_an_empty_name() -> None:
    named = {path.as_posix() for path in modules() if EMPTY_NAMES & set(path.with_suffix("").parts)}
    assert named == set()


def test_every_module_says_what_it_is_for() -> None:
    mute = [path.as_posix() for path in modules() if path.name != "__init__.py" and not _docstring(ROOT / path)]
    assert mute == []


def test_every_folder_of_tests_is_a_package() -> None:
    """A package `daemon` below a folder that is none would hide the real one."""
    holding = {path.parent for path in (ROOT / "tests").rglob("*.py")}
    assert {folder for folder in holding if not (folder / "__init__.py").exists()} == set()


def _docstring(file: Path) -> bool:
    return file.read_text(encoding="utf-8").lstrip().startswith('"""')
