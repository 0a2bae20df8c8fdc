"""What states of turns are called on the desk, and the buttons between pages of them."""

from __future__ import annotations

from markupsafe import Markup

from assistant.conversation.routes import ROUTES
from ui.desk.parts import act, badge, count, join

EVIDENCE = {
    "supported": "Supported",
    "partly": "Partly supported",
    "not_in_documents": "Not in the documents",
    "none": "Not looked up",
}
THUMBS = {"up": "Up", "down": "Down", "comment": "With a comment", "none": "None"}
STATES = {"finished": "Finished", "stopped": "Stopped", "failed": "Failed", "running": "Running"}
TONES = {"supported": "good", "partly": "warn", "not_in_documents": "bad", "unsupported": "bad"}
CLAIMS = {"supported": "supported", "partly": "partly", "unsupported": "in no source"}


def evidence(name: str | None) -> Markup | None:
    """An evidence state; None for a turn that was not looked up."""
    return badge(EVIDENCE.get(name, name), TONES.get(name, "")) if name else None


def way(route: str | None, requested: bool, corrected: bool) -> Markup | None:
    """A route, and whether a person had a say in it."""
    if route is None:
        return None
    title = next((each.title for name, each in ROUTES.items() if name == route), route)
    notes = [*(["chosen by the person"] if requested else []), *(["corrected"] if corrected else [])]
    small = Markup("<br><small>{}</small>").format(join(notes, ", ")) if notes else ""
    return Markup("{}{}").format(title, small)


def thumb(name: str, comment: str) -> Markup | None:
    """A thumb with what was said with it."""
    if not name:
        return None
    shown = badge(THUMBS.get(name, name), "good" if name == "up" else "bad")
    return Markup("{}<br><small>{}</small>").format(shown, short(comment, 120)) if comment else shown


def state(status: str) -> Markup:
    """How a turn ended, where that is worth a word."""
    tones = {"failed": "bad", "stopped": "warn", "running": "info"}
    return badge(STATES[status], tones[status]) if status in tones else Markup("")


def short(text: str, most: int) -> str:
    """One line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def pages(number: int, of: int, box: str) -> Markup:
    """Buttons to the page before and after."""
    if of < 2:
        return Markup("")
    before = act("‹ Before", box, f"page {number - 1}", "button") if number > 1 else ""
    after = act("Next ›", box, f"page {number + 1}", "button") if number < of else ""
    text = f"Page {count(number)} of {count(of)}"
    return Markup('<p class="an-pages">{} <span>{}</span> {}</p>').format(before, text, after)
