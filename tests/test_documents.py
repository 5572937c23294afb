"""The documents against the code: what they name exists, and what exists is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from daemon.loops import inbox
from daemon.planner.upkeep import HOUSE_KEY
from daemon.store import work

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "Makefile", ROOT / "config.example.toml")
)
IN_THE_REPOSITORY = ("daemon/", "connectors/", "tests/", "docs/", "templates/", "benchmarks/", "core/", ".ci/")
# Folders of this repository's makers, and names of package indexes: nobody else has them.
MACHINE = re.compile(
    r"(?<![\w.-])/(?:home/|root/|work/|opt/(?!sitzungsplaner\b))|\bpypi\.org/simple|\bindex-url\b|\bfind-links\b|\blocalhost:\d"
)


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def targets() -> set[str]:
    """Return the targets that the Makefile declares."""
    found = re.search(r"^\.PHONY: (.+)$", text_of("Makefile"), re.MULTILINE)
    assert found is not None
    return set(found[1].split())


def rows(document: str) -> list[list[str]]:
    """Return the cells of every table row of a document, without heads and lines."""
    lines = [line for line in text_of(document).splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def children(folder: str) -> set[str]:
    """Return what stands in a folder, packages with a slash, without dunders and caches."""
    names = set()
    for path in (ROOT / folder).iterdir():
        if path.name.startswith((".", "_")):
            continue
        if path.is_dir() and any(path.rglob("*.py")):
            names.add(f"{path.name}/")
        elif path.suffix == ".py":
            names.add(path.name)
    return names


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_names_no_machine_and_no_package_index(document: str) -> None:
    assert MACHINE.findall(text_of(document)) == []


@pytest.mark.parametrize("document", [one for one in DOCUMENTS if one.endswith(".md")])
def test_every_link_and_picture_of_a_document_is_there(document: str) -> None:
    links = re.findall(r"\]\(([^)#]+)", text_of(document))
    inside = [link for link in links if not link.startswith(("http://", "https://"))]
    assert [link for link in inside if not ((ROOT / document).parent / link).exists()] == []


@pytest.mark.parametrize("document", ["ARCHITECTURE.md", "docs/standards.md", *(one for one in DOCUMENTS if "decisions" in one)])
def test_every_path_that_a_document_names_exists(document: str) -> None:
    named = {one for one in re.findall(r"`([\w./-]+)`", text_of(document)) if one.startswith(IN_THE_REPOSITORY)}
    there = {one for one in named if (ROOT / one).exists() or (ROOT / "daemon" / one).exists()}
    assert named - there == set()


def test_the_tree_of_the_architecture_is_the_real_one() -> None:
    """Folders and files directly below `daemon` and `connectors`, each with a line, and no line for what is not there."""
    block = text_of("ARCHITECTURE.md").split("## The tree")[1].split("```")[1]
    listed: dict[str, set[str]] = {}
    parent = ""
    for line in block.strip().splitlines():
        name = line.split()[0]
        if line.startswith("  "):
            listed[parent].add(name)
        else:
            parent = name
            listed[parent] = set()
    assert listed["daemon/"] == children("daemon")
    assert listed["connectors/"] == children("connectors")
    assert [folder for folder in listed if not (ROOT / folder).is_dir()] == []


def test_every_kind_of_work_is_explained() -> None:
    kinds = {work.MAIL, work.BULK, work.REMIND, work.CALENDAR, work.INBOX, work.HOUSE}
    table = text_of("ARCHITECTURE.md").split("## The work queue")[1]
    assert {kind for kind in kinds if f"`{kind}`" not in table} == set()
    for key in (inbox.INBOX_KEY, HOUSE_KEY, "mail:<entry>:<attendee>", "remind:<entry>:<seconds>", "calendar:<id>"):
        assert f"`{key}`" in table


def test_the_readme_names_make_targets_that_there_are() -> None:
    named = set(re.findall(r"\bmake ([a-z]+)\b", text_of("README.md")))
    assert {"demo", "test", "check"} <= named <= targets()


def test_the_continuous_integration_runs_the_commands_of_the_readme() -> None:
    steps = re.findall(r"^step (.+)$", text_of(".ci/run"), re.MULTILINE)
    readme = text_of("README.md")
    assert [step for step in steps if step not in readme and step != "make install"] == []
    assert "make test" in steps


def test_help_names_every_target() -> None:
    recipe = text_of("Makefile").split("help:\n")[1].split("\n\n")[0]
    told = set(re.findall(r'echo "make ([a-z]+)', recipe))
    assert told == targets() - {"help", "install"}


def test_the_readme_shows_commands_that_there_are() -> None:
    """Every noun and verb of an example is one of the command line."""
    nouns = {path.stem for path in (ROOT / "daemon/cli").iterdir()}
    shown = re.findall(r"\bsitzungsplaner (?:--config \S+ )?([a-z]+)", text_of("README.md"))
    assert shown
    assert set(shown) <= nouns


def test_the_ledger_of_standards_is_complete_in_each_line() -> None:
    """What is done or partly done names its module and a test; what is missing at all names neither."""
    ledger = [row for row in rows("docs/standards.md") if row[0] != "section"]
    assert len(ledger) > 50
    for section, what, state, where, test, *_ in ledger:
        assert state in {"done", "partly", "not"}, section
        assert bool(where) == bool(test) == (state != "not"), f"{section} {what}"
        if state == "partly":
            assert _[0], f"{section} {what}: what is missing?"


def test_every_decision_has_its_number_once_and_says_when() -> None:
    files = sorted(path.name for path in (ROOT / "docs/decisions").glob("*.md"))
    assert [name[:4] for name in files] == [f"{number:04}" for number in range(1, len(files) + 1)]
    for name in files:
        first, _, rest = text_of(f"docs/decisions/{name}").partition("\n")
        assert first.startswith(f"# {name[:4]}: ")
        assert "Decided in " in rest


def test_a_decision_that_the_code_names_exists() -> None:
    known = {path.name[:4] for path in (ROOT / "docs/decisions").glob("*.md")}
    files = [path for folder in ("daemon", "connectors", "tests") for path in (ROOT / folder).rglob("*.py")]
    named = {one for path in files for one in re.findall(r"(?:ADR|decisions/)\s?(\d{4})", path.read_text(encoding="utf-8"))}
    assert named <= known


def test_the_changelog_has_a_place_for_what_comes_next() -> None:
    changelog = text_of("CHANGELOG.md")
    assert "## [Unreleased]" in changelog
    assert re.findall(r"^### (\w+)", changelog, re.MULTILINE)
    assert set(re.findall(r"^### (\w+)", changelog, re.MULTILINE)) <= {
        "Added",
        "Changed",
        "Deprecated",
        "Removed",
        "Fixed",
        "Security",
    }
