"""Colours, type and shapes; ``style.css`` does what a theme cannot."""

from __future__ import annotations

import gradio as gr
from gradio.themes import Base, LocalFont
from gradio.themes.utils import colors, sizes

ACCENT = "*primary_700"
ACCENT_HOVER = "*primary_800"


def theme() -> gr.Theme:
    """The page's theme; its fonts come with Gradio."""
    fallbacks = ("system-ui", "Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei", "sans-serif")
    return Base(
        primary_hue=colors.teal,
        secondary_hue=colors.teal,
        neutral_hue=colors.slate,
        radius_size=sizes.radius_lg,
        font=(LocalFont("IBM Plex Sans", weights=(400, 700)), *fallbacks),
        font_mono=("ui-monospace", "SFMono-Regular", "Consolas", "monospace"),
    ).set(
        body_background_fill="#f7f8fa",
        body_background_fill_dark="*neutral_950",
        body_text_color="*neutral_800",
        body_text_color_subdued="*neutral_600",
        background_fill_primary="white",
        background_fill_primary_dark="*neutral_900",
        background_fill_secondary="*neutral_50",
        background_fill_secondary_dark="*neutral_900",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_width="0px",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_title_text_weight="600",
        block_title_text_size="*text_sm",
        block_title_text_color="*neutral_700",
        block_info_text_color="*neutral_500",
        block_info_text_size="*text_sm",
        border_color_primary="*neutral_200",
        border_color_primary_dark="*neutral_800",
        input_background_fill="white",
        input_background_fill_dark="*neutral_800",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        input_border_color_focus="*primary_600",
        input_border_width="1px",
        input_placeholder_color="*neutral_500",
        button_primary_background_fill=ACCENT,
        button_primary_background_fill_dark=ACCENT,
        button_primary_background_fill_hover=ACCENT_HOVER,
        button_primary_background_fill_hover_dark="*primary_600",
        button_primary_text_color="white",
        button_secondary_background_fill="white",
        button_secondary_background_fill_hover="*neutral_50",
        button_secondary_border_color="*neutral_300",
        button_border_width="1px",
        slider_color="*primary_600",
        color_accent="*primary_600",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_400",
    )
