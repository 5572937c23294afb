"""What is installed: the wheel's content, the version, the pins."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import daemon

ROOT = Path(__file__).resolve().parent.parent
NAME = "sitzungsplaner"


def normal(name: str) -> str:
    """Return a distribution's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: list[str]) -> set[str]:
    return {normal(found[0]) for one in requirements if (found := re.match(r"[A-Za-z0-9._-]+", one))}


def project() -> dict[str, object]:
    read: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return read


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    split = [line.partition("==") for line in lines if line and not line.startswith("#")]
    return {normal(name): version for name, _, version in split}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy so that nothing of it stays in the checkout, without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    for part in ("daemon", "connectors", "templates", "tests", "docs"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / part, folder)
    program = "import hatchling.build, sys; print(hatchling.build.build_wheel(sys.argv[1]))"
    built = subprocess.run(
        [sys.executable, "-c", program, str(folder / "dist")], cwd=folder, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    return zipfile.ZipFile(folder / "dist" / built.stdout.split()[-1])


def test_the_wheel_has_the_two_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    assert {name.partition("/")[0] for name in wheel.namelist()} == {
        "daemon",
        "connectors",
        f"{NAME}-{daemon.__version__}.dist-info",
    }


def test_the_wheel_has_every_module(wheel: zipfile.ZipFile) -> None:
    ours = {path.relative_to(ROOT).as_posix() for package in ("daemon", "connectors") for path in (ROOT / package).rglob("*.py")}
    assert {name for name in wheel.namelist() if name.endswith(".py")} == ours


def test_the_wheel_has_every_template_below_the_package(wheel: zipfile.ZipFile) -> None:
    ours = {f"daemon/_templates/{path.relative_to(ROOT / 'templates').as_posix()}" for path in _files(ROOT / "templates")}
    assert {name for name in wheel.namelist() if name.startswith("daemon/_templates/")} == ours
    assert "daemon/_templates/mail/layout.html" in ours


@pytest.mark.parametrize(
    "name",
    [
        "daemon/store/migrations/env.py",
        "daemon/store/migrations/script.py.mako",
        "daemon/store/migrations/versions/0001_first.py",
        "daemon/py.typed",
        "connectors/py.typed",
    ],
)
def test_the_wheel_has_what_is_no_module_of_ours_but_needed(wheel: zipfile.ZipFile, name: str) -> None:
    assert name in wheel.namelist()


def test_the_wheel_brings_the_command(wheel: zipfile.ZipFile) -> None:
    entry_points = wheel.read(f"{NAME}-{daemon.__version__}.dist-info/entry_points.txt").decode()
    assert entry_points.split() == ["[console_scripts]", NAME, "=", "daemon.cli:main"]


def test_the_command_is_installed_and_can_be_loaded() -> None:
    (found,) = importlib.metadata.entry_points(group="console_scripts", name=NAME)
    assert callable(found.load())


def test_the_package_that_is_imported_is_the_one_that_is_installed() -> None:
    """Another distribution, `python-daemon`, has a package of the same name: it would lie in the same folder."""
    assert daemon.__version__ == importlib.metadata.version(NAME)
    assert Path(str(daemon.__file__)).parent == ROOT / "daemon"
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("python-daemon")


def test_every_dependency_is_pinned() -> None:
    wanted = names(project()["dependencies"])  # type: ignore[arg-type]  # TOML has no types
    for extra in project()["optional-dependencies"].values():  # type: ignore[attr-defined]
        wanted |= names(extra)
    assert wanted - {NAME} - pins().keys() == set()


def test_the_pins_are_what_is_installed() -> None:
    """Pins of packages that this system does not need are fine; a version that was tested and is not the pinned one is not."""
    installed = {normal(one.name): one.version for one in importlib.metadata.distributions()}
    differing = {name: (version, installed[name]) for name, version in pins().items() if installed.get(name, version) != version}
    assert differing == {}
    assert installed.keys() - pins().keys() <= {NAME, "pip", "setuptools", "wheel"}


def test_the_licence_is_the_one_that_is_named() -> None:
    assert project()["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
