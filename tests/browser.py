"""Pages in a real browser: Chromium without a window, at the widths of a phone and of a desk, light and dark."""

from html import escape
import json
from pathlib import Path
import shutil
import subprocess
from typing import Any
from urllib.parse import unquote

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTHS = (390, 1280)

MEASURE = """
const seen = {};
// A colour as red, green, blue and opacity, whatever notation the style has it in.
const pen = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
function colour(text) {
  pen.clearRect(0, 0, 1, 1); pen.fillStyle = text; pen.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
}
function ground(element) {
  let under = element.parentElement ? ground(element.parentElement) : [255, 255, 255];
  const [r, g, b, a] = colour(element.ownerDocument.defaultView.getComputedStyle(element).backgroundColor);
  return [r, g, b].map((level, i) => a * level + (1 - a) * under[i]);
}
function light(levels) {
  const [r, g, b] = levels.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b;
}
function contrast(element) {
  const style = element.ownerDocument.defaultView.getComputedStyle(element);
  const ink = colour(element instanceof element.ownerDocument.defaultView.SVGElement ? style.fill : style.color);
  const [low, high] = [light(ink.slice(0, 3)), light(ground(element))].sort((a, b) => a - b);
  return (high + .05) / (low + .05);
}
function look(frame) {
  const page = frame.contentDocument, root = page.documentElement;
  const written = [...page.body.querySelectorAll("*")].filter(
    element => element.checkVisibility() && element.tagName != "title" &&
      [...element.childNodes].some(node => node.nodeType == 3 && node.data.trim()));
  return {
    width: root.clientWidth, needed: root.scrollWidth,
    text: page.body.innerText, headings: [...page.querySelectorAll("h1, h2")].map(one => one.textContent),
    pictures: [...page.images].map(one => [one.alt, one.naturalWidth, one.getBoundingClientRect().width]),
    sizes: written.map(one => parseFloat(frame.contentWindow.getComputedStyle(one).fontSize)
      * (one.ownerSVGElement ? one.getScreenCTM().a : 1)),
    faint: written.filter(one => contrast(one) < 4.5).map(one => [one.textContent, contrast(one)]),
    ground: ground(page.body), scripts: page.scripts.length,
    asked: frame.contentWindow.performance.getEntriesByType("resource").map(one => one.name)
      .filter(name => !name.startsWith("data:")),
  };
}
addEventListener("load", () => {
  for (const frame of document.querySelectorAll("iframe")) seen[frame.width] = look(frame);
  document.getElementById("seen").textContent = encodeURIComponent(JSON.stringify(seen));
});
"""
FRAMES = """<!doctype html><meta charset="utf-8"><script>{script}</script>{frames}<pre id="seen"></pre>"""


def seen_in_browser(html: str, folder: Path, *, dark: bool = False) -> dict[int, dict[str, Any]]:
    """Return what a browser shows of a page, for each width; skip the test if there is no browser."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        pytest.skip("Chromium is not installed")
    # A frame has the width that it is given; a window has at least 500 pixels.
    frames = [f'<iframe width="{width}" height="900" srcdoc="{escape(html)}"></iframe>' for width in WIDTHS]
    (folder / "frames.html").write_text(FRAMES.format(script=MEASURE, frames="".join(frames)), encoding="utf-8")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--dump-dom",
        "--enable-logging=stderr",
        "--no-first-run",
    ]
    options += [f"--user-data-dir={folder / 'profile'}", *(["--force-dark-mode"] if dark else [])]
    address = (folder / "frames.html").as_uri()
    done = subprocess.run([browser, *options, address], capture_output=True, text=True, check=True, timeout=120)
    told = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert told == [], "the browser complains about the page"
    found = unquote(done.stdout.rpartition('<pre id="seen">')[2].partition("<")[0])
    return {int(width): shown for width, shown in json.loads(found).items()}


def complaints(seen: dict[int, dict[str, Any]]) -> list[str]:
    """Return what is wrong with a page for someone who wants to read it, at each width."""
    found = []
    for width, shown in seen.items():
        judged = {
            "scrolls sideways": shown["needed"] > shown["width"],
            "has letters too small to read": min(shown["sizes"]) < 10,
            "has letters that don't stand out from their ground": shown["faint"],
            "has headings that are not seen": not all(heading in shown["text"] for heading in shown["headings"]),
            "has pictures that are not seen": not all(size and room >= 60 for _, size, room in shown["pictures"]),
            "has scripts": shown["scripts"],
            "asks for other files": shown["asked"],
        }
        found += [f"at {width} pixels it {words}: {wrong}" for words, wrong in judged.items() if wrong]
    return found
