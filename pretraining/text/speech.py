"""Facts to text: a spoken answer, and the same facts retold in writing."""

import random
import re
from dataclasses import dataclass
from itertools import pairwise

from pretraining.text.clauses import Clause
from pretraining.text.conjugate import conjugate
from pretraining.text.lexicon import pick, voice

FILLERS = ["음, ", "어, ", "그러니까 ", "사실 ", "뭐랄까, ", "그, "]
_SETTING_SPOKEN = ["었을 때", "던 때", "었을 당시에", "던 중에"]


@dataclass(frozen=True)
class Speaker:
    """How one person talks. Probabilities are per sentence."""

    polite: bool  # 해요체 rather than 합쇼체
    filler: float
    chatter: float
    join: float  # two facts in one sentence

    @classmethod
    def draw(cls, rng: random.Random) -> "Speaker":
        return cls(
            polite=rng.random() < 0.22,
            filler=pick_float(rng, (0.0, 0.05, 0.12, 0.25)),
            chatter=pick_float(rng, (0.05, 0.2, 0.3, 0.5)),
            join=pick_float(rng, (0.05, 0.15, 0.3)),
        )


def pick_float(rng: random.Random, options: tuple[float, ...]) -> float:
    return options[int(rng.random() * len(options))]


def _ending(clause: Clause, style: dict[str, list[str]], rng: random.Random) -> str:
    key = {"L": "lesson", "F": "plan", "W": "reason"}.get(clause.role, clause.tense)
    if clause.role == "W" and clause.tense == "past":
        key = "reason_past"
    return pick(rng, style[key])


# A clause that opens with its own time or subject takes no lead that names one again.
_OWN_OPENING = re.compile(r"(첫|다음|합격|앞으로|지난|작년|입사|당시|그 |예전|처음|\d{4}년)")
_OWN_SUBJECT = re.compile(r"\S*(?:[은는]|[이가] )|\S+ \S+ ?\S*[은는] |주변")


def _fitting(lead: str, text: str) -> str:
    if _OWN_OPENING.match(text) or ("저는" in lead and _OWN_SUBJECT.match(text)):
        return ""
    repeated = lead and lead.split()[0] in text
    return "" if repeated else lead


def answer(facts: list[Clause], speaker: Speaker, rng: random.Random) -> str:
    """The facts as 2-12 spoken sentences, in order, with leads, fillers and small talk."""
    style = voice("polite" if speaker.polite else "formal")
    chatter, leads = voice("chatter"), voice("leads")
    tail = "_polite" if speaker.polite and rng.random() < 0.8 else ""
    # Small talk about an event fits a story only.
    kind = "" if any(fact.role in "SP" for fact in facts) else "_claim"
    sentences: list[str] = []
    if rng.random() < speaker.chatter:
        sentences.append(pick(rng, chatter["open" + kind + tail]))
    setting, previous = "", ""
    index = 0
    while index < len(facts):
        fact = facts[index]
        index += 1
        if fact.role == "S":
            setting = (
                _fitting(pick(rng, leads["S"]), fact.text)
                + conjugate(fact.text, pick(rng, _SETTING_SPOKEN))
                + " "
            )
            continue
        text, lead = fact.text, ""
        key = fact.role + "2" if fact.role == previous and fact.role + "2" in leads else fact.role
        if rng.random() < 0.7:
            lead = _fitting(pick(rng, leads[key]), text)
        joinable = index < len(facts) and facts[index].role == fact.role and fact.role in "AEF"
        if joinable and rng.random() < 0.2 + speaker.join:
            text = conjugate(text, "고") + " " + facts[index].text
            index += 1
        previous = fact.role
        if setting:
            lead, setting = setting, ""
        if lead == "" and rng.random() < speaker.filler:
            lead = pick(rng, FILLERS)
        sentences.append(lead + conjugate(text, _ending(fact, style, rng)) + ".")
        if rng.random() < speaker.chatter / 2:
            remark = pick(rng, chatter["mid" + kind + tail])
            if remark not in sentences:
                sentences.append(remark)
    if rng.random() < speaker.chatter:
        sentences.append(pick(rng, chatter["close" + kind + tail]))
    return " ".join(sentences)


def retell(facts: list[Clause], style_name: str, rng: random.Random) -> str:
    """The facts in plain written style, one to five sentences; `style_name` is in voice.json."""
    style = voice(style_name)
    roles = {role: [fact for fact in facts if fact.role == role] for role in "SPACWERFL"}
    sentences: list[str] = []
    if roles["C"] or roles["F"] or roles["W"] or roles["E"]:
        sentences += _claims(roles, style, rng)
    story = _story(roles, style, rng)
    if story:
        sentences.append(story + ".")
    for lesson in roles["L"]:
        lead = pick(rng, style["lesson_lead"]) if sentences else ""
        sentences.append(lead + conjugate(lesson.text, pick(rng, style["lesson"])) + ".")
    return " ".join(sentences)


def _story(roles: dict[str, list[Clause]], style: dict[str, list[str]], rng: random.Random) -> str:
    """Setting, problem, actions and result, without the last full stop.

    One sentence, or one for each fact where the joints of the style are full stops ("었다.").
    """
    parts = [(role, fact.text) for role in "SPAR" for fact in roles[role]]
    if not parts or (roles["C"] and not roles["A"]):
        # A claim's evidence is told with the claim; only a measured result is left.
        if not roles["R"] or not roles["C"]:
            return ""
        return conjugate(roles["R"][0].text, pick(rng, style["past"]))
    text = ""
    for (role, clause), (following, _) in pairwise(parts):
        pair = role if role == "S" else role + following
        joint = pair if pair in style else "AA"
        text += conjugate(clause, pick(rng, style[joint])) + " "
    return text + conjugate(parts[-1][1], pick(rng, style["past"]))


def _claims(
    roles: dict[str, list[Clause]], style: dict[str, list[str]], rng: random.Random
) -> list[str]:
    """Claim, reason, evidence and plan, each a sentence; two of a kind share one."""
    sentences = []
    for claim in roles["C"]:
        sentences.append(conjugate(claim.text, pick(rng, style[claim.tense])) + ".")
    for reason in roles["W"]:
        ending = pick(rng, style["reason"])
        if reason.tense == "past":
            ending = "었" + ending.removeprefix("ㄴ")
            ending = ending if ending.startswith(("었기", "었다")) else "었기 때문이다"
        sentences.append(pick(rng, style["reason_lead"]) + conjugate(reason.text, ending) + ".")
    evidence = ""
    if roles["E"] and roles["F"] and len(sentences) > 1:
        # Four sentences are one too many for a summary: evidence and plan share the last.
        evidence = "".join(conjugate(fact.text, "었으며") + " " for fact in roles["E"])
        roles = roles | {"E": []}
    for role, lead, key in (("E", "evidence_lead", "past"), ("F", "plan_lead", "plan")):
        texts = [fact.text for fact in roles[role]]
        if texts:
            joined = "".join(
                conjugate(text, pick(rng, style["EE"]) if role == "E" else "고") + " "
                for text in texts[:-1]
            )
            last = conjugate(texts[-1], pick(rng, style[key]))
            head = _fitting(pick(rng, style[lead]), texts[0])
            sentences.append(evidence + head + joined + last + ".")
    return sentences
