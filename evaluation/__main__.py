"""`python -m evaluation`: the models of a run and the baselines on the same held-out rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets import Dataset

from common.console import UserError, option, parse_options, run, validate
from common.files import read_json, sha256, write_file
from common.folders import find_adapter
from common.locks import exclusive
from data.interviews import read_interviews, split_interviews
from evaluation.baselines import BASELINES
from evaluation.evaluate import judge
from evaluation.measure import measure_apart
from evaluation.metrics import TOKENIZATIONS
from evaluation.report import write_report
from evaluation.results import LABELS, Result, results_table, write_comparison
from infer.find import find_models, stale_notices
from infer.settings import CANDIDATES, MEMORY_ADVICE, Decoding
from lora.adapter import STATE, base_of


@dataclass
class EvaluateOptions:
    """Options of the command."""

    data: Path | None = option(
        None, "평가할 CSV. 학습에 쓴 CSV면 그 검증 행만, 다른 CSV면 모든 행. 안 주면 학습에 쓴 CSV"
    )
    models: list[str] = option([], f"견줄 것: {', '.join(LABELS)}. 안 주면 있는 것 모두")
    limit: int | None = option(
        None, "앞에서부터 이만큼의 행만", check=(lambda n: n > 0, "1 이상이어야 합니다")
    )
    show: int = option(
        0, "앞에서부터 이만큼의 행의 요약을 보임", check=(lambda n: n >= 0, "0 이상이어야 합니다")
    )
    tokenization: str = option(
        "morpheme",
        f"점수를 재는 단위: {', '.join(TOKENIZATIONS)}",
        check=(TOKENIZATIONS.__contains__, f"{', '.join(TOKENIZATIONS)} 중에서 고르세요"),
    )
    candidates: int = option(1, "요약 후보의 수. python -m infer는 16", check=CANDIDATES)
    output_dir: Path = option(Path("checkpoints"), "모델을 찾을 폴더")
    device: str = option("auto", "auto, cuda, mps, cpu")

    def __post_init__(self) -> None:
        validate(self)
        if unknown := set(self.models) - set(LABELS):
            raise UserError(
                f"--models {unknown.pop()}: 모르는 이름입니다. {', '.join(LABELS)} 중에서 고르세요."
            )


def main() -> None:
    options = parse_options(EvaluateOptions, "python -m evaluation", "모델을 견줍니다.")
    adapter = find_adapter(options.output_dir)
    found = models_of(adapter, options.output_dir)
    for name in options.models:
        if name not in BASELINES and name not in found:
            raise UserError(
                f"--models {name}: {options.output_dir}에 없습니다. "
                "make train, make quantize, make quantize BITS=8로 만드세요."
            )
    rows = held_out_rows(options.data, adapter)
    rows = rows.select(range(min(options.limit or len(rows), len(rows))))
    print(f"{len(rows):,}행, 단위 {options.tokenization}, 후보 {options.candidates}개", flush=True)

    chosen = options.models or list(LABELS)
    results = []
    for name, summary_of in BASELINES.items():
        if name in chosen:
            summaries = [summary_of(row) for row in rows]
            results.append(judge(name, summaries, list(rows), options.tokenization))
    for name, path in found.items():
        if name in chosen:
            settings = Decoding(candidates=options.candidates)
            results.append(
                measure_apart(name, path, rows, options.device, options.tokenization, settings)
            )

    signatures = "\n".join(f"{name}: {value}" for name, value in results[0].signatures.items())
    text = f"{results_table(results)}\n\n요약 후보: {options.candidates}개\n{signatures}"
    print(f"\n{text}")
    show(list(rows)[: options.show], results)
    folder = adapter.parent
    with exclusive(folder):
        write_comparison(folder, list(rows), results, options.tokenization, options.candidates)
        write_file(folder / "comparison.md", f"{text}\n")
        print(f"\n결과: {folder / 'comparison.json'}, {folder / 'comparison.md'}")
        if (folder / "report.json").exists():
            print(f"보고서: {write_report(folder)}")


def show(rows: Sequence[dict[str, str]], results: Sequence[Result]) -> None:
    """Print the rows, and what each model wrote of them."""
    for i, row in enumerate(rows):
        print(f"\n질문: {row['question']}\n답변: {row['answer']}\n정답: {row['summary']}")
        for result in results:
            if result.name != "reference":
                print(f"  {LABELS[result.name]}: {result.summaries[i]}")


def models_of(adapter: Path, checkpoints: Path) -> dict[str, str]:
    """The models that were made of `adapter`, the newest one. Those left out are named."""
    found = find_models(checkpoints, base_of(adapter))
    for kind, notice in stale_notices(found).items():
        print(f"{notice} 여기서는 뺍니다.")
        del found[kind]
    return found


def held_out_rows(data: Path | None, adapter: Path) -> Dataset:
    """Return the rows of `data` that the run of `adapter` was not trained on.

    Where `data` is None, or the CSV of that run, these are the rows that it was validated on.

    Raises:
        UserError: the adapter does not say what it was trained on, or that file has changed.
    """
    try:
        identity = read_json(adapter / STATE)["identity"]
        trained, split = identity["data"], identity["settings"].get("split") or "row"
        validated = identity.get("validation") or {"path": None}
        data = data or Path(validated["path"] or trained["path"])
    except (OSError, KeyError, TypeError) as error:
        raise UserError(
            f"{adapter / STATE}: 무엇으로 학습했는지 적혀 있지 않아 검증 행을 알 수 "
            "없습니다. make train으로 다시 학습하세요."
        ) from error
    interviews = read_interviews(data, minimum_rows=1)
    print(interviews.describe())
    digest = sha256(data)
    for then in (trained, validated):
        if str(data.resolve()) == then["path"] and digest != then["sha256"]:
            raise UserError(
                f"{data}: 학습한 뒤에 바뀌어 검증 행을 알 수 없습니다. 다시 학습하거나 "
                "--data로 학습에 쓰지 않은 CSV를 주세요."
            )
    if digest != trained["sha256"]:
        return interviews.rows
    # It is the same file, or a copy of it.
    if validated["path"]:
        return held_out_rows(Path(validated["path"]), adapter)
    return split_interviews(interviews.rows, split)[1]


if __name__ == "__main__":
    run(main, MEMORY_ADVICE)
