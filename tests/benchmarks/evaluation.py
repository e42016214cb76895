"""Evaluation against the ways it is usually done, both in one run.

    python -m tests.benchmarks.evaluation

Scoring: our corpus at a time against rouge_score and sacrebleu called for each pair. Decoding: 32
validation rows in length-sorted batches against one by one, by transformers' `generate` and by our
own loop, on the merged model of `make quantize`. Alternating runs, medians and ratios.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import sacrebleu
import torch
from rouge_score.rouge_scorer import RougeScorer

from data.encode import encode_prompt
from data.interviews import SAMPLE_CSV, read_interviews, split_interviews
from evaluation.evaluate import written_summaries
from evaluation.metrics import ROUGE, KoreanTokenizer, bleu, score_summaries
from infer.generate import Sampling
from infer.models import load_model
from infer.summarize import Summarizer
from model.precision import pick_precision
from pretraining.sample import interview_rows

MERGED = "checkpoints/ko-gpt2-mini-merged"


def pair_by_pair(predictions: list[str], references: list[str]) -> float:
    """What the libraries' first examples lead to; mean ROUGE-L."""
    total = 0.0
    for prediction, reference in zip(predictions, references, strict=True):
        scorer = RougeScorer(list(ROUGE), tokenizer=KoreanTokenizer())
        total += float(scorer.score(reference, prediction)["rougeL"].fmeasure)
        sacrebleu.sentence_bleu(prediction, [reference], tokenize="ko-mecab")
        sacrebleu.sentence_chrf(prediction, [reference])
    return 100 * total / len(references)


def generated(summarizer: Summarizer, row: dict[str, str]) -> str:
    """The row's summary by transformers' own loop."""
    room = summarizer.context - summarizer.max_new_tokens
    prompt, _ = encode_prompt(summarizer.tokenizer, row["question"], row["answer"], room)
    ids = torch.tensor([prompt], device=summarizer.model.device)
    output = summarizer.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=summarizer.max_new_tokens,
        do_sample=False,
        pad_token_id=summarizer.tokenizer.pad_token_id,
    )
    return str(summarizer.tokenizer.decode(output[0, len(prompt) :], skip_special_tokens=True))


def race(name: str, ours: Callable[[], object], theirs: Callable[[], object], runs: int) -> None:
    """Alternate the two and print a line: median seconds of each, and how many times faster."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(runs):
        for way, taken in zip((ours, theirs), times, strict=True):
            started = time.perf_counter()
            way()
            taken.append(time.perf_counter() - started)
    mine, other = map(statistics.median, times)
    print(f"| {name} | {mine:.2f} | {other:.2f} | {other / mine:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    rows = interview_rows(options.pairs, seed=5)
    references = [row["summary"] for row in rows]
    predictions = [" ".join(text.split()[1:]) for text in references]  # the first word is lost
    print("| | ours, s | other, s | times faster |\n| --- | --- | --- | --- |")

    def cold(score: Callable[[list[str], list[str]], object]) -> None:
        bleu("morpheme").tokenizer.__call__.cache_clear()  # or it would be a lookup
        score(predictions, references)

    race(
        f"score {options.pairs:,} pairs, against pair by pair",
        lambda: cold(score_summaries),
        lambda: cold(pair_by_pair),
        options.runs,
    )
    # Plain greedy decoding: `generate` does not know our rule against repeats.
    model, tokenizer = load_model(MERGED, torch.device(options.device))
    summarizer = Summarizer(model, tokenizer, sampling=Sampling())
    precision = pick_precision("fp32", summarizer.model.device)
    held_out = list(split_interviews(read_interviews(Path(SAMPLE_CSV)).rows)[1])
    rows_name = f"summarise {len(held_out)} rows, against one by one"
    for name, one_by_one in (
        ("by generate", lambda row: generated(summarizer, row)),
        ("by our loop", lambda row: summarizer.summarize([row["question"]], [row["answer"]])),
    ):
        race(
            f"{rows_name} {name}",
            lambda: written_summaries(summarizer, held_out, precision),
            lambda one_by_one=one_by_one: [one_by_one(row) for row in held_out],
            options.runs,
        )


if __name__ == "__main__":
    main()
