"""Plots of a run: loss, learning rate, gradient norm, throughput; and the lengths of its data."""

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cache
from itertools import pairwise
from typing import Any

import matplotlib

matplotlib.use("Agg")  # no display needed
import matplotlib.pyplot as plt
from matplotlib import font_manager
from matplotlib.figure import Figure

# Fonts with Hangul that Linux, Windows and macOS ship.
KOREAN_FONTS = (
    "Noto Sans CJK KR", "Noto Sans KR", "NanumGothic", "Malgun Gothic", "Apple SD Gothic Neo",
    "AppleGothic", "UnDotum", "Noto Sans CJK JP",
)  # fmt: skip


@cache
def korean_font() -> str | None:
    """Return an installed font that has Hangul, if there is one."""
    installed = set(font_manager.get_font_names())
    return next((name for name in KOREAN_FONTS if name in installed), None)


def label(korean: str, english: str) -> str:
    """Return the Korean label, or the English one if Hangul would be drawn as boxes."""
    return korean if korean_font() else english


def style() -> AbstractContextManager[None]:
    """Return a context with matplotlib's settings for these plots."""
    family = [font for font in (korean_font(), "DejaVu Sans") if font]
    return plt.rc_context(
        {"font.family": family, "axes.unicode_minus": False, "axes.grid": True, "grid.alpha": 0.3}
    )


def run_curves(records: Sequence[dict[str, Any]]) -> Figure:
    """Plot loss, learning rate, gradient norm and throughput from a run's `metrics.jsonl`."""
    steps = [record for record in records if "loss" in record]
    evaluations = [record for record in records if "validation_loss" in record]
    x = [record["step"] for record in steps]
    with style():
        figure, axes = plt.subplots(2, 2, figsize=(11, 6.5), sharex=True, layout="constrained")
        (losses, rates), (norms, speeds) = axes
        losses.plot(x, [r["loss"] for r in steps], lw=0.9, label=label("학습", "training"))
        losses.plot(
            [r["step"] for r in evaluations],
            [r["validation_loss"] for r in evaluations],
            "o-",
            label=label("검증", "validation"),
        )
        losses.set_title(label("손실 (nats/응답 토큰)", "loss (nats per response token)"))
        losses.legend()
        rates.plot(x, [r["lr"] for r in steps])
        rates.set_title(label("학습률", "learning rate"))
        norms.plot(x, [r["grad_norm"] for r in steps], lw=0.9)
        skipped = [r["step"] for r in steps if r["skipped"]]
        norms.plot(skipped, [0.0] * len(skipped), "rx")
        norms.set_title(
            label("자르기 전 그래디언트 노름", "gradient norm before clipping")
            + f" (x: {label('건너뛴 스텝', 'skipped steps')} {len(skipped)})"
        )
        speeds.plot(*throughput(records), lw=0.9)
        speeds.set_title(label("처리량 (토큰/초)", "throughput (tokens per second)"))
        for axis in (norms, speeds):
            axis.set_xlabel(label("스텝", "optimizer step"))
    plt.close(figure)  # otherwise pyplot keeps it as long as the process lives
    return figure


def throughput(records: Sequence[dict[str, Any]]) -> tuple[list[int], list[float]]:
    """Return steps, and tokens per second since the record before each.

    An evaluation writes a record of its own, so its time is not counted.
    """
    steps, speeds = [], []
    for before, record in pairwise(records):
        if "tokens" in record and record["seconds"] > before["seconds"]:
            steps.append(record["step"])
            speeds.append(record["tokens"] / (record["seconds"] - before["seconds"]))
    return steps, speeds


def histogram(lengths: Sequence[int], max_length: int) -> Figure:
    """Plot the lengths of the examples in tokens, and the length at which they are cut."""
    with style():
        figure, axis = plt.subplots(figsize=(8, 3), layout="constrained")
        axis.hist(lengths, bins=40)
        axis.axvline(max_length, color="red", ls="--", label=label("자르는 길이", "cut at"))
        axis.set_xlabel(label("예제의 길이 (토큰)", "length of an example (tokens)"))
        axis.set_ylabel(label("예제 수", "examples"))
        axis.legend()
    plt.close(figure)
    return figure


def svg(figure: Figure) -> str:
    """Return the figure as an <svg> element, with letters as shapes, which need no font."""
    buffer = io.StringIO()
    with plt.rc_context({"svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def png(figure: Figure) -> bytes:
    """Return the figure as the content of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
