"""One sentence in other words' endings: a template said in plain style, as notes, or spoken."""

import re
from dataclasses import dataclass
from random import Random

from pretraining.text.lexicon import pick
from pretraining.text.particles import final_sound
from pretraining.text.templates import PREDICATE

_BRACES = re.compile(r"\{([^}]*)\}")
# Styles of speaking: the forms of sentence ends with their weights, and how often a filler comes.
STYLES = [
    ({"formal": 8, "reason": 1, "however": 1}, 0.12),
    ({"polite": 6, "reason": 2, "however": 2, "seen": 1, "formal": 1}, 0.3),
    ({"formal": 4, "polite": 4, "reason": 2, "however": 2, "seen": 1}, 0.25),
    ({"casual": 6, "reason": 1}, 0.2),
]
_FILLERS = [
    "음, ", "어, ", "그, ", "뭐, ", "사실 ", "이제 ", "그냥 ", "솔직히 ", "저는 ", "제가 ", "아, ",
    "네, ", "일단 ", "그러니까 ", "뭐랄까, ",
]  # fmt: skip
# How the second of two clauses begins once it is a sentence of its own.
_LINKS = {
    "고": ["그리고 ", "", "", "또 "], "며": ["그리고 ", "", "또 "], "으며": ["그리고 ", "", "또 "],
    "지만": ["근데 ", "그런데 ", "하지만 "], "으나": ["근데 ", "그런데 ", "하지만 "],
    "나": ["근데 ", "그런데 "],
    "는데": ["근데 ", "그런데 ", ""], "은데": ["근데 ", ""], "ᆫ데": ["근데 ", ""],
    "어서": ["그래서 ", "그래 가지고 "], "아서": ["그래서 "],
}  # fmt: skip
_COPULA = {"이에요": "예요", "이었": "였", "이어서": "여서", "이야": "야"}


class Unsayable(Exception):
    """A predicate lacks the form that is asked for: another document is drawn."""


@dataclass
class Sentences:
    """Says templates with the forms of a conjugation table (`templates.conjugation_table`)."""

    table: dict[str, dict[str, str]]

    def _form(self, key: str, name: str, before: str) -> str:
        text = self.table.get(key, {}).get(name)
        if text is None:
            raise Unsayable(key)
        if key.startswith("A이/VCP") and before and "가" <= before[-1] <= "힣":
            for long, short in _COPULA.items():
                if text.startswith(long) and not final_sound(before[-1]):
                    return short + text[len(long) :]
        return text

    def say(self, template: str, final: str | None = None, end: str = ".") -> str:
        """The sentence with its last predicate in the form `final`; None leaves all endings."""
        *parts, tail = PREDICATE.split(template)
        out = ""
        for i in range(0, len(parts), 3):
            body, key, own = parts[i : i + 3]
            out += body
            last = i + 3 == len(parts)
            out += self._form(key, final if last and final else "=" + own, out)
        return out + (end if final else tail)

    def original(self, template: str) -> str:
        """The sentence as it was."""
        return template[1:] if template[0] == "!" else self.say(_BRACES.sub(r"\1", template))

    def plain(self, template: str, final: str = "plain", end: str = ".") -> str:
        """The sentence in plain style, without what a retelling leaves out."""
        return self.say(_BRACES.sub("", template).lstrip(), final, end)

    def spoken(self, rng: Random, template: str, style: int, cut: float) -> list[str]:
        """The sentence as it might be spoken; clauses are cut apart with probability `cut`."""
        ends, filler = STYLES[style]
        *parts, _ = PREDICATE.split(_BRACES.sub(r"\1", template))
        past = parts[-2].endswith(" 었/EP")
        sentences, text, lead = [], "", ""
        for i in range(0, len(parts), 3):
            body, key, own = parts[i : i + 3]
            text += body if text else body.lstrip(" ,")
            last = i + 3 == len(parts)
            cuttable = own in _LINKS and len(text) > 8
            if not last and not (cuttable and rng.random() < cut):
                text += self._form(key, "=" + own, text)
                continue
            if past and not key.endswith("/EP"):
                key += " 었/EP"
            name = rng.choices(list(ends), list(ends.values()))[0]
            sentence = lead + text + self._form(key, name, text) + "."
            sentences.append(pick(rng, _FILLERS) + sentence if rng.random() < filler else sentence)
            lead, text = ("" if last else pick(rng, _LINKS[own])), ""
        return sentences
