"""A pretraining run as a picture."""

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no display needed
import matplotlib.pyplot as plt


def draw_pretraining(log: Path, picture: Path) -> None:
    """Loss and learning rate of a pretraining run, from its log, as PNG; labels in English."""
    records = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    evaluations = [record for record in records if "validation_loss" in record]
    figure, (losses, rates) = plt.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    steps = [record["step"] for record in records]
    losses.plot(steps, [r["loss"] for r in records], lw=0.8, label="training")
    losses.plot(
        [r["step"] for r in evaluations],
        [r["validation_loss"] for r in evaluations],
        "o-",
        label="validation",
    )
    losses.set_ylabel("loss (nats per token)")
    losses.legend()
    rates.plot(steps, [r["lr"] for r in records])
    rates.set(xlabel="optimizer step", ylabel="learning rate")
    figure.savefig(picture, dpi=120, bbox_inches="tight")
    plt.close(figure)
