"""Makes the pictures of the pages in docs/mails.md with the system's Chromium.

`.venv/bin/python docs/pictures/make_pages.py [--all] [FOLDER]`

Without --all only the pictures that the document shows; with it every page, language, width and colour scheme.
"""

from __future__ import annotations

import argparse
import html
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))
sys.path.insert(0, str(HERE))

from make_mails import FLAGS, PAGE, chromium  # noqa: E402 -- the same browser, asked in the same way

from daemon.core.model import Language  # noqa: E402 -- the checkout has to be on the path first
from daemon.render import About, Notice, PageStage, Renderer  # noqa: E402
from daemon.render.specimens import page_specimen  # noqa: E402
from daemon.resources import template_folders  # noqa: E402

WIDE, NARROW = 1280, 390
RENDERER = Renderer(template_folders())
STYLE = f"<style>{RENDERER.style()}</style>"  # on a page it is a file of its own
Draw = Callable[[Language], str]


def answering(**what: object) -> Draw:
    return lambda language: RENDERER.answer_page(language, page_specimen(language, **what), style="page.css")  # type: ignore[arg-type]


def telling(about: About) -> Draw:
    return lambda language: RENDERER.message_page(language, about, style="page.css")


PAGES: dict[str, Draw] = {
    "open": answering(),
    "recorded": answering(notice=Notice.RECORDED),
    "outdated": answering(notice=Notice.OUTDATED),
    "unclear": answering(notice=Notice.UNCLEAR),
    "series": answering(series=True),
    "cancelled": answering(stage=PageStage.CANCELLED),
    "over": answering(stage=PageStage.OVER),
    **{about.value: telling(about) for about in About},
}
SHOWN = (
    ("open", Language.DE, WIDE, False),
    ("recorded", Language.EN, NARROW, False),
    ("series", Language.DE, NARROW, True),
    ("series", Language.EN, WIDE, False),
    ("nowhere", Language.DE, WIDE, True),
)


def every() -> Iterator[tuple[str, Language, int, bool]]:
    for name in PAGES:
        for language in Language:
            for width in (WIDE, NARROW):
                for dark in (False, True):
                    yield name, language, width, dark


def picture(browser: str, target: Path, page: str, *, width: int, dark: bool) -> None:
    """Write one page as PNG, as high as the page is."""
    page = page.replace('<link rel="stylesheet" href="page.css">', STYLE)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "page.html"

        def run(height: int, *more: str) -> str:
            file.write_text(PAGE.format(width=width, height=height, mail=html.escape(page)), encoding="utf-8")
            scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
            words = (f"--user-data-dir={scratch}/profile", f"--window-size={width},{height}", scheme, *more, file.as_uri())
            return subprocess.run([browser, *FLAGS, *words], check=True, capture_output=True, text=True, timeout=60).stdout  # noqa: S603 -- fixed words only

        found = re.search(r"<title>(\d+)</title>", run(200, "--dump-dom"))
        if found is None:
            raise SystemExit(f"Chromium did not lay out {target.name}.")
        run(int(found[1]), f"--screenshot={target}")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("folder", nargs="?", type=Path, default=HERE / "pages")
    words.add_argument("--all", action="store_true")
    wish = words.parse_args()
    wish.folder.mkdir(parents=True, exist_ok=True)
    browser = chromium()
    for page, language, width, dark in every() if wish.all else SHOWN:
        name = f"{page}-{language}{'-narrow' if width == NARROW else ''}{'-dark' if dark else ''}.png"
        picture(browser, wish.folder / name, PAGES[page](language), width=width, dark=dark)
        sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main()
