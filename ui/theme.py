"""The looks of the pages: what Gradio calls a theme."""

import gradio as gr

FONTS = ["ui-sans-serif", "system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]


def theme() -> gr.themes.Base:
    """Calm greys and one blue; no fonts from elsewhere, and text that keeps a contrast of 4.5 to 1: what is subdued,
    what stands in a field that is empty, on a button, and in the blue."""
    return gr.themes.Default(primary_hue="blue", neutral_hue="slate", font=FONTS, font_mono=MONO, radius_size="lg").set(
        body_text_color_subdued="#56606e",
        body_text_color_subdued_dark="#a9b4c4",
        input_placeholder_color="#56606e",
        input_placeholder_color_dark="#a9b4c4",
        color_accent="*primary_600",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
        link_text_color_hover_dark="*primary_200",
        link_text_color_visited_dark="*primary_300",
        link_text_color_active_dark="*primary_300",
    )
