"""What the watcher must see, put on a page by hand."""

from __future__ import annotations

INJECTED = {
    "ran": ["pwn(1)", "setTimeout('', 0); document.body.innerHTML += ''; pwn(2)"],
    "dialog": ["setTimeout(() => alert(1))", "setTimeout(() => confirm(1))"],
    "popup": ["window.open('/healthz')"],
    "navigation": ["location.href = '/healthz'"],
    "outside": ["location.href = 'https://evil.example/'"],
    "violation": ["fetch('https://evil.example/').catch(() => 0)", "new Image().src = 'https://evil.example/'"],
    "console": ["console.error('said')"],
    "error": ["setTimeout(() => { throw new Error('thrown') })"],
    "download": ["Object.assign(document.createElement('a'), { href: 'data:,x', download: 'x' }).click()"],
    "frame": ["document.body.append(document.createElement('iframe'))"],
}
"""What a page may be made to do, by what the watcher must call it."""
PUT = {
    "handler": ["<i onclick=pwn(1)>x</i>", "<img src=x onerror=pwn(1)>"],
    "address": ["<a href=javascript:pwn(1)>x</a>", "<a href=data:,x>x</a>", "<a href=https://evil.example>x</a>",
                "<i><b src=//evil.example/x></b></i>"],
    "style": ["<p style='background:url(x)'>x</p>", "<p style='position:fixed'>x</p>"],
    "element": [f"<{name}></{name}>" for name in ("script", "iframe", "object", "embed", "form", "base", "meta", "link",
                "style", "svg", "math", "img", "video", "audio", "input", "select", "template", "x-own", "dialog")],
}  # fmt: skip
SHOW = """(text) => {
  document.body.innerHTML = '<div id="list"></div>';
  const place = document.querySelector('#list');
  place.innerHTML = text;
  place.replaceChildren();
}"""
"""For a moment only, and the watcher sees it all the same."""
