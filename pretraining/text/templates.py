"""Real sentences taken apart, so that they can be said again in another style.

A sentence becomes a *template*: braces hold what a retelling leaves out, and angle brackets hold a
predicate whose ending may be exchanged, as the morphemes of its stem and its own ending.

    음, 제가 그때 9시로 옮겼습니다.  ->  {음, }{제가 }그때 9시로 <V옮기/VV 었/EP|습니다>.

kiwipiepy (https://github.com/bab2min/kiwipiepy) analyses and conjugates. It is needed only here,
when the corpus is prepared: whoever composes documents reads templates and a table of predicates.
"""

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kiwipiepy import Kiwi, Token

# Endings of statements. A sentence with another ending (a question, a request) has no template.
ENDINGS = {
    "습니다", "ᆸ니다", "어요", "아요", "에요", "요", "죠", "지요", "거든요", "는데요", "은데요",
    "ᆫ데요", "네요", "더라고요", "더라구요", "군요", "고요", "구요", "다", "ᆫ다", "는다", "어",
    "지", "거든", "더라고", "는데", "ᆫ데", "은데", "네", "더라", "을게요", "ᆯ게요", "게요",
}  # fmt: skip
# Connective endings after which a sentence can be cut in two.
JOINTS = {
    "고", "으며", "며", "지만", "어서", "아서", "는데", "은데", "ᆫ데", "으나", "나", "자",
    "면서", "으면서",
}  # fmt: skip
ADJECTIVES = ("VA", "XSA", "VCP", "VCN")
PREDICATES = ("VV", "XSV", "VX", *ADJECTIVES)
TENSES = ("시", "으시", "었", "겠", "았", "였")
FILLERS = {
    "음", "어", "아", "그", "뭐", "네", "예", "이제", "그냥", "막", "좀", "사실", "솔직히",
    "일단", "아무튼", "뭐랄까", "그러니까", "약간", "글쎄요", "글쎄", "저", "자", "인제", "정말",
    "진짜",
}  # fmt: skip
LOOSE_ADVERBS = {
    "뭐", "이제", "그냥", "막", "좀", "사실", "솔직히", "일단", "약간", "인제",
}  # fmt: skip
LEADS = {
    "그래서", "그러니까", "그런데", "근데", "그리고", "하지만", "그러나", "그렇지만", "또한",
    "그러면서", "그러다", "그러다가", "따라서", "또", "그러면", "그럼", "즉", "특히", "결국",
    "이에", "한편",
}  # fmt: skip
# The forms in which a predicate may be said again: (ending of a verb, ending of an adjective).
FORMS = {
    "plain": ("ᆫ다", "다"), "formal": ("습니다", "습니다"), "polite": ("어요", "어요"),
    "reason": ("거든요", "거든요"), "however": ("는데요", "은데요"),
    "seen": ("더라고요", "더라고요"), "casual": ("어", "어"), "note": ("ᆷ", "ᆷ"),
    "and": ("고", "고"), "while": ("며", "며"),
    "but": ("지만", "지만"), "so": ("어서", "어서"), "though": ("으나", "으나"),
    "given": ("는데", "은데"),
}  # fmt: skip
CONNECTIVES = ("and", "while", "but", "so", "though", "given")
PREDICATE = re.compile(r"<([^|>]+)\|([^>]+)>")
# Marks that only written text has, emoticons, runs of Chinese characters: no template.
_UNSPEAKABLE = re.compile(r"[|{}<>\[\]=_#@\\^~*]|https?|ㅋ|ㅎ|ㅠ|[一-鿿]{4,}")
_LONGEST = 200

Edit = tuple[int, int, str]  # first and last character (exclusive), and what replaces them


def paragraphs_to_templates(kiwi: "Kiwi", paragraphs: Iterable[str]) -> Iterator[list[str]]:
    """For each paragraph its sentences: templates, or the sentence itself after a "!"."""
    for sentences in kiwi.split_into_sents(paragraphs, return_tokens=True):
        yield [
            _template(s.text, s.tokens or [], s.start) or "!" + " ".join(s.text.split())
            for s in sentences
        ]


def conjugation_table(kiwi: "Kiwi", templates: Iterable[str]) -> dict[str, dict[str, str]]:
    """Every predicate of the templates in each form of `FORMS` and, as "=ending", its own ones.

    A predicate in the past tense is there in the present as well, and the other way round.
    """
    seen: dict[str, set[str]] = {}
    for template in templates:
        for key, ending in PREDICATE.findall(template):
            seen.setdefault(key, set()).add(ending)
    for key in list(seen):
        if key.endswith(" 었/EP"):
            seen.setdefault(key.removesuffix(" 었/EP"), set())
        elif not key.endswith("/EP"):
            seen.setdefault(key + " 었/EP", set())
    return {key: _forms(kiwi, key, endings) for key, endings in seen.items()}


def _forms(kiwi: "Kiwi", key: str, endings: set[str]) -> dict[str, str]:
    # 거 is how 것 is spoken; 것 has all the forms.
    stem = [tuple(part.rsplit("/", 1)) for part in key[1:].replace("거/NNB", "것/NNB").split(" ")]
    past, copula = stem[-1] in (("었", "EP"), ("겠", "EP")), stem[-1][1] in ("VCP", "VCN")
    descriptive = key[0] == "A"
    row = {}
    for name, (verb, adjective) in FORMS.items():
        ending = adjective if descriptive or past else verb
        if name in ("however", "given") and (past or stem[-1][0] in ("있", "없", "계시")):
            ending = verb
        if (name == "so" and past) or (name == "though" and not past):
            continue
        if copula and name in ("polite", "casual"):
            ending = "에요" if name == "polite" else "야"
        row[name] = kiwi.join([*stem, (ending, "EC" if name in CONNECTIVES else "EF")])
        row[name] = row[name].replace("것이에요", "거예요").replace("것이야", "거야")
    own = [tuple(part.rsplit("/", 1)) for part in key[1:].split(" ")]
    for ending in endings:
        row["=" + ending] = kiwi.join([*own, (ending, "EF")]).replace("거입니다", "겁니다")
    return row


def _template(text: str, tokens: list["Token"], base: int) -> str | None:
    """The template of one sentence whose first character is number `base`; None: no statement."""
    if len(text) > _LONGEST or _UNSPEAKABLE.search(text) or not tokens:
        return None
    if tokens[0].tag.startswith(("J", "E", "XS", "VCP")):
        return None  # the sentence splitter has cut a word in two
    found = _final_predicate(tokens)
    if found is None:
        return None
    start, final = found
    edits = [final, *_joints(text, tokens, start, base)]
    edits += _removable(text, tokens, start, base, edits)
    out, position = "", base
    for first, last, replacement in sorted(edits):
        if first < position:
            return None
        out += _without_marks(text[position - base : first - base]) + replacement
        position = last
    return out + "."


def _final_predicate(tokens: list["Token"]) -> tuple[int, Edit] | None:
    """The index of the first token of the sentence's last predicate, and its replacement."""
    end = len(tokens)
    while end and tokens[end - 1].tag[0] in "SW":
        end -= 1
    if end < 2 or any(token.form == "?" for token in tokens[end:]):
        return None
    last, stop = end - 1, tokens[end - 1].start + tokens[end - 1].len
    ending = tokens[last].form
    if tokens[last].tag == "JX" and ending == "요" and tokens[last - 1].tag in ("EC", "EF"):
        last -= 1
        ending = tokens[last].form + "요"
    if tokens[last].tag not in ("EF", "EC") or ending not in ENDINGS:
        return None
    start = _stem(tokens, last)
    if start is None:
        return None
    return start, (tokens[start].start, stop, f"<{_key(tokens, start, last)}|{ending}>")


def _joints(text: str, tokens: list["Token"], end: int, base: int) -> list[Edit]:
    """Predicates before `end` whose connective ending joins two clauses."""
    edits = []
    for i in range(1, end - 3):
        token, following = tokens[i], tokens[i + 1]
        stop = token.start + token.len
        if token.tag != "EC" or token.form not in JOINTS or following.tag[:2] in ("VX", "JX", "SF"):
            continue
        if text[stop - base : stop - base + 1] not in (" ", ","):
            continue
        start = _stem(tokens, i)
        if start and not tokens[start].tag.startswith("VX"):
            edits.append((tokens[start].start, stop, f"<{_key(tokens, start, i)}|{token.form}>"))
    return edits


def _removable(
    text: str, tokens: list["Token"], end: int, base: int, taken: list[Edit]
) -> list[Edit]:
    """Fillers, leading conjunctions and first-person pronouns with their particle, in braces."""
    edits: list[Edit] = []
    i = 0
    while i < end:
        count = _removable_tokens(tokens, i)
        first, last = tokens[i].start, tokens[i + count].start
        if count and not any(a < last and first < b for a, b, _ in taken):
            edits.append(
                (first, last, "{" + _without_marks(text[first - base : last - base]) + "}")
            )
        i += max(count, 1)
    return edits


def _removable_tokens(tokens: list["Token"], i: int) -> int:
    """How many tokens from number `i` on a retelling leaves out."""
    token, following = tokens[i], tokens[i + 1]
    tag, comma = token.tag.split("-")[0], following.tag == "SP"
    if tag == "IC" or (tag in ("MAG", "MM", "NP") and token.form in FILLERS and comma):
        return 1 + comma
    if tag == "MAG" and token.form in LOOSE_ADVERBS:
        return 1 + comma
    if i == 0 and token.form in LEADS and tag in ("MAJ", "MAG"):
        return 1 + comma
    if tag == "NP" and token.form in ("저", "나", "제", "내", "저희", "우리"):
        if following.tag in ("JX", "JKS") and following.form in ("는", "은", "가", "이", "도"):
            return 2 + (tokens[i + 2].tag == "SP")
        if following.tag == "JKG" and token.form in ("저", "나", "저희"):
            return 2
        if token.form == "저희" and following.tag.startswith("N"):
            return 1
    return 0


def _stem(tokens: list["Token"], ending: int) -> int | None:
    """The index of the first token of the predicate that `tokens[ending]` ends, or None."""
    i = ending - 1
    while i >= 0 and tokens[i].tag == "EP":
        i -= 1
    if i < 0 or tokens[i].tag.split("-")[0] not in PREDICATES:
        return None
    if any(token.form not in TENSES for token in tokens[i + 1 : ending]):
        return None
    # A stem that shares a syllable with the token before it (거 + 이다) takes that one along.
    while i > 0 and tokens[i].start < tokens[i - 1].start + tokens[i - 1].len:
        i -= 1
    # The name of a predicate has blanks and slashes between and in its morphemes.
    usable = ending - i <= 6 and not any(set(" /|<>") & set(t.form) for t in tokens[i:ending])
    return i if usable else None


def _key(tokens: list["Token"], start: int, ending: int) -> str:
    """The name of a predicate: A or V (whether it conjugates like an adjective), its morphemes."""
    stem = next(i for i in range(ending - 1, start - 1, -1) if tokens[i].tag != "EP")
    form, tag = tokens[stem].form, tokens[stem].tag.split("-")[0]
    descriptive = tag in ADJECTIVES or form in ("있", "없", "싶", "계시")
    if tag == "VX" and form in ("않", "못하"):  # 좋지 않다, but 가지 않는다
        before = tokens[max(0, stem - 3) : stem]
        descriptive = any(token.tag.split("-")[0] in ADJECTIVES for token in before)
    # -R and -I tell kiwipiepy's join how an irregular stem conjugates.
    names = [
        f"{t.form}/{t.tag if t.tag.endswith(('-R', '-I')) else t.tag.split('-')[0]}"
        for t in tokens[start:ending]
    ]
    return ("A" if descriptive else "V") + " ".join(names)


def _without_marks(text: str) -> str:
    return text.translate(str.maketrans("{}<>|", "()〈〉/"))
