"""The colours of a surface: one accent that somebody chose, made readable in the light and in the dark theme."""

from __future__ import annotations

import colorsys

Rgb = tuple[float, float, float]
"""Red, green and blue, each from 0 to 1."""
READABLE = 4.5
"""Contrast of text to what is behind it (WCAG 2.2, 1.4.3, level AA)."""
LIGHT: Rgb = (0.945, 0.961, 0.976)
"""The darkest of the light theme's backgrounds that text in the accent stands on, Gradio's neutral 100."""
DARK: Rgb = (0.122, 0.161, 0.216)
"""The lightest of the dark theme's, Gradio's neutral 800."""
WHITE: Rgb = (1.0, 1.0, 1.0)
BLACK: Rgb = (0.0, 0.0, 0.0)
STEPS = 100


def surface_css(accent: str | None) -> str:
    """CSS that puts the accent, ``#rrggbb``, into Gradio's variables; empty without one."""
    if accent is None:
        return ""
    chosen = _read(accent)
    return _block(":root, .gradio-container", chosen, LIGHT, 0.12) + _block(
        ":root.dark, .dark, .dark .gradio-container", chosen, DARK, 0.25
    )


def readable(chosen: Rgb, behind: Rgb) -> Rgb:
    """The colour, darker or lighter as far as it takes to be read before ``behind``; hue and saturation stay."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*chosen)
    end = 0.0 if _luminance(behind) > 0.18 else 1.0
    for step in range(STEPS + 1):
        found = colorsys.hls_to_rgb(hue, lightness + (end - lightness) * step / STEPS, saturation)
        if contrast(found, behind) >= READABLE:
            return found
    return (end, end, end)


def contrast(one: Rgb, other: Rgb) -> float:
    """Contrast ratio by WCAG 2.2, 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Rgb) -> float:
    """Relative luminance by WCAG 2.2."""
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _block(selector: str, chosen: Rgb, behind: Rgb, share: float) -> str:
    text = readable(chosen, behind)
    on = WHITE if contrast(text, WHITE) >= contrast(text, BLACK) else BLACK
    soft = _mixed(text, behind if behind is DARK else WHITE, share)
    link = readable(text, soft)
    found = {
        "color-accent": text,
        "color-accent-soft": soft,
        "link-text-color": link,
        "link-text-color-hover": link,
        "link-text-color-visited": link,
        "link-text-color-active": link,
        "button-primary-background-fill": text,
        "button-primary-background-fill-hover": _mixed(text, on, 0.88),
        "button-primary-border-color": text,
        "button-primary-text-color": on,
        "input-border-color-focus": text,
        "checkbox-background-color-selected": text,
    }
    return f"{selector} {{ {' '.join(f'--{name}: {_written(colour)};' for name, colour in found.items())} }}\n"


def _mixed(one: Rgb, other: Rgb, share: float) -> Rgb:
    red, green, blue = (share * a + (1 - share) * b for a, b in zip(one, other, strict=True))
    return red, green, blue


def _read(written: str) -> Rgb:
    red, green, blue = (int(written[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def _written(colour: Rgb) -> str:
    return "#" + "".join(f"{round(each * 255):02x}" for each in colour)
