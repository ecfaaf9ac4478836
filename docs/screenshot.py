"""Takes pictures of an HTML report: ``python docs/screenshot.py report.html pictures/``.

It writes ``report-desktop.png`` and ``report-phone.png`` there, needs Chromium or Chrome, and fetches nothing.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTHS = {"desktop": 1280, "phone": 390}
_QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
)  # fmt: skip
_LIGHT, _DARK = "1", "0"
_NARROWEST = 500
"""A window of a headless Chromium is no narrower: a narrower page is shown in a frame, and the rest cut away."""
_SECONDS = 120


def main() -> None:
    """Write the pictures, or say what is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("page", type=Path, help="the HTML report")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--dark", action="store_true", help="the dark colors")
    parser.add_argument("--height", type=int, default=2400, help="pixels of the page from its top (%(default)s)")
    options = parser.parse_args()
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        sys.exit(f"no picture was taken: none of {', '.join(BROWSERS)} is installed")
    if not options.page.is_file():
        sys.exit(f"no picture was taken: {options.page} is no file")
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, width in WIDTHS.items():
        target = options.folder / f"{options.page.stem}-{name}{'-dark' if options.dark else ''}.png"
        take(browser, options.page.resolve(), target.resolve(), width, options.height, dark=options.dark)
        print(target)


def take(browser: str, page: Path, target: Path, width: int, height: int, *, dark: bool) -> None:
    """Write a picture of the top of a page, so many pixels wide and high. Exits where the browser fails."""
    with tempfile.TemporaryDirectory(prefix="envrobust-screenshot-") as name:
        profile = Path(name)
        shown = page if width >= _NARROWEST else _framed(page, width, height, profile)
        settings = {
            "user-data-dir": profile / "profile",
            "window-size": f"{max(width, _NARROWEST)},{height}",
            "blink-settings": f"preferredColorScheme={_DARK if dark else _LIGHT}",
            "screenshot": target,
        }
        command = [browser, *_QUIET, *(f"--{key}={value}" for key, value in settings.items()), shown.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode or not target.is_file():
        sys.exit(f"{browser} took no picture of {page}:\n{done.stderr[-2000:]}")
    if width < _NARROWEST:
        _cut(target, width)


def _framed(page: Path, width: int, height: int, folder: Path) -> Path:
    frame = folder / "frame.html"
    style = f"width:{width}px;height:{height}px;border:0"
    frame.write_text(
        f'<body style="margin:0"><iframe src="{page.as_uri()}" style="{style}"></iframe>', encoding="utf-8"
    )
    return frame


def _cut(picture: Path, width: int) -> None:
    from PIL import Image

    with Image.open(picture) as whole:
        part = whole.crop((0, 0, width, whole.height))
    part.save(picture)


if __name__ == "__main__":
    main()
