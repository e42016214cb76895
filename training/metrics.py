"""ROUGE and BLEU that are right for Korean.

`rouge_score`'s own tokenizer drops every character that is not a Latin letter or a digit, so two
identical Korean sentences score 0.0. Here both metrics see morphemes, by mecab-ko.
"""

import unicodedata
from collections.abc import Sequence
from functools import cache

from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import Tokenizer
from sacrebleu.metrics import BLEU
from sacrebleu.tokenizers.tokenizer_ko_mecab import TokenizerKoMecab

ROUGE = ("rouge1", "rouge2", "rougeL")


@cache
def tagger() -> TokenizerKoMecab:
    """The one tagger of the process: loading its dictionary takes longer than most scoring."""
    return TokenizerKoMecab()


class MorphemeTokenizer(Tokenizer):
    """Text to morphemes, after NFC: macOS decomposes Hangul, and equal text must score equal."""

    def tokenize(self, text: str) -> list[str]:
        return tagger()(unicodedata.normalize("NFC", text)).split()


def score_summaries(predictions: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Mean ROUGE-1/2/L F1 and corpus BLEU over morphemes, each from 0 to 100.

    Raises:
        ValueError: an empty reference, or none at all.
    """
    if not references or not all(reference.strip() for reference in references):
        raise ValueError("a reference is empty")
    scorer = RougeScorer(list(ROUGE), tokenizer=MorphemeTokenizer())
    pairs = [
        scorer.score(reference, prediction)
        for reference, prediction in zip(references, predictions, strict=True)
    ]
    scores = {name: 100 * sum(pair[name].fmeasure for pair in pairs) / len(pairs) for name in ROUGE}
    normal = [
        [unicodedata.normalize("NFC", text) for text in texts]
        for texts in (predictions, references)
    ]
    scores["bleu"] = BLEU(tokenize="ko-mecab").corpus_score(normal[0], [normal[1]]).score
    return scores
