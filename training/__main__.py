"""`python -m training`: a CSV in, an adapter under `checkpoints/{base}-lora/` out."""

import math
from dataclasses import asdict, replace

import torch
from datasets import Dataset
from tqdm import tqdm

from common.console import Stopped, UserError, parse_options, run
from common.folders import output_folder
from common.locks import exclusive
from data.encode import describe_lengths, encode_rows
from data.interviews import default_csv, read_interviews, split_interviews
from evaluation.evaluate import HeldOutLoss, held_out_loss, judge_model
from evaluation.report import write_facts, write_report
from evaluation.results import Result, write_comparison
from infer.summarize import Summarizer
from lora.inject import count_parameters, inject_lora
from model.base import load_base
from model.device import pick_device
from model.precision import Precision, pick_precision
from training.checkpoint import identity
from training.config import TrainConfig
from training.execution import speed_up
from training.interrupt import interruptible
from training.loop import HOPELESS, Diverged, Optimization, Step, start, train
from training.run import RunFolder

MEMORY_ADVICE = (
    "--gradient-checkpointing이나 --micro-batch-tokens 512로 하던 것을 이어서 하거나 "
    "--fresh --max-length 512로 새로 하세요."
)


def main() -> None:
    config = parse_options(TrainConfig, "python -m training", "LoRA로 요약을 학습합니다.")
    precision = pick_precision(config.precision, pick_device(config.device))
    torch.manual_seed(config.seed)

    data = config.data or default_csv()
    interviews = read_interviews(data)
    print(interviews.describe())
    # The split keeps its own seed: whatever --seed, the same rows are never trained on.
    train_rows, validation_rows = split_interviews(interviews.rows)

    # The frozen weights are stored in the format they are multiplied in: no casts in the loop.
    base = load_base(config.base, precision.dtype)
    path = output_folder(config.output_dir, base.name, "lora")
    with exclusive(path):
        folder = RunFolder(path, base, config, identity(config, base, data, precision))
        base.model.to(precision.device)  # type: ignore[arg-type]
        print(f"베이스: {base.name} ({precision.device.type}, {precision.name})")
        layers = inject_lora(base.model, config.lora)
        trainable, total = count_parameters(base.model)
        print(
            f"LoRA: {len(layers)}개 층, 학습하는 파라미터 {trainable:,} / {total:,} "
            f"({trainable / total:.2%})"
        )
        state = start(base.model, config, precision, len(train_rows))
        resumed = folder.go_on(state, precision.device)
        learn(folder, state, resumed, train_rows, validation_rows, precision)


def learn(
    folder: RunFolder,
    state: Optimization,
    resumed: bool,
    train_rows: Dataset,
    validation_rows: Dataset,
    precision: Precision,
) -> None:
    """Train from `state` to the end, evaluating and saving, and write the report."""
    config, base, model = folder.config, folder.base, folder.base.model
    max_length = min(config.max_length, base.context)
    examples = encode_rows(train_rows, base.tokenizer, max_length)
    validation = encode_rows(validation_rows, base.tokenizer, max_length)
    print(describe_lengths(examples))
    budget = config.token_budget(base.context)
    together = f"한꺼번에 {budget:,}토큰까지" if budget else f"{config.micro_batch_size}행씩"
    print(
        f"학습 {len(examples):,}행, 검증 {len(validation):,}행; "
        f"한 스텝에 {config.window}행, {together}"
    )
    speed_up(model, config, precision, longest=max(len(e.input_ids) for e in examples))
    summarizer = Summarizer(model, base.tokenizer)
    samples = rows_to_write(summarizer, validation_rows, config.eval_samples)
    if not resumed:  # now that nothing is left to be refused
        folder.make_room()
    write_facts(folder.path, asdict(config), examples, max_length, base.tokenizer)

    def evaluate() -> None:
        loss = held_out_loss(model, validation, precision)
        result = judge_model("lora", summarizer, samples, precision)
        best = loss.per_token < folder.best_loss
        if best:
            found = replace(
                result, perplexity=loss.perplexity, character_perplexity=loss.character_perplexity
            )
            folder.save_best(state.step, loss.per_token, found)
        folder.log(
            {"step": state.step, "faithfulness": result.faithfulness} | loss.record | result.scores
        )
        epoch = state.step / config.windows(len(examples))
        tqdm.write(describe_evaluation(epoch, state.step, loss, best, result, samples))

    with interruptible() as interrupt:

        def on_step(step: Step, due: bool) -> None:
            folder.log(asdict(step))
            # Not while steps are skipped: these weights may be why, and those before must stay.
            if not step.skipped and (due or step.step % config.save_steps == 0):
                folder.save(state, precision.device)
            if due:
                with interrupt.at_once():
                    evaluate()

        try:
            with interrupt.at_once():
                if not resumed:  # B is 0 yet
                    folder.results["base"] = judge_model("base", summarizer, samples, precision)
                elif config.evaluates_at(state.step, len(examples)):
                    evaluate()  # the run may have been cut in the middle of it
            train(model, examples, config, precision, on_step, state, interrupt.check)
            with interrupt.at_once():
                finish(folder, state, samples, precision)
        except (Exception, Stopped) as error:
            if told := ended_early(folder, state, precision, error):
                raise told from error
            raise


def ended_early(
    folder: RunFolder, state: Optimization, precision: Precision, error: BaseException
) -> BaseException | None:
    """Save what the last step left, whatever has ended training: a signal, no memory, a full disk.

    Returns the error that tells so, where there is more to tell than `error` does.
    """
    # A checkpoint of this step is from before its evaluation, which is to be done again.
    if state.step and not state.skipped_in_a_row and not folder.checkpoint(state.step).exists():
        try:
            folder.save(state, precision.device)
        except OSError:
            if isinstance(error, Stopped):
                raise  # the disk is the news then
    saved = folder.newest()
    if isinstance(error, Stopped):
        kept = f"{saved}에 저장했습니다." if saved else "아직 저장할 것이 없습니다."
        again = "--fresh 없이 같은 명령을" if folder.config.fresh else "같은 명령을"
        told = f"멈췄습니다. {kept} {again} 다시 실행하면 이어서 합니다."
        return Stopped(told, error.signal_number)
    if isinstance(error, Diverged):
        kept = f" 그전의 체크포인트는 {saved}입니다." if saved else ""
        return UserError(
            f"{state.step}스텝: 손실이나 그래디언트가 {HOPELESS}번 이어서 수가 아닙니다(nan, inf)."
            f"{kept} --learning-rate를 낮추거나 --precision fp32로, --fresh를 주어 다시 학습하세요."
        )
    return None


def finish(
    folder: RunFolder, state: Optimization, samples: list[dict[str, str]], precision: Precision
) -> None:
    """Write the report, and that the run is finished.

    Raises:
        UserError: no evaluation has ever found a finite loss.
    """
    if math.isinf(folder.best_loss):
        raise UserError(
            "검증 손실이 끝까지 수가 아니어서(nan) best를 남기지 못했습니다. --learning-rate를 "
            "낮추거나 --precision fp32로, --fresh를 주어 다시 학습하세요."
        )
    if state.skipped:
        print(f"건너뛴 스텝: {state.skipped}개 (손실이나 그래디언트가 수가 아니었음)")
    write_comparison(folder.path, samples, list(folder.results.values()), "morpheme")
    print(f"보고서: {write_report(folder.path)}")
    folder.save(state, precision.device, finished=True)
    print(f"어댑터: {folder.path / 'best'}  다음: make quantize (python -m quant)")


def rows_to_write(summarizer: Summarizer, rows: Dataset, count: int) -> list[dict[str, str]]:
    """The first `count` rows whose question leaves room for a summary.

    Raises:
        UserError: there is none.
    """
    fitting = [row for row in rows if summarizer.fits(row["question"])][:count]
    if not fitting:
        raise UserError("검증 행의 질문이 모두 너무 길어 요약을 써 볼 수 없습니다. 줄여 주세요.")
    return fitting


def describe_evaluation(
    epoch: float,
    step: int,
    loss: HeldOutLoss,
    best: bool,
    result: Result,
    rows: list[dict[str, str]],
) -> str:
    """What an evaluation found, in two Korean lines, and the first two summaries."""
    written = "".join(
        f"\n  정답  {row['summary']}\n  모델  {summary}"
        for row, summary in list(zip(rows, result.summaries, strict=True))[:2]
    )
    scores = " ".join(f"{name} {value:.1f}" for name, value in result.scores.items())
    return (
        f"\n{epoch:.1f}에폭 ({step}스텝): 검증 손실 {loss.per_token:.3f}"
        f"{' (지금까지 최고)' if best else ''}, "
        f"퍼플렉서티 {loss.perplexity:.2f}/토큰 {loss.character_perplexity:.2f}/글자\n"
        f"  형태소(mecab-ko): {scores} 충실도 {result.faithfulness:.1f}{written}"
    )


if __name__ == "__main__":
    run(main, MEMORY_ADVICE)
