"""`python -m training`: a CSV in, an adapter under `checkpoints/{base}-lora/` out."""

import math
from dataclasses import asdict

import torch
from tqdm import tqdm

from console import UserError, parse_options, run
from data.encode import describe_lengths, encode_rows
from data.interviews import default_csv, read_interviews, split_interviews
from infer.summarize import Summarizer
from lora.base import load_base, short_name
from lora.device import pick_device
from lora.inject import inject_lora
from training.checkpoint import RunFolder
from training.config import TrainConfig
from training.curves import draw_curves
from training.evaluate import held_out_loss, written_summaries
from training.loop import Step, train
from training.metrics import score_summaries
from training.precision import pick_precision

# Up to this many tokens, attention as plain matrix products is faster on a CPU than the fused
# kernel (BENCHMARKS.md), and the T x T matrices that it keeps are small.
SHORT = 512


def main() -> None:
    config = parse_options(TrainConfig, "python -m training", "LoRA로 요약을 학습합니다.")
    precision = pick_precision(config.precision, pick_device(config.device))
    torch.manual_seed(config.seed)

    interviews = read_interviews(config.data or default_csv())
    print(interviews.describe())
    # The split keeps its own seed: whatever --seed, the same rows are never trained on.
    train_rows, validation_rows = split_interviews(interviews.rows)

    # The frozen weights are stored in the format they are multiplied in: no casts in the loop.
    base = load_base(config.base, precision.dtype)
    model, tokenizer = base.model, base.tokenizer
    model.to(precision.device)  # type: ignore[arg-type]
    print(f"베이스: {base.name} ({precision.device.type}, {precision.name})")
    print(inject_lora(model, config.lora).describe())

    max_length = min(config.max_length, base.context)
    examples = encode_rows(train_rows, tokenizer, max_length)
    validation = encode_rows(validation_rows, tokenizer, max_length)
    print(describe_lengths(examples))
    print(f"학습 {len(examples):,}행, 검증 {len(validation):,}행")
    if precision.device.type == "cpu" and max(len(e.input_ids) for e in examples) <= SHORT:
        model.set_attn_implementation("eager")

    folder = RunFolder(
        config.output_dir / f"{short_name(base.name)}-lora", base, config.lora, asdict(config)
    )

    summarizer = Summarizer(model, tokenizer)
    samples = validation_rows.select(range(min(config.eval_samples, len(validation_rows))))

    def on_step(step: Step, due: bool) -> None:
        folder.log(asdict(step))
        if not due:
            return
        loss = held_out_loss(model, validation, precision)
        best = folder.save(step.step, loss.per_token)  # before writing summaries, which is slower
        written = written_summaries(summarizer, samples, precision)
        values = (
            score_summaries(written.summaries, written.references).values if written.rows else {}
        )
        folder.log({"step": step.step} | loss.record | values)
        scores = ", ".join(f"{name} {value:.1f}" for name, value in values.items())
        tqdm.write(
            f"\n{step.epoch:.1f}에폭 ({step.step}스텝): 검증 손실 {loss.per_token:.3f}"
            f"{' (지금까지 최고)' if best else ''}, "
            f"퍼플렉서티 토큰 {loss.perplexity:.2f} 글자 {loss.character_perplexity:.2f}\n"
            f"  형태소(mecab-ko) {scores}"
        )
        for row, summary in list(zip(written.rows, written.summaries, strict=True))[:2]:
            tqdm.write(f"  정답  {row['summary']}\n  모델  {summary}")

    train(model, examples, config, precision, on_step)
    if math.isinf(folder.best_loss):
        raise UserError(
            "검증 손실이 끝까지 수가 아니어서(nan) best를 남기지 못했습니다. "
            "--learning-rate를 낮추거나 --precision fp32로 다시 학습하세요."
        )
    draw_curves(folder.log_path, folder.path / "curves.png")
    print(f"어댑터: {folder.path / 'best'}  다음: make quantize (python -m quant)")


if __name__ == "__main__":
    run(main)
