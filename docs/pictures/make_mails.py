"""Makes the pictures of docs/mails.md with the system's Chromium.

`.venv/bin/python docs/pictures/make_mails.py [--all] [FOLDER]`

Without --all only the pictures that the page shows; with it every kind, language, width and colour scheme.
"""

from __future__ import annotations

import argparse
import html
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))

from daemon.core.itip import MailKind  # noqa: E402 -- the checkout has to be on the path first
from daemon.core.model import Language  # noqa: E402
from daemon.render import Renderer  # noqa: E402
from daemon.render.specimens import specimen  # noqa: E402
from daemon.resources import template_folders  # noqa: E402

WIDE, NARROW = 800, 390
SHOWN = (
    (MailKind.INVITATION, Language.DE, WIDE, False),
    (MailKind.INVITATION, Language.EN, NARROW, False),
    (MailKind.INVITATION, Language.DE, NARROW, True),
    (MailKind.UPDATE, Language.DE, WIDE, False),
    (MailKind.UPDATE, Language.EN, WIDE, True),
    (MailKind.CANCELLATION, Language.EN, WIDE, False),
    (MailKind.OCCURRENCE_UPDATE, Language.EN, WIDE, False),
    (MailKind.OCCURRENCE_CANCELLATION, Language.DE, WIDE, False),
    (MailKind.REMINDER, Language.DE, WIDE, False),
    (MailKind.REMINDER, Language.EN, NARROW, True),
    (MailKind.TROUBLE, Language.DE, WIDE, False),
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
# A frame, because a headless window cannot be as narrow as a telephone; its height is read back from the title.
PAGE = """<!DOCTYPE html><html><head><title>?</title>
<style>body {{ margin: 0; }} iframe {{ border: 0; display: block; }}</style></head><body>
<iframe id="mail" width="{width}" height="{height}" srcdoc="{mail}"
onload="document.title = this.contentDocument.documentElement.scrollHeight"></iframe></body></html>"""


def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    raise SystemExit("No Chromium on this machine: apt-get install chromium")


def every() -> Iterator[tuple[MailKind, Language, int, bool]]:
    for kind in MailKind:
        for language in Language:
            for width in (WIDE, NARROW):
                for dark in (False, True):
                    yield kind, language, width, dark


def picture(browser: str, target: Path, mail: str, *, width: int, dark: bool) -> None:
    """Write one mail as PNG, as high as the mail is."""
    with tempfile.TemporaryDirectory() as scratch:
        page = Path(scratch) / "mail.html"

        def run(height: int, *more: str) -> str:
            page.write_text(PAGE.format(width=width, height=height, mail=html.escape(mail)), encoding="utf-8")
            window = f"--window-size={width},{height}"
            scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
            command = [browser, *FLAGS, f"--user-data-dir={scratch}/profile", window, scheme, *more, page.as_uri()]
            return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout  # noqa: S603 -- fixed words only

        found = re.search(r"<title>(\d+)</title>", run(200, "--dump-dom"))
        if found is None:
            raise SystemExit(f"Chromium did not lay out {target.name}.")
        run(int(found[1]), f"--screenshot={target}")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("folder", nargs="?", type=Path, default=HERE / "mails")
    words.add_argument("--all", action="store_true")
    wish = words.parse_args()
    wish.folder.mkdir(parents=True, exist_ok=True)
    browser, renderer = chromium(), Renderer(template_folders())
    for kind, language, width, dark in every() if wish.all else SHOWN:
        name = f"{kind}-{language}{'-narrow' if width == NARROW else ''}{'-dark' if dark else ''}.png"
        mail = renderer.mail(kind, language, specimen(kind, language)).html
        picture(browser, wish.folder / name, mail, width=width, dark=dark)
        sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main()
