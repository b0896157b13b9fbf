"""Ten colour scales, as lists of colours at even steps (those of matplotlib, ColorBrewer and plotly)."""

from __future__ import annotations

from collections.abc import Mapping

COLOUR_SCALES: Mapping[str, tuple[str, ...]] = {
    "Viridis": (
        "#440154",
        "#482878",
        "#3e4989",
        "#31688e",
        "#26828e",
        "#1f9e89",
        "#35b779",
        "#6ece58",
        "#b5de2b",
        "#fde725",
    ),  # fmt: skip
    "Plasma": (
        "#0d0887",
        "#46039f",
        "#7201a8",
        "#9c179e",
        "#bd3786",
        "#d8576b",
        "#ed7953",
        "#fb9f3a",
        "#fdca26",
        "#f0f921",
    ),  # fmt: skip
    "Inferno": (
        "#000004",
        "#1b0c41",
        "#4a0c6b",
        "#781c6d",
        "#a52c60",
        "#cf4446",
        "#ed6925",
        "#fb9b06",
        "#f7d13d",
        "#fcffa4",
    ),  # fmt: skip
    "Magma": (
        "#000004",
        "#180f3d",
        "#440f76",
        "#721f81",
        "#9e2f7f",
        "#cd4071",
        "#f1605d",
        "#fd9668",
        "#feca8d",
        "#fcfdbf",
    ),  # fmt: skip
    "Cividis": (
        "#00224e",
        "#123570",
        "#3b496c",
        "#575d6d",
        "#707173",
        "#8a8678",
        "#a59c74",
        "#c3b369",
        "#e1cc55",
        "#fee838",
    ),  # fmt: skip
    "Turbo": (
        "#30123b",
        "#4145ab",
        "#4675ed",
        "#39a2fc",
        "#1bcfd4",
        "#24eca6",
        "#61fc6c",
        "#a4fc3b",
        "#d1e834",
        "#f3c63a",
        "#fe9b2d",
        "#f36315",
        "#d93806",
        "#b11901",
        "#7a0402",
    ),  # fmt: skip
    "Hot": (
        "#000000",
        "#e60000",
        "#ffd200",
        "#ffffff",
    ),  # fmt: skip
    "Spectral": (
        "#9e0142",
        "#d53e4f",
        "#f46d43",
        "#fdae61",
        "#fee08b",
        "#ffffbf",
        "#e6f598",
        "#abdda4",
        "#66c2a5",
        "#3288bd",
        "#5e4fa2",
    ),  # fmt: skip
    "RdYlBu": (
        "#a50026",
        "#d73027",
        "#f46d43",
        "#fdae61",
        "#fee090",
        "#ffffbf",
        "#e0f3f8",
        "#abd9e9",
        "#74add1",
        "#4575b4",
        "#313695",
    ),  # fmt: skip
    "Picnic": (
        "#0000ff",
        "#3399ff",
        "#66ccff",
        "#99ccff",
        "#ccccff",
        "#ffffff",
        "#ffccff",
        "#ff99ff",
        "#ff66cc",
        "#ff6666",
        "#ff0000",
    ),  # fmt: skip
}
