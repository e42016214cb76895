"""Documents from the templates of real text: a passage, and the same again in plain style.

What is to be learnt is the summariser's habit: say again, shorter, in the text's own words. A
spoken passage is shown as it was said, or in another style; a written one as somebody might say it.
The retelling drops fillers and the first person, chooses sentences, turns their endings into plain
style and joins neighbours. All it says is in the passage, by construction.
"""

import re
from dataclasses import dataclass
from random import Random

from pretraining.text.lexicon import pick, read_json, render
from pretraining.text.particles import final_sound
from pretraining.text.sentences import STYLES, Sentences, Unsayable

SPOKEN = {
    "pyconkr_talk_transcripts", "assembly_committee_speech_2024", "president_speeches_1988_2022",
    "nsmc_reviews", "fairytales_ko", "global_asp_stories_ko", "tatoeba_ko", "civic_tech_blogs",
    "ud_ksl_learner_essays", "interview_answers",
}  # fmt: skip
# Lines of these sources do not continue one another.
UNRELATED = {"wiki_ko_prose", "unesco_reports_ko", "nsmc_reviews", "interview_answers"}

_LEAD = re.compile(r"\{([^}]*)\}")
_NUMBER = re.compile(r"\d+")
_STEM = re.compile(r"[가-힣A-Za-z0-9]{2,}")
_NOUN = re.compile(r"[가-힣]{2,5}(?=(?:을|를|은|는|이|가|의|에서|으로|로|와|과|도)(?:\s|$))")
_OPENINGS = [
    "네, ", "음, ", "어, ", "저는 ", "제가 ", "아, 네. ", "네, 말씀드리겠습니다. ", "글쎄요, ",
    "사실은요, ",
]  # fmt: skip
_CONTRAST, _CONSEQUENCE = {"하지만", "그러나", "그런데", "근데", "그렇지만"}, {"그래서", "따라서"}


@dataclass
class Passages:
    """Paragraphs of templates by source, how sentences are said, and nouns to exchange."""

    sources: dict[str, list[str]]  # each paragraph's templates, with tabs between them
    sentences: Sentences
    nouns: list[str]

    def __post_init__(self) -> None:
        frames = read_json("layouts.json")["frames"]
        self.frames = [f for f in frames if not re.search(r"\{(?:q|b|name|title|asker)\}", f)]
        self.noun_set = set(self.nouns)
        self.nouns_by_sound: dict[tuple[bool, bool], list[str]] = {}
        for noun in self.nouns:
            self.nouns_by_sound.setdefault(_sound(noun), []).append(noun)

    def select(self, rng: Random, texts: list[str], allowed: list[int], count: int) -> list[int]:
        """The `count` most central sentences, in their order; numbers and both ends count more."""
        stems = [{word[:2] for word in _STEM.findall(text)} for text in texts]
        scores = {}
        for i in allowed:
            others = set().union(*(s for j, s in enumerate(stems) if j != i))
            shared = len(stems[i] & others) / (len(stems[i]) + 3)
            ends = 0.15 * (i == 0) + 0.1 * (i == len(texts) - 1)
            number = 0.25 * bool(_NUMBER.search(texts[i]))
            scores[i] = shared + ends + number + 0.15 * rng.random()
        return sorted(sorted(allowed, key=lambda i: -scores[i])[:count])

    def retell(self, rng: Random, templates: list[str], join: float) -> str:
        """All templates in plain style; neighbours are joined with probability `join`."""
        out, i = [], 0
        while i < len(templates):
            pair = templates[i : i + 2]
            if len(pair) == 2 and sum(map(len, pair)) < 190 and rng.random() < join:
                out.append(self._first_clause(rng, *pair) + self.sentences.plain(pair[1]))
                i += 2
            else:
                out.append(self.sentences.plain(pair[0]))
                i += 1
        return " ".join(out)

    def _first_clause(self, rng: Random, first: str, second: str) -> str:
        lead = _LEAD.match(second)
        word = lead[1].strip(" ,") if lead else ""
        if word in _CONSEQUENCE:
            return self.sentences.plain(re.sub(r" 었/EP(?=\|[^>]*>[^<]*$)", "", first), "so", " ")
        if word in _CONTRAST:
            return self.sentences.plain(first, pick(rng, ["but", "but", "given"]), " ")
        return self.sentences.plain(first, pick(rng, ["and", "while"]), pick(rng, [" ", " ", ", "]))

    def text(self, rng: Random, source: str) -> str:
        """Some 700 characters of a source, as they were."""
        rows = self.sources[source]
        i = int(rng.random() * len(rows))
        lines: list[str] = []
        while i < len(rows) and sum(map(len, lines)) < 700:
            lines.append(" ".join(map(self.sentences.original, rows[i].split("\t"))))
            if source == "wiki_ko_prose":
                break
            i += 1
        return "\n".join(lines)

    def document(self, rng: Random, source: str) -> str:
        """A passage and its retelling, in one of many layouts.

        Raises:
            Unsayable: nothing in the passage can be retold.
        """
        templates = self._draw(rng, source)
        texts = [self.sentences.original(template) for template in templates]
        tellable = [
            i for i, t in enumerate(templates) if t[0] != "!" and 10 <= len(texts[i]) <= 150
        ]
        if not tellable:
            raise Unsayable
        title, retold = self._retelling(rng, templates, texts, tellable)
        told = self._told(rng, source, templates, texts, tellable)
        if title in read_json("forms.json")["repeats"]:
            told = retold  # a dictation repeats what was said, in the style in which it was said
        if len(retold) > 1.05 * len(told) + 10:
            raise Unsayable
        told, retold = self._exchange(rng, told, retold)
        spoken = pick(rng, read_json("layouts.json")["spoken"])
        parts = {"s": spoken, "w": title, "a": told, "r": retold, "teller": "말하는 이"}
        parts |= {"year": "2024", "month": "5", "day": "7"}
        return render(pick(rng, self.frames), parts)

    def _draw(self, rng: Random, source: str) -> list[str]:
        """Consecutive sentences: one to twelve, of neighbouring lines where those continue."""
        most = rng.choices([3, 5, 8, 12], [2, 4, 3, 1])[0]
        count = 1 if rng.random() < 0.15 else 2 + int(rng.random() * (most - 1))
        rows = self.sources[source]
        i = int(rng.random() * len(rows))
        templates = rows[i].split("\t")
        while len(templates) < count and source not in UNRELATED and i + 1 < len(rows):
            i += 1
            templates += rows[i].split("\t")
        start = int(rng.random() * (max(0, len(templates) - count) + 1))
        return templates[start : start + count]

    def _told(
        self, rng: Random, source: str, templates: list[str], texts: list[str], tellable: list[int]
    ) -> str:
        """The passage itself: as it was, or as somebody would say it."""
        if rng.random() < (0.7 if source in SPOKEN else 0.2):
            told = " ".join(texts)
        else:
            style, cut = int(rng.random() * len(STYLES)), rng.choice([0.0, 0.3, 0.7])
            sentences: list[str] = []
            for i, template in enumerate(templates):
                if i in tellable:
                    sentences += self.sentences.spoken(rng, template, style, cut)
                elif rng.random() < 0.5:
                    sentences.append(texts[i])
            told = " ".join(sentences)
        if source not in SPOKEN and rng.random() < 0.4:
            told = pick(rng, _OPENINGS) + told
        return told

    def _retelling(
        self, rng: Random, templates: list[str], texts: list[str], tellable: list[int]
    ) -> tuple[str, str]:
        """A title and what stands under it: a summary, all in plain style, notes, a blank."""
        forms, draw = read_json("forms.json"), rng.random()
        if draw < 0.06:
            return pick(rng, forms["repeats"]), " ".join(texts)
        if draw < 0.64:
            count = rng.choices([1, 2, 3, 4], [3, 5, 4, 1])[0]
            chosen = self.select(rng, texts, tellable, count)
            title = pick(rng, read_json("layouts.json")["written"])
            return title, self.retell(rng, [templates[i] for i in chosen], 0.45)
        if draw < 0.78:
            retold = self.retell(rng, [templates[i] for i in tellable], 0.25)
            return pick(rng, forms["written"]), retold
        if draw < 0.88:
            count = max(1, round(len(tellable) * (0.4 + 0.6 * rng.random())))
            mark = pick(rng, ["- ", "* ", "· ", "• "])
            chosen = self.select(rng, texts, tellable, count)
            notes = [mark + self.sentences.plain(templates[i], "note", "") for i in chosen]
            return pick(rng, forms["notes"]), "\n".join(notes)
        if draw < 0.94:
            first = rng.random() < 0.5
            title = pick(rng, forms["first" if first else "last"])
            return title, self.sentences.plain(templates[tellable[0 if first else -1]])
        words = self.sentences.plain(templates[rng.choice(tellable)]).split()
        place = int(rng.random() * len(words))
        hidden = words[place].rstrip(".,")
        words[place] = words[place].replace(hidden, pick(rng, ["___", "( )", "○○", "[빈칸]"]), 1)
        answer = pick(rng, ["\n답: ", " → ", "\n정답 "]) + hidden
        return pick(rng, ["빈칸", "채울 곳", "알맞은 말"]), " ".join(words) + answer

    def _exchange(self, rng: Random, told: str, retold: str) -> tuple[str, str]:
        """Draw numbers and a few nouns anew, the same in both: what is new can only be copied."""
        if rng.random() < 0.35:
            new = {n: _number_like(rng, n) for n in dict.fromkeys(_NUMBER.findall(retold))}
            told, retold = (
                _NUMBER.sub(lambda m: new.get(m[0], m[0]), text) for text in (told, retold)
            )
        if self.nouns and rng.random() < 0.4:
            for noun in list(dict.fromkeys(_NOUN.findall(retold)))[:8]:
                verb = f"{noun}하" in told + retold or f"{noun}되" in told + retold
                if rng.random() < 0.4 and noun in self.noun_set and noun in told and not verb:
                    # The same final sound: the particles after it stay right.
                    other = pick(rng, self.nouns_by_sound[_sound(noun)])
                    told, retold = told.replace(noun, other), retold.replace(noun, other)
        return told, retold


def _sound(noun: str) -> tuple[bool, bool]:
    """Whether a noun ends in a consonant, and whether that is ㄹ: all that particles depend on."""
    return final_sound(noun[-1]) != 0, final_sound(noun[-1]) == 8


def _number_like(rng: Random, number: str) -> str:
    return str(rng.randint(1, 9)) + "".join(str(rng.randint(0, 9)) for _ in number[1:])
