"""The looks of the pages: what Gradio calls a theme."""

import gradio as gr

FONTS = ["ui-sans-serif", "system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]


def theme() -> gr.themes.Base:
    """Calm greys and one blue; no fonts from elsewhere, and subdued text that keeps a contrast of 4.5 to 1."""
    return gr.themes.Default(primary_hue="blue", neutral_hue="slate", font=FONTS, font_mono=MONO, radius_size="lg").set(
        body_text_color_subdued="#56606e", body_text_color_subdued_dark="#a9b4c4"
    )
