"""Where templates are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.core.errors import ConfigProblem
from daemon.resources import template_folders


def test_a_checkout_uses_its_own_templates_folder() -> None:
    (own,) = template_folders()
    assert (own / "mail" / "layout.html").is_file()


def test_the_folder_in_the_wheel_comes_before_one_beside_the_package(tmp_path: Path) -> None:
    package = tmp_path / "daemon"
    for folder in (package / "_templates", tmp_path / "templates"):
        (folder / "mail").mkdir(parents=True)
    assert template_folders(package=package) == (package / "_templates",)


def test_an_admins_folder_stands_in_front(tmp_path: Path) -> None:
    assert template_folders(tmp_path)[0] == tmp_path
    assert len(template_folders(tmp_path)) == 2


def test_a_missing_admins_folder_and_missing_templates_are_both_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigProblem) as caught:
        template_folders(tmp_path / "mine", package=tmp_path / "daemon")
    first, second = caught.value.problems
    assert "mine, does not exist" in first
    assert "missing from this installation" in second
