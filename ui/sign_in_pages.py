"""The small pages around a sign-in, and who is signed in on the others."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from assistant.access.identity import Identity
from ui.words import Words

_PAGE = Markup(
    '<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{title}</title>\n'
    '<link rel="stylesheet" href="{root}/switchyard/door.css">\n{head}</head>\n'
    "<body>\n<main>\n<h1>{title}</h1>\n{text}\n{links}\n</main>\n</body>\n</html>\n"
)


def page(
    request: Request,
    said: Words,
    status: int,
    title: str,
    texts: Sequence[str],
    links: Sequence[tuple[str, str]] = (),
    go: str | None = None,
) -> HTMLResponse:
    """A title, paragraphs and links (text and path below our root), the first of which is the one to take. With
    ``go``, an address, the browser goes there by itself."""
    root = request.scope.get("root_path", "")
    # Not a redirect: a page's policy of where forms may lead to (form-action) follows those.
    head = Markup('<meta http-equiv="refresh" content="0; url={}">\n').format(go) if go else Markup("")
    ways = [(text, f"{root}{path}") for text, path in links]
    if go:
        ways.insert(0, (said["sign_in.go_on"], go))
    shown = [
        Markup('<a class="{}" href="{}">{}</a>').format("go" if place == 0 else "", href, text)
        for place, (text, href) in enumerate(ways)
    ]
    html = _PAGE.format(
        language=said.language,
        title=title,
        root=root,
        head=head,
        text=Markup("\n").join(Markup("<p>{}</p>").format(each) for each in texts),
        links=Markup('<p class="ways">{}</p>').format(Markup(" ").join(shown)) if shown else "",
    )
    return HTMLResponse(html, status, headers={"Cache-Control": "no-store"})


def who_html(who: Identity | None, said: Words, *, sign_in: bool, root: str = "") -> str:
    """Who is signed in, with a way out; where nobody is, the way in, or nothing where there is none. ``root`` leads
    from the page that shows it to our root: ``../`` on the desk."""
    if who is None or who.via != "sign_in":
        way = Markup('<div class="signed"><a class="sign-in" href="{}sign-in?to=/">{}</a></div>')
        return way.format(root, said["sign_in.begin"]) if sign_in else ""
    name = who.name or who.person.rpartition(":")[2]
    return Markup(
        '<div class="signed"><span class="signed-name" title="{}">{}</span>'
        '<form method="post" action="{}sign-out"><button type="submit" class="sign-out">{}</button></form></div>'
    ).format(said("sign_in.as", name=name), name, root, said["sign_in.out"])
