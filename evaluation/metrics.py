"""ROUGE, BLEU and chrF that are right for Korean.

`rouge_score`'s own tokenizer drops every character that is not a Latin letter or a digit, so two
identical Korean sentences score 0.0. BLEU over words punishes a wrong particle or a missing space
as much as a wrong noun. Here both count morphemes by mecab-ko, characters, or words, as the caller
chooses.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import Tokenizer
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.metrics.chrf import CHRFScore

ROUGE = ("rouge1", "rouge2", "rougeL")
TOKENIZATIONS = {"morpheme": "ko-mecab", "char": "char", "word": "none"}  # our name: sacrebleu's
RESAMPLES = 1000


class FloatCHRF(CHRF):
    """chrF whose scores are all Python floats.

    sacrebleu's are sometimes float and sometimes numpy.float32, and its bootstrap fails where
    resamples of short texts give both.
    """

    def _compute_score_from_stats(self, stats: list[int]) -> CHRFScore:
        score = super()._compute_score_from_stats(stats)
        score.score = float(score.score)
        return score


@cache
def bleu(tokenization: str, bootstrap: bool = False) -> BLEU:
    """Return the BLEU metric of a tokenization, whose `tokenizer` also splits the text for ROUGE.

    The metric is cached because each new one for morphemes opens another mecab, and after some
    thousands of them that fails (https://github.com/NoUnique/pymecab-ko/issues/11). Bootstrapping
    gets a metric of its own because sacrebleu then changes the metric's signature.
    """
    return BLEU(tokenize=TOKENIZATIONS[tokenization], force=True)  # force: no hints on stderr


def nfc(text: str) -> str:
    """Compose Hangul (NFC): macOS decomposes it (NFD), and equal text must score equal."""
    return unicodedata.normalize("NFC", text)


@dataclass(frozen=True)
class KoreanTokenizer(Tokenizer):
    """A tokenizer for `RougeScorer`; `tokenization` is a key of `TOKENIZATIONS`."""

    tokenization: str = "morpheme"

    def tokenize(self, text: str) -> list[str]:
        tokens: str = bleu(self.tokenization).tokenizer(nfc(text))
        return tokens.split()


@dataclass(frozen=True)
class Scores:
    """Scores from 0 to 100 by name: rouge1, rouge2, rougeL (mean F1), bleu and chrf (corpus)."""

    values: dict[str, float]
    intervals: dict[str, tuple[float, float]]  # 95%; empty unless they were asked for
    signatures: dict[str, str]  # how rouge, bleu and chrf were computed, to print beside them


def score_summaries(
    predictions: Sequence[str],
    references: Sequence[str],
    tokenization: str = "morpheme",
    intervals: bool = False,
) -> Scores:
    """Score each prediction against its reference.

    With `intervals`, the pairs are resampled with replacement `RESAMPLES` times: the 2.5th and
    97.5th percentile for ROUGE, sacrebleu's mean and half width for BLEU and chrF.

    Raises:
        ValueError: a reference is empty, or there is none.
    """
    if not references or not all(reference.strip() for reference in references):
        raise ValueError("a reference is empty")
    scorer = RougeScorer(list(ROUGE), tokenizer=KoreanTokenizer(tokenization))
    scored = (scorer.score(r, p) for p, r in zip(predictions, references, strict=True))
    pairs = 100 * np.array([[score[name].fmeasure for name in ROUGE] for score in scored])  # (N, 3)
    values = dict(zip(ROUGE, pairs.mean(axis=0).tolist(), strict=True))
    signatures = {"rouge": f"F1|mean of pairs|tok:{tokenization}|rouge_score"}
    bounds: dict[str, tuple[float, float]] = {}
    if intervals:
        draws = np.random.default_rng(0).integers(len(pairs), size=(RESAMPLES, len(pairs)))
        means = np.stack([pairs[draw].mean(axis=0) for draw in draws])  # (RESAMPLES, 3)
        low, high = np.percentile(means, [2.5, 97.5], axis=0)
        bounds = {name: (float(low[i]), float(high[i])) for i, name in enumerate(ROUGE)}
    texts = [nfc(text) for text in predictions]
    truths = [[nfc(text) for text in references]]
    for name, metric in (("bleu", bleu(tokenization, intervals)), ("chrf", FloatCHRF())):
        score = metric.corpus_score(texts, truths, n_bootstrap=RESAMPLES if intervals else 1)
        values[name] = float(score.score)
        signatures[name] = str(metric.get_signature())
        if intervals:
            bounds[name] = (float(score._mean - score._ci), float(score._mean + score._ci))
    return Scores(values, bounds, signatures)
