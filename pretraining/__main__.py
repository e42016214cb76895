"""`python -m pretraining --corpus DIR`: the embedded base, from nothing to its folder."""

import torch

from common.console import parse_options, run
from common.files import atomic_directory
from common.locks import exclusive
from model.device import pick_device
from model.precision import pick_precision
from pretraining.config import PretrainConfig
from pretraining.curves import draw_pretraining
from pretraining.pretrain import make_model, make_tokenizer, pretrain


def main() -> None:
    config = parse_options(PretrainConfig, "python -m pretraining", "베이스를 처음부터 학습")
    torch.manual_seed(config.seed)
    precision = pick_precision(config.precision, pick_device(config.device))
    with exclusive(config.work):
        tokenizer = make_tokenizer(config)
        model = make_model(config, tokenizer)
        model.to(precision.device)  # type: ignore[arg-type]
        print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f}M 파라미터, {precision.name}")
        if precision.device.type == "cpu":
            model.set_attn_implementation("eager")  # faster there at these lengths (LOG.md)
        pretrain(model, tokenizer, config, precision)
        # Beside the work folder, whose lock is held; the model card is written by hand and stays.
        with atomic_directory(config.work / "base") as draft:
            model.half().save_pretrained(draft)
            tokenizer.save_pretrained(draft)
            (draft / "pretrain.jsonl").write_bytes((config.work / "log.jsonl").read_bytes())
            draw_pretraining(draft / "pretrain.jsonl", draft / "pretrain.png")
    print(f"완성: {config.work / 'base'}")


if __name__ == "__main__":
    run(main)
