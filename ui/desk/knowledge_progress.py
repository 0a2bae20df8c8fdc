"""Work on the documents as it goes on, and what became of it."""

from __future__ import annotations

from markupsafe import Markup

from assistant.desk.knowledge_work import Job
from assistant.knowledge.happenings import Ended
from ui.desk.knowledge_views import failures, say
from ui.desk.parts import act, badge, count, duration, join, notice

_ORDER = ("added", "changed", "moved", "deleted", "unchanged", "failed")
_WORDS = {"failed": "unreadable"}


def progress(job: Job, admin: bool = True) -> Markup:
    """The work with its numbers; once it is over, the summary, and for admins how to go on all the same."""
    if job.state == "running":
        return Markup("<section class='kn-job' aria-label='Work on the documents'><h2>{}</h2>{}</section>").format(
            job.title, _live(job)
        )
    words = {"done": ("done", "good"), "stopped": ("stopped", "warn"), "failed": ("not done", "bad")}
    bad = any(each.outcome != "ok" for each in job.ended) or job.failed
    word = ("done, but not wholly", "warn") if job.state == "done" and bad else words[job.state]
    return Markup(
        "<section class='kn-job' aria-label='Work on the documents'><h2>{} {}</h2><p class='kn-sum'>{}</p>{}</section>"
    ).format(job.title, badge(*word), _sum(job), _after(job, admin))


def _live(job: Job) -> Markup:
    place = f" ({job.place} of {job.of})" if job.of > 1 else ""
    at = Markup("<p>{}{}</p>").format(job.source or "Beginning", place)
    if not job.total:
        note = job.notes[-1] if job.notes else "Looking what is there"
        return at + Markup("<progress aria-label='Documents done'></progress><p class='kn-sum'>{}</p>").format(note)
    bar = Markup("<progress aria-label='Documents done' value='{}' max='{}'></progress>").format(job.done, job.total)
    left = f"{duration(job.remaining)} left" if job.remaining is not None else ""
    facts = [f"{count(job.done)} of {count(job.total)}", f"{job.rate:,.0f} documents/s", left]
    return (
        at
        + bar
        + Markup("<p class='kn-sum'>{}</p><p class='hint'>{}</p>").format(
            join([fact for fact in facts if fact], " · "), _counts(job)
        )
    )


def _counts(job: Job) -> Markup:
    found = [f"{count(job.counts[name])} {_WORDS.get(name, name)}" for name in _ORDER if job.counts[name]]
    return join([*found, *([f"{count(job.chunks)} passages written"] if job.chunks else [])], " · ")


def _sum(job: Job) -> Markup:
    return join((_counts(job) or "No document was touched", duration(job.seconds)), " · ")


def _after(job: Job, admin: bool) -> Markup:
    found = notice(job.message, "warn" if job.state == "stopped" else "bad") if job.message else Markup("")
    if job.forcible and admin:
        found += Markup("<p>{}</p>").format(act("Switch all the same", "kn-ask", say("force-rebuild"), "danger"))
    found += Markup("").join(_ended(each) for each in job.ended if each.outcome != "ok")
    for gone in job.removed:
        found += notice(f"{gone.label} {gone.reason}: {count(gone.documents)} documents removed", "info")
    for note in job.notes:
        found += Markup("<p class='hint'>{}</p>").format(note)
    return found + (failures(f"{len(job.failed)} could not be read", job.failed) if job.failed else Markup(""))


def _ended(each: Ended) -> Markup:
    text = f"{each.collection}, {each.label}: {each.message}"
    return notice(text, "warn" if each.outcome == "refused" else "bad")
