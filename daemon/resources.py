"""Finds the files that are not code: mail and page templates. Nobody else builds such paths.

In front stands the folder an admin may have put there, then `daemon/_templates` as the wheel has it, or `templates/` beside
`daemon/` in a checkout.
"""

from __future__ import annotations

from pathlib import Path

from daemon.core.errors import ConfigProblem

_PACKAGE = Path(__file__).resolve().parent


def template_folders(admin: Path | None = None, *, package: Path = _PACKAGE) -> tuple[Path, ...]:
    """Return the folders to look for templates in, the first that has a file wins: the admin's, then our own.

    Raises ConfigProblem if the admin's folder does not exist, or if our own templates are missing from the installation.
    """
    folders: list[Path] = []
    problems: list[str] = []
    if admin is not None:
        if admin.is_dir():
            folders.append(admin)
        else:
            problems.append(f"The folder for your own templates, {admin}, does not exist. Make it, or take the setting out.")
    own = next((folder for folder in (package / "_templates", package.parent / "templates") if (folder / "mail").is_dir()), None)
    if own is None:
        problems.append(
            f"The mail templates are missing from this installation (looked beside {package}). Install the package again."
        )
    else:
        folders.append(own)
    if problems:
        raise ConfigProblem(tuple(problems))
    return tuple(folders)
