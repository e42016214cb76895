"""Faithfulness and faults against cases counted by hand."""

import unicodedata

import pytest

from evaluation.checks import FAULTS, count_faults, faithfulness


def test_faithfulness_by_hand() -> None:
    source = "편의점에서 출고 지연을 30건 줄였고 분석력을 길렀습니다."
    assert faithfulness(["출고 지연을 30건 줄이며 분석력을 길렀다."], [source]) == 100
    # 출고, 지연 and 3, which is not in 30
    assert faithfulness(["출고 지연을 3건 줄였다."], [source]) == pytest.approx(100 * 2 / 3)
    assert faithfulness([unicodedata.normalize("NFD", source)], [source]) == 100
    assert faithfulness(["강아지가 짖었다."], [source]) == 0
    # over all words of all pairs, not the mean of the pairs
    both = faithfulness(["출고 지연을 줄였다.", "강아지"], [source, source])
    assert both == pytest.approx(100 * 2 / 3)
    assert faithfulness([""], [source]) == 0


@pytest.mark.parametrize(
    ("summary", "source", "share"),
    [
        ("1,500원을 썼다.", "1,200원과 500원을 썼다.", 0),
        ("500원을 썼다.", "1,500원을 썼다.", 0),
        ("1건이다.", "30건.", 0),
        ("5.3퍼센트 늘었다.", "3.5퍼센트 늘었다.", 0),
        ("1200만 원을 썼다.", "1,200만 원을 썼다.", 100),
        ("30건이다.", "30건.", 100),
    ],
)
def test_numbers_are_whole(summary: str, source: str, share: float) -> None:
    assert faithfulness([summary], [source]) == share


@pytest.mark.parametrize(
    ("summary", "faults"),
    [
        ("물류 경험을 살리고자 지원했다.", []),
        ("물류 경험을 살리고자 지원함", []),
        ("  ", ["빈 요약"]),
        ("물류 경험을 살리고", ["안 끝남"]),
        ("물류 경\ufffd을 살리고자 지원함.", ["깨진 글자"]),
        ("그는 그를 그는 그를 그는 그를 보았다.", ["되풀이"]),
        ("하하하하하하 웃었다.", ["되풀이"]),
        ("매우 매우 좋았다.", []),  # twice is emphasis
        ("창고 창고 창고", ["안 끝남", "되풀이"]),
    ],
)
def test_faults_by_hand(summary: str, faults: list[str]) -> None:
    assert [name for name, count in count_faults([summary]).items() if count] == faults


def test_faults_are_counted_by_summary() -> None:
    assert count_faults([]) == dict.fromkeys(FAULTS, 0)
    assert count_faults(["끝났다.", "", ""])["빈 요약"] == 2
