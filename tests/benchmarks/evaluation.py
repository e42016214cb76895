"""Evaluation against the usual ways of doing it.

    python -m tests.benchmarks.evaluation        # after make train and make quantize

Scoring: a corpus at a time against rouge_score and sacrebleu called for each pair. Decoding: 32
validation rows in length-sorted batches against one by one, by transformers' `generate` and by our
own loop, on the merged model of `make quantize`. The two alternate; the table shows medians.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import sacrebleu
import torch
from rouge_score.rouge_scorer import RougeScorer

from data.encode import encode_prompt
from data.interviews import SAMPLE_CSV, read_interviews, split_interviews
from evaluation.evaluate import summarize_rows
from evaluation.metrics import ROUGE, KoreanTokenizer, bleu, score_summaries
from infer.models import load_model
from infer.settings import GREEDY
from infer.summarize import Summarizer
from model.precision import pick_precision
from pretraining.rows import interview_rows
from tests.benchmarks.measure import parse, print_table, write_record

MERGED = "ko-gpt2-mini-merged"


def pair_by_pair(predictions: list[str], references: list[str]) -> float:
    """Score as the first examples of the libraries' manuals do; the mean ROUGE-L."""
    total = 0.0
    for prediction, reference in zip(predictions, references, strict=True):
        scorer = RougeScorer(list(ROUGE), tokenizer=KoreanTokenizer())
        total += float(scorer.score(reference, prediction)["rougeL"].fmeasure)
        sacrebleu.sentence_bleu(prediction, [reference], tokenize="ko-mecab")
        sacrebleu.sentence_chrf(prediction, [reference])
    return 100 * total / len(references)


def generated(summarizer: Summarizer, row: dict[str, str]) -> str:
    """Summarize a row with transformers' `generate`."""
    room = summarizer.context - summarizer.settings.max_new_tokens
    prompt, _ = encode_prompt(summarizer.tokenizer, row["question"], row["answer"], room)
    ids = torch.tensor([prompt], device=summarizer.model.device)
    output = summarizer.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=summarizer.settings.max_new_tokens,
        do_sample=False,
        pad_token_id=summarizer.tokenizer.pad_token_id,
    )
    return str(summarizer.tokenizer.decode(output[0, len(prompt) :], skip_special_tokens=True))


def race(
    name: str, ours: Callable[[], object], theirs: Callable[[], object], runs: int
) -> list[str]:
    """Alternate the two; a line of the table: median seconds of each, and their ratio."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(runs):
        for way, taken in zip((ours, theirs), times, strict=True):
            started = time.perf_counter()
            way()
            taken.append(time.perf_counter() - started)
    mine, other = map(statistics.median, times)
    return [name, f"{mine:.2f}", f"{other:.2f}", f"{other / mine:.1f}"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output-dir", type=Path, default=Path("checkpoints"))
    parser.add_argument("--limit", type=int, help="summarize only this many rows")
    options = parse(parser, {"pairs": 20, "runs": 1, "limit": 2}, argv)
    rows = interview_rows(options.pairs, seed=5)
    references = [row["summary"] for row in rows]
    predictions = [" ".join(text.split()[1:]) for text in references]  # the first word is lost

    def cold(score: Callable[[list[str], list[str]], object]) -> None:
        bleu("morpheme").tokenizer.__call__.cache_clear()  # a second run would only look it up
        score(predictions, references)

    pairs = f"score {options.pairs:,} pairs, against pair by pair"
    lines = [race(pairs, lambda: cold(score_summaries), lambda: cold(pair_by_pair), options.runs)]
    # Plain greedy decoding, because `generate` has no rule like ours against repeats.
    model, tokenizer = load_model(str(options.output_dir / MERGED), torch.device(options.device))
    summarizer = Summarizer(model, tokenizer, GREEDY)
    precision = pick_precision("fp32", summarizer.model.device)
    held_out = list(split_interviews(read_interviews(Path(SAMPLE_CSV)).rows)[1])[: options.limit]
    for name, one_by_one in (
        ("by generate", lambda row: generated(summarizer, row)),
        ("by our loop", lambda row: summarizer.summarize([row["question"]], [row["answer"]])),
    ):
        lines.append(
            race(
                f"summarise {len(held_out)} rows, against one by one {name}",
                lambda: summarize_rows(summarizer, held_out, precision),
                lambda one_by_one=one_by_one: [one_by_one(row) for row in held_out],
                options.runs,
            )
        )
    print_table("evaluation", ["", "ours, s", "other, s", "times faster"], lines)
    write_record(options.out, lines)


if __name__ == "__main__":
    main()
