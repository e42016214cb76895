"""How good the summaries are, by model and by rows: the tables of BENCHMARKS.md.

    python -m tests.benchmarks.quality           # after make train, make quantize
    python -m tests.benchmarks.quality --peft    # trains the same with PEFT's layers, too
    python -m tests.benchmarks.quality --dev     # on the development rows, to choose by

Rows: the validation split of the sample data (never trained on, but made by the same rules, and a
part of it by hand) and the 40 hand-written interviews of tests/data/handwritten_eval.csv. The
development rows are others of both kinds. Prints Markdown.
"""

import argparse
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import peft
import torch
from datasets import Dataset
from rouge_score.rouge_scorer import RougeScorer

from data.encode import encode_rows
from data.interviews import SAMPLE_CSV, read_interviews, split_interviews
from evaluation.evaluate import first_sentence, sentences
from evaluation.metrics import KoreanTokenizer, faithfulness, score_summaries
from infer.models import load_model
from infer.summarize import Summarizer
from lora.adapter import load_adapter
from model.base import EMBEDDED, load_base
from model.precision import pick_precision
from pretraining.sample import interview_rows
from training.config import TrainConfig
from training.execution import speed_up
from training.loop import train

HANDWRITTEN = Path("tests/data/handwritten_eval.csv")
HANDWRITTEN_DEV = Path("tests/data/handwritten_dev.csv")
MODELS = {
    "base without LoRA": EMBEDDED,
    "LoRA": Path("checkpoints/ko-gpt2-mini-lora/best"),
    "merged, fp16 file": Path("checkpoints/ko-gpt2-mini-merged"),
    "8-bit": Path("checkpoints/ko-gpt2-mini-bnb-8bit"),
    "4-bit": Path("checkpoints/ko-gpt2-mini-bnb-4bit"),
}
CPU = torch.device("cpu")
# A phrase of one to five words three times in a row, or a few characters six times.
LOOP = re.compile(r"(\S+(?: \S+){0,4})(?: \1){2}(?!\S)|(\S{1,8}?)\2{5}")


def oracle_sentence(row: dict[str, str]) -> str:
    """The sentence of the answer that is nearest to the reference: no extraction does better."""
    scorer = RougeScorer(["rougeL"], tokenizer=KoreanTokenizer())
    return max(
        sentences(row["answer"]),
        key=lambda text: float(scorer.score(row["summary"], text)["rougeL"].fmeasure),
    )


def report(name: str, summaries: Sequence[str], rows: Dataset, seconds: float = 0.0) -> None:
    """Print one line of the table."""
    scores = score_summaries(summaries, rows["summary"][:]).values
    sources = [f"{row['question']} {row['answer']}" for row in rows]
    cells = [f"{scores[key]:.1f}" for key in ("rouge1", "rouge2", "rougeL", "bleu")]
    cells.append(f"{faithfulness(summaries, sources):.1f}")
    cells.append(f"{sum(text.endswith(('.', '음', '함', '임')) for text in summaries)}/{len(rows)}")
    for faulty in (lambda text: not text.strip(), LOOP.search, lambda text: "\ufffd" in text):
        cells.append(str(sum(bool(faulty(text)) for text in summaries)))
    print(f"| {name} | {' | '.join(cells)} | {seconds:.1f} |", flush=True)


def train_with_peft() -> Summarizer:
    """The run of `make train`, its settings and its loop, around PEFT's LoRA layers: its last step.

    Which is also the best of ours, where the validation loss falls to the end, as it does.
    """
    config = TrainConfig()
    precision = pick_precision("auto", CPU)
    torch.manual_seed(config.seed)
    base = load_base(EMBEDDED.name, precision.dtype)
    adapted = peft.get_peft_model(
        base.model,
        peft.LoraConfig(
            r=config.rank,
            lora_alpha=int(config.alpha),
            lora_dropout=config.dropout,
            target_modules=list(config.targets),
            fan_in_fan_out=True,
        ),
    )
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    rows = split_interviews(read_interviews(SAMPLE_CSV).rows)[0]
    examples = encode_rows(rows, base.tokenizer, base.context)
    longest = max(len(example.input_ids) for example in examples)
    speed_up(base.model, config, precision, longest)
    train(base.model, examples, config, precision, lambda _step, _due: None)
    with tempfile.TemporaryDirectory() as folder:
        adapted.save_pretrained(folder)  # PEFT's file, opened in fp32 as ours is
        fresh = load_base(EMBEDDED.name)
        load_adapter(fresh.model, Path(folder))
    return Summarizer(fresh.model, fresh.tokenizer)


def row_sets(dev: bool) -> dict[str, Dataset]:
    if not dev:
        return {
            "validation": split_interviews(read_interviews(SAMPLE_CSV).rows)[1],
            "hand-written": read_interviews(HANDWRITTEN).rows,
        }
    made = Dataset.from_list(interview_rows(100, seed=1))
    return {"made by rules, dev": made, "hand-written, dev": read_interviews(HANDWRITTEN_DEV).rows}


def compare(summarizers: dict[str, Summarizer], sets: dict[str, Dataset], show: int = 0) -> None:
    """Print a table for each set of rows, and the first `show` outputs."""
    for title, rows in sets.items():
        print(f"\n**{title}, {len(rows)} rows** (morphemes by mecab-ko, greedy)\n")
        print("| | ROUGE-1 | ROUGE-2 | ROUGE-L | BLEU | faithful | ends | empty | loops |", end="")
        print(" broken | seconds |\n|" + " --- |" * 11)
        report("reference", rows["summary"][:], rows)
        report("first sentence", [first_sentence(row) for row in rows], rows)
        report("best sentence (oracle)", [oracle_sentence(row) for row in rows], rows)
        written = {}
        for name, summarizer in summarizers.items():
            started = time.perf_counter()
            written[name] = summarizer.summarize(rows["question"][:], rows["answer"][:])
            report(name, written[name], rows, time.perf_counter() - started)
        for i in range(min(show, len(rows))):
            row = rows[i]
            print(f"\n질문 {row['question']}\n답변 {row['answer']}\n정답 {row['summary']}")
            for name, summaries in written.items():
                print(f"  {name}: {summaries[i]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--show", type=int, default=0, help="print this many outputs a model")
    parser.add_argument("--peft", action="store_true", help="train with PEFT's layers and compare")
    parser.add_argument("--dev", action="store_true", help="the development rows")
    options = parser.parse_args()
    summarizers = {
        name: Summarizer(*load_model(path, CPU)) for name, path in MODELS.items() if path.exists()
    }
    if options.peft:
        summarizers["PEFT, same settings"] = train_with_peft()
    compare(summarizers, row_sets(options.dev), options.show)


if __name__ == "__main__":
    main()
