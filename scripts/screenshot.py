"""Take docs/demo.png, the picture of the demo in the README: ``python scripts/screenshot.py``.

Starts the demo with its scripted provider on a free port, asks one question in headless Chromium
and saves the page at 1280x800 while the answer is being told. Needs what the page test needs:
``pip install playwright`` and Debian's ``chromium``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "demo.png"
QUESTION = "What is the weather in Lisbon and Tromsø, and what is 12 * 34?"
SIZE = {"width": 1280, "height": 800}
MOST_BYTES = 300_000


def main() -> None:
    """Start, ask, save, and end the demo again."""
    environment = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    command = [sys.executable, "-m", "langchain_streamkit.serve.demo", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    ) as demo:
        try:
            assert demo.stdout is not None
            address = next(
                found for line in demo.stdout if (found := re.search(r"http://\S+", line))
            )
            take(address[0])
        finally:
            demo.terminate()
    size = TARGET.stat().st_size
    print(f"{TARGET.relative_to(ROOT)}: {size} bytes")
    assert size < MOST_BYTES


def take(url: str) -> None:
    """Ask the question and save the page while the first sentence is being told."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--headless", "--no-sandbox"]
        )
        page = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
        page.goto(url)
        page.locator("#ideas button").first.wait_for()
        page.fill("#input", QUESTION)
        page.keyboard.press("Enter")
        page.locator(".assistant .text", has_text="with wind at 20").wait_for()
        page.screenshot(path=TARGET)
        browser.close()


if __name__ == "__main__":
    main()
