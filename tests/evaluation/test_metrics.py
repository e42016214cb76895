"""Scores against hand-computed cases, korouge-score and sacrebleu, and the trap of 0.0."""

import random
import unicodedata

import pytest
from korouge_score.rouge_scorer import RougeScorer as KoreanRougeScorer
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.tokenizers.tokenizer_ko_mecab import TokenizerKoMecab

from evaluation.metrics import ROUGE, TOKENIZATIONS, bleu, score_summaries
from pretraining.rows import interview_rows

TEXT = "편의점 물류 센터에서 출고 지연을 12건에서 3건으로 줄였다."


def test_the_trap_that_this_module_is_for() -> None:
    plain = RougeScorer(["rougeL"]).score("출고 지연을 줄였다", "출고 지연을 줄였다")
    assert plain["rougeL"].fmeasure == 0.0


@pytest.mark.parametrize("tokenization", TOKENIZATIONS)
def test_identical_is_100_and_nfd_is_nfc(tokenization: str) -> None:
    for prediction in (TEXT, unicodedata.normalize("NFD", TEXT)):
        scores = score_summaries([prediction], [TEXT], tokenization)
        assert all(value == pytest.approx(100) for value in scores.values.values()), scores


@pytest.mark.parametrize("tokenization", TOKENIZATIONS)
def test_empty_prediction_is_0(tokenization: str) -> None:
    assert set(score_summaries([""], [TEXT], tokenization).values.values()) == {0.0}


def f1(matches: int, predicted: int, wanted: int) -> float:
    return 100 * 2 * matches / (predicted + wanted)


@pytest.mark.parametrize(
    ("tokenization", "rouge1", "rouge2"),
    [
        # 사과|를|샀|다 against 사과|를|먹|었|다: 사과, 를, 다; 사과를
        ("morpheme", f1(3, 4, 5), f1(1, 3, 4)),
        # 사과를샀다 against 사과를먹었다: 사, 과, 를, 다; 사과, 과를
        ("char", f1(4, 5, 6), f1(2, 4, 5)),
        ("word", f1(1, 2, 2), 0.0),
    ],
)
def test_by_hand(tokenization: str, rouge1: float, rouge2: float) -> None:
    scores = score_summaries(["사과를 샀다"], ["사과를 먹었다"], tokenization).values
    assert scores["rouge1"] == pytest.approx(rouge1)
    assert scores["rouge2"] == pytest.approx(rouge2)
    assert scores["rougeL"] == pytest.approx(rouge1)  # the matches stand in one order


def shuffled_pairs(count: int) -> tuple[list[str], list[str]]:
    """Summaries, and the same with some words lost and some exchanged."""
    rng = random.Random(0)
    references = [row["summary"] for row in interview_rows(count, seed=3)]
    predictions = []
    for reference in references:
        words = [word for word in reference.split() if rng.random() < 0.8]
        i, j = rng.randrange(len(words)), rng.randrange(len(words))
        words[i], words[j] = words[j], words[i]
        predictions.append(" ".join(words))
    return predictions, references


def test_words_as_korouge_score() -> None:
    # It strips punctuation and all but Hangul and Latin: compare where there is none to strip.
    predictions, references = shuffled_pairs(60)
    plain = str.maketrans("", "", ".,?!'\"“”()%·~-:")
    predictions = [text.translate(plain).lower() for text in predictions]
    references = [text.translate(plain).lower() for text in references]
    theirs = KoreanRougeScorer(list(ROUGE))
    scores = [theirs.score(r, p) for r, p in zip(references, predictions, strict=True)]
    ours = score_summaries(predictions, references, "word").values
    for name in ROUGE:
        expected = 100 * sum(score[name].fmeasure for score in scores) / len(scores)
        assert 30 < expected < 95
        assert ours[name] == pytest.approx(expected)


@pytest.mark.parametrize("tokenization", TOKENIZATIONS)
def test_bleu_and_chrf_are_sacrebleus_and_say_how(tokenization: str) -> None:
    predictions, references = shuffled_pairs(40)
    scores = score_summaries(predictions, references, tokenization)
    expected = BLEU(tokenize=TOKENIZATIONS[tokenization], force=True)
    assert scores.values["bleu"] == expected.corpus_score(predictions, [references]).score
    assert scores.values["chrf"] == CHRF().corpus_score(predictions, [references]).score
    assert f"tok:{TOKENIZATIONS[tokenization]}" in scores.signatures["bleu"]
    assert "version:" in scores.signatures["bleu"] and "nc:6" in scores.signatures["chrf"]
    assert tokenization in scores.signatures["rouge"]
    assert "bs:" not in scores.signatures["bleu"] + scores.signatures["chrf"]
    bootstrapped = score_summaries(predictions, references, tokenization, intervals=True)
    assert "bs:1000" in bootstrapped.signatures["bleu"]
    assert score_summaries(predictions, references, tokenization) == scores


def test_intervals_hold_the_score_and_narrow_with_more_pairs() -> None:
    widths = []
    for count in (20, 320):
        scores = score_summaries(*shuffled_pairs(count), intervals=True)
        for name, value in scores.values.items():
            low, high = scores.intervals[name]
            assert 0 <= low < high <= 100
            assert low - 0.5 < value < high + 0.5
        widths.append(scores.intervals["rougeL"][1] - scores.intervals["rougeL"][0])
    assert widths[1] == pytest.approx(widths[0] / 4, rel=0.4)  # 1 / sqrt(16)


def test_one_tagger_scores_any_number_of_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    bleu("morpheme")

    def refuse(_self: object) -> None:
        raise AssertionError("another tagger")

    monkeypatch.setattr(TokenizerKoMecab, "__init__", refuse)
    for _ in range(50):
        score_summaries(["사과를 샀다"] * 40, ["사과를 먹었다"] * 40)


def test_intervals_of_short_and_empty_predictions() -> None:
    predictions = ["", "창고 창고 창고", "줄였다.", "출고 지연을 12건에서 3건으로 줄였다."]
    for texts in (
        predictions,
        predictions[:2],
        predictions[:3],
        [""] * 3,
    ):  # sacrebleu's own: TypeError
        scores = score_summaries(texts, [TEXT] * len(texts), intervals=True)
        for low, high in scores.intervals.values():
            assert low <= high


@pytest.mark.parametrize("references", [[], [""], ["  "]])
def test_an_empty_reference_is_an_error(references: list[str]) -> None:
    with pytest.raises(ValueError, match="reference"):
        score_summaries(["x"] * len(references), references)
