import unicodedata

import pytest
from rouge_score.rouge_scorer import RougeScorer

from training.metrics import faithfulness, score_summaries

TEXT = "편의점 물류 센터에서 출고 지연을 12건에서 3건으로 줄였다."


def test_the_trap_that_this_module_is_for() -> None:
    plain = RougeScorer(["rougeL"]).score("출고 지연을 줄였다", "출고 지연을 줄였다")
    assert plain["rougeL"].fmeasure == 0.0


def test_identical_is_100_and_nfd_is_nfc() -> None:
    for prediction in (TEXT, unicodedata.normalize("NFD", TEXT)):
        scores = score_summaries([prediction], [TEXT])
        assert all(value == pytest.approx(100) for value in scores.values()), scores


def test_empty_prediction_is_0() -> None:
    assert all(value == 0 for value in score_summaries([""], [TEXT]).values())


def test_by_hand() -> None:
    # morphemes: 사과|를|먹|었|다 against 사과|를|샀|다
    scores = score_summaries(["사과를 샀다"], ["사과를 먹었다"])
    precision, recall = 3 / 4, 3 / 5  # 사과, 를, 다
    expected = 100 * 2 * precision * recall / (precision + recall)
    assert scores["rouge1"] == pytest.approx(expected)
    assert scores["rougeL"] == pytest.approx(expected)


@pytest.mark.parametrize("references", [[], [""], ["  "]])
def test_an_empty_reference_is_an_error(references: list[str]) -> None:
    with pytest.raises(ValueError, match="reference"):
        score_summaries(["x"] * len(references), references)


def test_faithfulness_by_hand() -> None:
    source = "편의점에서 출고 지연을 30건 줄였고 분석력을 길렀습니다."
    assert faithfulness(["출고 지연을 30건 줄이며 분석력을 길렀다."], [source]) == 100
    # 출고, 지연, 3 (not in 30), 유연 + 함: only the first two are there
    assert faithfulness(["출고 지연을 3건 줄였다."], [source]) == pytest.approx(100 * 2 / 3)
    assert faithfulness([unicodedata.normalize("NFD", source)], [source]) == 100
    assert faithfulness(["강아지가 짖었다."], [source]) == 0
    # over all words of all pairs, not the mean of the pairs
    both = faithfulness(["출고 지연을 줄였다.", "강아지"], [source, source])
    assert both == pytest.approx(100 * 2 / 3)
    assert faithfulness([""], [source]) == 0
