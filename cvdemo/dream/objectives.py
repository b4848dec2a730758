"""Objectives written as text: `block8 + 0.3*block12`, `block9:41 - 0.5*block9:3`, `class:peacock`, `guide:block8`.

    expression = ["+" | "-"] term {("+" | "-") term}
    term       = number "*" atom | atom ["*" number]
    atom       = "class:" name | "guide:" layer | layer [":" (number | "strongest" number | "weakest" number)]

A class's name ends at "*", "+", or a "-" after a space: names have hyphens within, and none of these.
"""

import re
from collections.abc import Callable
from typing import NoReturn, TypeVar

from cvdemo.dream.objective_values import WHOLE_LAYER as WHOLE_LAYER
from cvdemo.dream.objective_values import Channel as Channel
from cvdemo.dream.objective_values import ClassLogit as ClassLogit
from cvdemo.dream.objective_values import DreamNetwork as DreamNetwork
from cvdemo.dream.objective_values import Guide as Guide
from cvdemo.dream.objective_values import LayerStrength as LayerStrength
from cvdemo.dream.objective_values import Objective as Objective
from cvdemo.dream.objective_values import Scene as Scene
from cvdemo.dream.objective_values import StrongestChannels as StrongestChannels
from cvdemo.dream.objective_values import Sum as Sum
from cvdemo.dream.objective_values import WeakestChannels as WeakestChannels
from cvdemo.dream.objective_values import check_layer as check_layer
from cvdemo.dream.objective_values import follow_guide as follow_guide
from cvdemo.dream.objective_values import measure as measure
from cvdemo.dream.objective_values import strength as strength
from cvdemo.dream.objective_values import total as total
from cvdemo.errors import InputError, brief
from cvdemo.nets.efficientnet_lite import layer_channels

MAX_TERMS = 16  # each costs a little at every step; nobody sees more of them in one picture
_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_WORD = re.compile(r"[A-Za-z_]+\d*")
_WHOLE_NUMBER = re.compile(r"\d{1,9}")
_CLASS_NAME = re.compile(r"(?:(?!\s-)[^*+])*")
_CHOICE = re.compile(r"(strongest|weakest)\s*(\d{1,9})", re.IGNORECASE)

T = TypeVar("T")


def parse_objective(text: str) -> Objective:
    """The objective that a text says; `str` of it is a text that says the same.

    Raises:
        InputError: the text says none; the sentence names the place, in characters from 1.
    """
    return _Reader(text).objective()


class _Reader:
    """Reads a text from left to right; `at` is the place of the next character, from 0."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def objective(self) -> Objective:
        terms = [self._term(-1.0 if self._sign() == "-" else 1.0)]
        while sign := self._sign():
            if len(terms) == MAX_TERMS:
                self._refuse(f"an objective has at most {MAX_TERMS} terms")
            terms.append(self._term(-1.0 if sign == "-" else 1.0))
        if self._rest:
            self._refuse("a + or - is expected")
        return total(terms)

    def _sign(self) -> str:
        return self._take("+") or self._take("-")

    def _term(self, sign: float) -> tuple[float, Objective]:
        began = self._skip_spaces()
        number = self._match(_NUMBER)
        if number is not None:
            if not self._take("*"):
                self._refuse("a * is expected between a weight and what it weighs")
            return self._weighed(sign * float(number[0]), self._atom(), began)
        atom = self._atom()
        if not self._take("*"):
            return sign, atom
        began = self._skip_spaces()
        number = self._match(_NUMBER)
        if number is None:
            self._refuse("a weight is expected, such as 0.3")
        return self._weighed(sign * float(number[0]), atom, began)

    def _weighed(self, weight: float, atom: Objective, began: int) -> tuple[float, Objective]:
        self._made(lambda: total([(weight, atom)]), began)
        return weight, atom

    def _atom(self) -> Objective:
        began = self._skip_spaces()
        word = self._match(_WORD)
        if word is None:
            self._refuse("a layer, class:NAME or guide:LAYER is expected")
        name = word[0].casefold()
        if name == "class":
            return self._class()
        if name == "guide":
            self._colon("the layer")
            return self._made(lambda: Guide(self._layer()), self._skip_spaces())
        self._made(lambda: check_layer(name), began)
        return self._channels(name) if self._take(":") else LayerStrength(name)

    def _class(self) -> Objective:
        self._colon("the name of a class")
        began = self._skip_spaces()
        name = self._match(_CLASS_NAME)
        assert name is not None  # it matches the empty text too
        return self._made(lambda: ClassLogit(name[0].strip()), began)

    def _layer(self) -> str:
        word = self._match(_WORD)
        if word is None:
            self._refuse("a layer is expected, such as block8")
        return word[0].casefold()

    def _channels(self, layer: str) -> Objective:
        """What stands behind the colon of a layer."""
        began, count = self._skip_spaces(), layer_channels()[layer]
        choice = self._match(_CHOICE)
        if choice is not None:
            kind = StrongestChannels if choice[1].casefold() == "strongest" else WeakestChannels
            return self._made(lambda: kind(layer, int(choice[2])), began)
        number = self._match(_WHOLE_NUMBER)
        if number is None:
            self._refuse("the number of a channel, or strongest5, or weakest5 is expected")
        if int(number[0]) >= count:
            self._refuse(f"{layer} has channels 0 to {count - 1}", began)
        return Channel(layer, int(number[0]))

    def _colon(self, what: str) -> None:
        if not self._take(":"):
            self._refuse(f"a colon and {what} are expected")

    def _take(self, character: str) -> str:
        """The character, if it is the next one; else nothing."""
        if not self._rest.startswith(character):
            return ""
        self.at += len(character)
        return character

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.text, self._skip_spaces())
        if match is not None:
            self.at = match.end()
        return match

    def _skip_spaces(self) -> int:
        self.at = len(self.text) - len(self.text[self.at :].lstrip())
        return self.at

    @property
    def _rest(self) -> str:
        self._skip_spaces()
        return self.text[self.at :]

    def _made(self, make: Callable[[], T], began: int) -> T:
        """What `make` returns; what it refuses is told with the place."""
        try:
            return make()
        except InputError as error:
            raise InputError(f"Character {began + 1} of the objective {brief(self.text)}: {error}") from error

    def _refuse(self, why: str, at: int | None = None) -> NoReturn:
        place = self._skip_spaces() if at is None else at
        found = f", not {brief(self.text[place:])}" if self.text[place:] else ", and the text ends there"
        raise InputError(f"Character {place + 1} of the objective {brief(self.text)}: {why}{found}.")
