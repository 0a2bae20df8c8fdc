"""From the click on the bubble until one can type, with nothing cached, beside opening the chat page in the same run.

``python -m tests.benchmarks.bench_widget [--rounds 9]``: a portal on another origin, the server on loopback, and a new
browser profile for each opening. Clicked by script: a pointer would have loaded the frame on its way.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import statistics
import tempfile
from pathlib import Path

from playwright.async_api import Page

from tests.ui.widget_host import Host, browsing, embedded, hosting
from ui.widget import FOLDER

CLICK = """() => new Promise((done) => {
  const began = performance.now(), button = [...document.querySelectorAll("div")].map((each) => each.shadowRoot)
    .find(Boolean).querySelector("button");
  Switchyard.on("ready", () => done(performance.now() - began));
  button.click();
})"""
TYPED = """() => {
  const look = () => {
    const box = document.querySelector("#box textarea, textarea#box");
    if (box?.offsetParent && !box.disabled) window.usable = performance.now(); else requestAnimationFrame(look);
  };
  look();
}"""
"""Milliseconds since the address was opened."""


async def main() -> None:
    """Print medians, and the widget's share."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    found: dict[str, list[float]] = {"widget": [], "full": [], "page": []}
    surfaces: dict[str, dict[str, list[str]]] = {"portal": {}}
    with tempfile.TemporaryDirectory() as folder, hosting() as host:
        surfaces["portal"]["origins"] = [host.url]
        host.body = '<script src="{server}/widget.js" data-surface="portal" async></script>'
        with embedded(Path(folder), host, access={}, surfaces=surfaces) as server:
            for _ in range(rounds + 1):  # the first one warms the server
                found["widget"].append(await clicked(host))
                found["full"].append(await opened(f"{server.url}/widget/portal/full"))
                found["page"].append(await opened(server.url))
    medians = {name: statistics.median(times[1:]) for name, times in found.items()}
    print(f"{rounds} openings each, nothing cached, median (least – most):")
    for name, label in (("widget", "click on the bubble"), ("full", "widget in a tab"), ("page", "chat page")):
        least, most = min(found[name][1:]), max(found[name][1:])
        times = f"{medians[name]:6.0f} ms  ({least:.0f} – {most:.0f})"
        print(f"  {label:20}{times:28}{medians[name] / medians['page']:6.2f} of the chat page")
    sizes = {each.name: len(gzip.compress(each.read_bytes(), 9)) for each in sorted(FOLDER.iterdir())}
    print("bytes, gzip -9: " + ", ".join(f"{name} {size:,}" for name, size in sizes.items()))


async def clicked(host: Host) -> float:
    """Milliseconds from the click until the frame's script listens."""
    async with browsing() as context:
        page = await context.new_page()
        await page.goto(host.url)
        await loaded(page)
        return float(await page.evaluate(CLICK))


async def loaded(page: Page) -> None:
    while not await page.evaluate("Boolean(window.Switchyard?.get)"):
        await asyncio.sleep(0.02)


async def opened(url: str) -> float:
    """Milliseconds from opening an address until its box can be seen."""
    async with browsing() as context:
        page = await context.new_page()
        await page.add_init_script(f"({TYPED})()")
        await page.goto(url)
        while (usable := await page.evaluate("window.usable ?? 0")) == 0:
            await asyncio.sleep(0.02)
        return float(usable)


if __name__ == "__main__":
    asyncio.run(main())
