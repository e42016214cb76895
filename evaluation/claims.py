"""What the lesson on scores claims, proved by `make verify LESSON=evaluation`."""

import math
import unicodedata

from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import CHRF

from common.claims import Proof, claim
from data.claims import ANSWER, QUESTION
from evaluation.baselines import first_sentence, oracle_sentence
from evaluation.checks import count_faults, faithfulness
from evaluation.evaluate import HeldOutLoss
from evaluation.metrics import score_summaries

SUMMARY = "재고를 잘못 세어 출고가 3일 늦었다."


def rouge_l(prediction: str, reference: str, tokenization: str = "morpheme") -> float:
    return score_summaries([prediction], [reference], tokenization).values["rougeL"]


@claim("rouge_score는 똑같은 한국어 문장에 0점을 준다")
def rouge_gives_identical_korean_zero() -> Proof:
    plain = "재고를 잘못 세었다"
    usual = 100 * RougeScorer(["rougeL"]).score(plain, plain)["rougeL"].fmeasure
    ours = rouge_l(plain, plain)
    return Proof({"ROUGE-L: 형태소로": ours, "rouge_score": usual}, ours == 100 and usual == 0)


@claim("자모로 나눠 적은(NFD) 요약도 같은 점수를 받는다")
def nfd_scores_as_nfc() -> Proof:
    nfd = unicodedata.normalize("NFD", SUMMARY)
    ours = score_summaries([nfd], [SUMMARY]).values["chrf"]
    raw = CHRF().sentence_score(nfd, [SUMMARY]).score
    return Proof({"chrF: 모아서": ours, "나눈 채로": raw}, ours == 100 and raw < 10)


@claim("어절로 재면 조사 하나만 달라도 낱말 전체가 틀린 것이 된다")
def words_punish_a_particle() -> Proof:
    other = SUMMARY.replace("재고를", "재고는").replace("출고가", "출고는")
    morphemes, words = rouge_l(other, SUMMARY), rouge_l(other, SUMMARY, "word")
    return Proof({"ROUGE-L: 형태소": morphemes, "어절": words}, morphemes > 75 > words)


@claim("수 하나가 틀려도 ROUGE는 거의 그대로지만 충실도는 떨어진다")
def faithfulness_sees_a_wrong_number() -> Proof:
    wrong = SUMMARY.replace("3일", "30일")
    rouge, faithful = rouge_l(wrong, SUMMARY), faithfulness([wrong], [ANSWER])
    kept = faithfulness([SUMMARY], [ANSWER])
    return Proof({"ROUGE-L": rouge, "충실도": faithful}, kept == 100 and rouge > 85 > faithful)


@claim("정답을 보고 고른 문장은 첫 문장보다 낮을 수 없다")
def the_oracle_is_no_worse() -> Proof:
    row = {"question": QUESTION, "answer": ANSWER, "summary": "두 사람이 따로 세었다."}
    oracle, first = (rouge_l(f(row), row["summary"]) for f in (oracle_sentence, first_sentence))
    return Proof({"ROUGE-L: 고른 문장": oracle, "첫 문장": first}, oracle > first)


@claim("토큰이 잘아지면 토큰당 퍼플렉서티는 줄지만 글자당은 그대로다")
def perplexity_of_a_character() -> Proof:
    coarse, fine = HeldOutLoss(60, tokens=20, characters=40), HeldOutLoss(60, 40, 40)
    per_character = (coarse.character_perplexity, fine.character_perplexity)
    numbers = {"토큰당: 굵은": coarse.perplexity, "잔": fine.perplexity}
    holds = math.isclose(*per_character) and coarse.perplexity > fine.perplexity
    return Proof(numbers, holds)


@claim("행이 16배면 신뢰 구간은 4분의 1이다")
def intervals_narrow_with_rows() -> Proof:
    good, bad = (SUMMARY, SUMMARY), ("두 사람이 세었다.", SUMMARY)

    def width(times: int) -> float:
        predictions, references = zip(*[good, bad] * times, strict=True)
        low, high = score_summaries(predictions, references, intervals=True).intervals["rougeL"]
        return high - low

    few, many = width(8), width(128)
    return Proof({"폭: 16행": few, "256행": many}, math.isclose(few / many, 4, rel_tol=0.3))


@claim("점수가 높아도 흠이 있을 수 있다")
def a_good_score_hides_a_fault() -> Proof:
    unfinished = SUMMARY.removesuffix("늦었다.") + "늦"
    score, faults = rouge_l(unfinished, SUMMARY), sum(count_faults([unfinished]).values())
    clean = sum(count_faults([SUMMARY]).values())
    return Proof({"ROUGE-L": score, "흠": faults}, score > 75 and faults == 1 and clean == 0)
