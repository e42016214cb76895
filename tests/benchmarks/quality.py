"""How good the summaries are, by model and by rows: the table of BENCHMARKS.md.

    python -m tests.benchmarks.quality

Rows: the validation split of the sample data (never trained on, but made by the same rules) and
the 40 hand-written interviews of tests/data/handwritten_eval.csv. Run after `make train` and
`make quantize`. Prints Markdown.
"""

import argparse
import re
import time
from pathlib import Path

import torch
from datasets import Dataset

from data.interviews import SAMPLE_CSV, read_interviews, split_interviews
from infer.load import load_model
from infer.summarize import Summarizer
from training.metrics import score_summaries

HANDWRITTEN = Path("tests/data/handwritten_eval.csv")
MODELS = {
    "base without LoRA": "checkpoints/ko-gpt2-mini",
    "LoRA": "checkpoints/ko-gpt2-mini-lora/best",
    "merged, fp16 file": "checkpoints/ko-gpt2-mini-merged",
    "8-bit": "checkpoints/ko-gpt2-mini-bnb-8bit",
    "4-bit": "checkpoints/ko-gpt2-mini-bnb-4bit",
}


def first_sentence(answer: str) -> str:
    """The simplest summary there is: what the answer begins with."""
    return re.split(r"(?<=[.?!])\s", answer)[0]


def report(name: str, summaries: list[str], rows: Dataset, seconds: float) -> None:
    """Print one row of the table."""
    scores = score_summaries(summaries, rows["summary"][:])
    cells = [f"{scores[key]:.1f}" for key in ("rouge1", "rouge2", "rougeL", "bleu")]
    ended = sum(1 for text in summaries if text.rstrip().endswith((".", "음", "함", "임")))
    print(f"| {name} | {' | '.join(cells)} | {ended}/{len(rows)} | {seconds:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--show", type=int, default=0, help="print this many outputs a model")
    options = parser.parse_args()
    sets = {
        "validation": split_interviews(read_interviews(SAMPLE_CSV).rows)[1],
        "hand-written": read_interviews(HANDWRITTEN).rows,
    }
    for title, rows in sets.items():
        print(f"\n{title}, {len(rows)} rows (morphemes by mecab-ko, greedy)\n")
        print("| | ROUGE-1 | ROUGE-2 | ROUGE-L | BLEU | ends a sentence | seconds |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        questions, answers = rows["question"][:], rows["answer"][:]
        report("first sentence", [first_sentence(answer) for answer in answers], rows, 0)
        shown = []
        for name, path in MODELS.items():
            if not Path(path).exists():
                continue
            summarizer = Summarizer(*load_model(Path(path), torch.device("cpu")))
            started = time.perf_counter()
            summaries = summarizer.summarize(questions, answers)
            report(name, summaries, rows, time.perf_counter() - started)
            shown.append((name, summaries))
        for i in range(min(options.show, len(rows))):
            print(f"\n질문 {questions[i]}\n답변 {answers[i]}\n정답 {rows['summary'][i]}")
            for name, summaries in shown:
                print(f"  {name}: {summaries[i]}")


if __name__ == "__main__":
    main()
