"""`python -m evaluation`: all that a run has made, on the same held-out rows, in one table.

Each model is opened in a process of its own, so that its peak memory is its own, too.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from datasets import Dataset
from transformers.utils.logging import disable_progress_bar

from common.console import UserError, option, parse_options, run, table
from common.files import read_json, sha256, write_file
from common.locks import exclusive
from data.interviews import read_interviews, split_interviews
from evaluation.evaluate import first_sentence, judge, measure
from evaluation.metrics import TOKENIZATIONS
from evaluation.report import write_report
from evaluation.results import HEADER, LABELS, cells, write_comparison
from infer.find import find_models
from infer.settings import MEMORY_ADVICE
from lora.adapter import STATE, find_adapter


@dataclass
class CompareOptions:
    """Options of the command."""

    data: Path | None = option(
        None, "평가할 CSV. 학습에 쓴 CSV면 그 검증 행만, 다른 CSV면 모든 행. 안 주면 학습에 쓴 CSV"
    )
    models: list[str] = option([], f"견줄 것: {', '.join(LABELS)}. 안 주면 있는 것 모두")
    limit: int | None = option(None, "앞에서부터 이만큼의 행만")
    tokenization: str = option("morpheme", f"점수를 재는 단위: {', '.join(TOKENIZATIONS)}")
    output_dir: Path = option(Path("checkpoints"), "모델을 찾을 폴더")
    device: str = option("auto", "auto, cuda, mps, cpu")

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            UserError: the first such option.
        """
        if unknown := set(self.models) - set(LABELS):
            raise UserError(
                f"--models {unknown.pop()}: 모르는 이름입니다. {', '.join(LABELS)} 중에서 고르세요."
            )
        if self.tokenization not in TOKENIZATIONS:
            raise UserError(
                f"--tokenization {self.tokenization}: {', '.join(TOKENIZATIONS)} 중에서 고르세요."
            )
        if self.limit is not None and self.limit < 1:
            raise UserError(f"--limit {self.limit}: 1 이상이어야 합니다. 값을 바꾸세요.")


def main() -> None:
    options = parse_options(CompareOptions, "python -m evaluation", "모델을 견줍니다.")
    adapter = find_adapter(options.output_dir)
    found = find_models(options.output_dir, adapter)
    for name in options.models:
        if name != "first" and name not in found:
            raise UserError(
                f"--models {name}: {options.output_dir}에 없습니다. "
                "make train, make quantize, make quantize BITS=8로 만드세요."
            )
    rows = held_out_rows(options.data, adapter)
    rows = rows.select(range(min(options.limit or len(rows), len(rows))))
    print(f"{len(rows):,}행, 단위 {options.tokenization}", flush=True)

    wanted = options.models or list(LABELS)
    results = []
    if "first" in wanted:
        sentences = [first_sentence(row) for row in rows]
        results.append(judge("first", sentences, list(rows), options.tokenization))
    # A fresh interpreter each: a forked one would inherit this one's memory and threads.
    context = multiprocessing.get_context("spawn")
    for name, path in found.items():
        if name in wanted:
            with ProcessPoolExecutor(1, context, initializer=disable_progress_bar) as pool:
                arguments = (name, path, rows, options.device, options.tokenization)
                results.append(pool.submit(measure, *arguments).result())
    lines = table(HEADER, [cells(result) for result in results])
    signatures = "\n".join(f"{name}: {value}" for name, value in results[0].signatures.items())
    print(f"\n{lines}\n\n{signatures}")

    folder = adapter.parent
    with exclusive(folder):
        write_comparison(folder, list(rows), results, options.tokenization)
        write_file(folder / "comparison.md", f"{lines}\n\n{signatures}\n")
        print(f"\n결과: {folder / 'comparison.json'}, {folder / 'comparison.md'}")
        if (folder / "report.json").exists():
            print(f"보고서: {write_report(folder)}")


def held_out_rows(data: Path | None, adapter: Path) -> Dataset:
    """The rows of `data` that the run of `adapter` was not trained on.

    Raises:
        UserError: it is not known, or no longer known, which those are.
    """
    try:
        data_then = read_json(adapter / STATE)["identity"]["data"]
        trained_on, digest = Path(data_then["path"]), data_then["sha256"]
    except (OSError, KeyError, TypeError) as error:
        raise UserError(
            f"{adapter / STATE}: 무엇으로 학습했는지 적혀 있지 않아 검증 행을 알 수 "
            "없습니다. make train으로 다시 학습하세요."
        ) from error
    data = data or trained_on
    interviews = read_interviews(data, minimum_rows=2)
    print(interviews.describe())
    if sha256(data) == digest:  # that file or a copy of it
        return split_interviews(interviews.rows)[1]
    if data.resolve() == trained_on:
        raise UserError(
            f"{trained_on}: 학습한 뒤에 바뀌어 검증 행을 알 수 없습니다. 다시 학습하거나 "
            "--data로 학습에 쓰지 않은 CSV를 주세요."
        )
    return interviews.rows


if __name__ == "__main__":
    run(main, MEMORY_ADVICE)
