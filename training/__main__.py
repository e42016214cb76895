"""`python -m training`: a CSV in, an adapter under `checkpoints/{base}-lora/` out."""

import math
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import torch
from datasets import Dataset
from tqdm import tqdm

from common.console import Stopped, UserError, parse_options, refuse
from common.console import run as run_command
from common.files import sha256
from common.folders import BEST, output_folder
from common.interrupt import interruptible, stop_on_signals
from common.locks import exclusive
from data.encode import Example, describe_lengths, encode_rows
from data.interviews import (
    default_csv,
    default_validation,
    describe_overlap,
    read_interviews,
    split_interviews,
)
from evaluation.report import write_facts, write_report
from evaluation.results import write_comparison
from evaluation.validation import Validation, prepare_validation
from lora.inject import count_parameters, inject_lora
from model.base import find_base, load_base
from model.device import pick_device, place
from model.precision import pick_precision
from training.card import model_card
from training.checkpoint import identity
from training.config import TrainConfig
from training.execution import configure_execution
from training.loop import MAX_SKIPPED_IN_A_ROW, Diverged, Step, TrainingState, initial_state, train
from training.run import Run

MEMORY_ADVICE = (
    "--gradient-checkpointing이나 --micro-batch-tokens 512로 하던 것을 이어서 하거나 "
    "--fresh --max-length 512로 새로 하세요."
)


def main() -> None:
    config = parse_options(TrainConfig, "python -m training", "LoRA로 요약을 학습합니다.")
    precision = pick_precision(config.precision, pick_device(config.device))

    # The rows. A split has a seed of its own, so that no --seed trains on a validation row.
    data = config.data or default_csv()
    validation_csv = config.validation or (None if config.split else default_validation(data))
    train_rows, validation_rows = read_rows(data, validation_csv, config.split or "row")
    print(describe_overlap(train_rows, validation_rows))

    # The base model. Frozen weights are stored in the dtype that they are multiplied in, unless
    # they are quantised: that begins with the dtype of the file.
    source = find_base(config.base)
    if source.notice:
        print(source.notice)
    base = load_base(source, "auto" if config.base_bits else precision.dtype)

    path = output_folder(config.output_dir, base.name, "lora")
    with exclusive(path):
        known = identity(config, base, data, precision, validation_csv)
        run = Run(path, base, config, known, len(train_rows))
        if config.base_bits:
            # Imported here because it imports bitsandbytes, which takes a second.
            from quant.frozen import quantize_base

            quantize_base(base.model, config.base_bits, precision.device, precision.dtype)
        place(base.model, precision.device)
        bits = f", {config.base_bits}비트" if config.base_bits else ""
        print(f"베이스: {base.name} ({precision.device.type}, {precision.name}{bits})")

        # The adapter. B is zero, so at first the model computes what its base computes.
        torch.manual_seed(config.seed)  # draws A
        layers = inject_lora(base.model, config.lora)
        trainable, total = count_parameters(base.model)
        share = f"{trainable:,} / {total:,} ({trainable / total:.2%})"
        print(f"LoRA: {len(layers)}개 층, 학습하는 파라미터 {share}")
        state = initial_state(base.model, config, precision)
        run.resume(state)

        # The examples: rows as token ids.
        max_length = min(config.max_length, base.context)
        examples = encode_rows(train_rows, base.tokenizer, max_length)
        validation = prepare_validation(
            base, validation_rows, max_length, config.eval_samples, precision
        )
        print(describe_lengths(train_rows, examples))
        print(config.describe_batches(len(examples), len(validation.examples), base.context))
        longest = max(len(example.input_ids) for example in examples)
        configure_execution(base.model, config, precision, longest)

        # All checks of the input have passed, so the previous run may be replaced now.
        if state.step == 0:
            run.discard_previous()
        write_facts(path, asdict(config), examples, max_length, base.tokenizer)
        with stop_on_signals():
            fit(run, state, examples, validation)


def read_rows(data: Path, validation: Path | None, split: str) -> tuple[Dataset, Dataset]:
    """The rows to train on and to validate on. Without a CSV of the latter, `data` is split."""
    interviews = read_interviews(data)
    print(interviews.describe())
    if validation is None:
        return split_interviews(interviews.rows, split)
    held_out = read_interviews(validation, minimum_rows=1)
    print(f"검증 {held_out.describe()}")
    if sha256(validation) == sha256(data):
        refuse("validation", validation, "학습에 쓰는 CSV와 같은 파일입니다")
    return interviews.rows, held_out.rows


def fit(run: Run, state: TrainingState, examples: list[Example], validation: Validation) -> None:
    """Train from `state` to the end of the run. The last step is saved even if it ends early."""
    model, config, rows = run.base.model, run.config, len(examples)
    try:
        with interruptible():
            if state.step == 0:
                run.results["base"] = validation.judge("base")
            elif config.evaluates_at(state.step, rows):  # it may have been interrupted
                evaluate(run, state, validation, state.step / config.steps_per_epoch(rows))

        progress = progress_bar(state.step, config.steps(rows))
        for step in train(model, examples, config, validation.precision, state):
            run.log.append(asdict(step))
            show(step, progress)
            due = config.evaluates_at(state.step, rows)
            # Do not save after a skipped step: these weights may be the cause.
            if not step.skipped and (due or state.step % config.save_steps == 0):
                run.save(state)
            if due:
                with interruptible():
                    evaluate(run, state, validation, step.epoch)
        progress.close()

        with interruptible():
            finish(run, state, validation)
    except Stopped as stopped:
        run.save_last_step(state)
        raise Stopped(run.how_to_resume(), stopped.signal_number) from stopped
    except Diverged as error:
        saved = run.last_checkpoint()
        kept = f" 그전의 체크포인트는 {saved}입니다." if saved else ""
        raise UserError(
            f"{state.step}스텝: 손실이나 그래디언트가 {MAX_SKIPPED_IN_A_ROW}번 이어서 수가 "
            f"아닙니다(nan, inf).{kept} --learning-rate를 낮추거나 --precision fp32로, "
            "--fresh를 주어 다시 학습하세요."
        ) from error
    except Exception:
        with suppress(OSError):  # the error that has ended training is the one to report
            run.save_last_step(state)
        raise


def evaluate(run: Run, state: TrainingState, validation: Validation, epoch: float) -> None:
    """Evaluate the adapter, keep it if it is the best so far, log and print the result."""
    loss, result = validation.evaluate()
    best = loss.per_token < run.best_loss
    if best:
        card = model_card(run, validation, loss, result)
        run.save_best(state.step, loss.per_token, result, card)
    run.evaluations_since_best = 0 if best else run.evaluations_since_best + 1
    state.stop = run.evaluations_since_best == run.config.patience
    run.log.append(
        {"step": state.step, "faithfulness": result.faithfulness} | loss.record | result.scores
    )
    described = validation.describe(loss, result, best)
    tqdm.write(f"\n{epoch:.1f}에폭 ({state.step}스텝): {described}")


def progress_bar(done: int, total: int) -> tqdm:
    """A progress bar that counts optimizer steps."""
    return tqdm(initial=done, total=total, desc="학습", unit="step", dynamic_ncols=True)


def show(step: Step, progress: tqdm) -> None:
    """Advance the progress bar by one step."""
    progress.update()
    speed = step.tokens * (progress.format_dict["rate"] or 0)
    progress.set_postfix_str(f"loss {step.loss:.3f}, lr {step.lr:.1e}, {speed:,.0f} tok/s")


def finish(run: Run, state: TrainingState, validation: Validation) -> None:
    """Write the report, then a checkpoint that says that the run is finished."""
    if math.isinf(run.best_loss):  # no evaluation has found a finite loss
        raise UserError(
            "검증 손실이 끝까지 수가 아니어서(nan) best를 남기지 못했습니다. --learning-rate를 "
            "낮추거나 --precision fp32로, --fresh를 주어 다시 학습하세요."
        )
    if state.stop:
        patience = run.config.patience
        print(f"검증 손실이 {patience}번 이어서 나아지지 않아 {state.step}스텝에서 끝냅니다.")
    if state.skipped:
        print(f"건너뛴 스텝: {state.skipped}개 (손실이나 그래디언트가 수가 아니었음)")
    write_comparison(run.path, validation.samples, list(run.results.values()), "morpheme")
    print(f"보고서: {write_report(run.path)}")
    run.save(state, finished=True)
    print(f"어댑터: {run.path / BEST}  다음: make quantize (python -m quant)")


if __name__ == "__main__":
    run_command(main, MEMORY_ADVICE)
