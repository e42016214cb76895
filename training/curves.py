"""Draw the log of a run as a picture."""

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no display needed
import matplotlib.pyplot as plt


def draw_curves(log: Path, picture: Path) -> None:
    """Training and validation loss, and the learning rate, by step.

    Labels are English: matplotlib's own font has no Hangul and would draw boxes.
    """
    records = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    steps = [record for record in records if "loss" in record]
    evaluations = [record for record in records if "validation_loss" in record]
    figure, (losses, rates) = plt.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    losses.plot([r["step"] for r in steps], [r["loss"] for r in steps], lw=0.8, label="training")
    losses.plot(
        [r["step"] for r in evaluations],
        [r["validation_loss"] for r in evaluations],
        "o-",
        label="validation",
    )
    losses.set_ylabel("loss (nats per token)")
    losses.legend()
    rates.plot([r["step"] for r in steps], [r["lr"] for r in steps])
    rates.set(xlabel="optimizer step", ylabel="learning rate")
    figure.savefig(picture, dpi=120, bbox_inches="tight")
    plt.close(figure)
