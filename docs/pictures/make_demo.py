"""Makes docs/pictures/demo.png: the demonstration as a terminal shows it, with the system's Chromium.

`.venv/bin/python docs/pictures/make_demo.py`

The story really runs; nothing of what it says is changed.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from make_mails import FLAGS, chromium  # noqa: E402 -- the folder has to be on the path first

COLUMNS = 112
_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_SPINNER = re.compile(r"\s*[\u2800-\u28ff] ")
_BARE = re.compile(r"(?:\x1b\[[0-9;?]*[A-Za-z])+")
FONT = "'DejaVu Sans Mono', 'Liberation Mono', monospace"


def told() -> str:
    """Return what the demonstration says to a terminal, colours included."""
    program = Path(sys.executable).with_name("sitzungsplaner")
    environ = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    ran = subprocess.run([program, "demo", "--once"], capture_output=True, text=True, check=True, env=environ, timeout=120)  # noqa: S603 -- our own program
    # The spinner writes a line again and again; nothing of it stays on a terminal.
    lines = (line for line in re.split(r"\r\n|[\r\n]", ran.stdout) if not _SPINNER.match(_CODES.sub("", line)))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.replace("\x1b[2K", "") for line in lines if not _BARE.fullmatch(line)))


def drawn(text: str) -> tuple[str, int, int]:
    """Return the text as SVG in a terminal's window, with its width and height."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(f"$ sitzungsplaner demo --once\n{text.strip()}"))
    svg = console.export_svg(title="sitzungsplaner demo --once")
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code, monospace", FONT)  # nothing from elsewhere
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert box is not None
    return svg, int(float(box[1])) + 1, int(float(box[2])) + 1


def main() -> None:
    svg, width, height = drawn(told())
    with tempfile.TemporaryDirectory() as scratch:
        page = Path(scratch) / "demo.html"
        page.write_text(f"<!DOCTYPE html><meta charset=utf-8><style>body{{margin:0}}</style>{svg}", encoding="utf-8")
        window = f"--window-size={width},{height}"
        target = HERE / "demo.png"
        command = [chromium(), *FLAGS, f"--user-data-dir={scratch}/profile", window, f"--screenshot={target}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603 -- fixed words only
    sys.stdout.write("demo.png\n")


if __name__ == "__main__":
    main()
