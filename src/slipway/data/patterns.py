"""Text patterns that mean the same to Python's ``re`` and to the regex engine of Polars, in bounded time.

What both engines know and read alike: literals, ``.``, ``[...]``, ``\\d \\w \\s`` (ASCII, outside and inside
brackets), groups, ``|``, and the quantifiers ``* + ? {m} {m,} {m,n}``. A pattern describes the whole text.
Python's engine backtracks, and a request is written by strangers: a repeated group may not itself hold a
choice or a variable repeat, which is what makes a match take exponential time; variable repeats are few,
because they may multiply; and texts longer than ``LONGEST`` characters keep no pattern.
"""

from __future__ import annotations

import re
from typing import NoReturn

#: Longer texts break every pattern.
LONGEST = 256

_SHORTHANDS = {"d": "0-9", "w": "A-Za-z0-9_", "s": " \\t\\n\\r\\f\\v"}
_PLAIN = {"t": "\\t", "n": "\\n", "r": "\\r"}
_QUANTIFIER = re.compile(r"[*+?]|\{(\d{1,3})(,(\d{0,3}))?\}")
#: ``* + {m,}`` and wide ``{m,n}`` in one pattern: the time of a failing match may grow with this power of
#: the length.
_MOST_LONG = 3
#: ``?``, narrow ``{m,n}`` and groups with choices in one pattern.
_MOST_SHORT = 8
_NARROW = 8
#: Repeats are written out by the engine of Polars, which refuses what grows too large.
_LARGEST = 2_000


def portable_pattern(pattern: str) -> str:
    """The pattern with its shorthands spelled out, for a whole-text match in either engine.

    Raises:
        ValueError: in words for a person, when it uses anything else, or could take exponential time.

    >>> portable_pattern(r"\\d{4}-[A-F\\d]+")
    '[0-9]{4}-[A-F0-9]+'
    """
    return _Reader(pattern).read()


class _Reader:
    """One walk over the pattern, with a stack of the open groups."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._out: list[str] = []
        #: For each open group, whether it holds a choice or a variable repeat.
        self._varies: list[bool] = [False]
        self._choices: list[bool] = [False]
        #: For each open group, how many characters it matches with its repeats written out.
        self._sizes: list[int] = [0]
        self._long = self._short = 0

    def read(self) -> str:
        while self._at < len(self._text):
            char = self._text[self._at]
            item = self._item(char)
            if item is not None:
                self._quantified(*item)
        if len(self._varies) > 1:
            self._fail("a group that is not closed")
        made = "".join(self._out)
        try:
            re.compile(made)
        except (re.error, OverflowError) as error:
            self._fail(f"one that does not read ({error})")
        return made

    def _item(self, char: str) -> tuple[bool, int] | None:
        """Read one item: whether it varies inside, and its size; None when it cannot be repeated."""
        self._at += 1
        if char == "(":
            return self._group()
        if char == ")":
            return self._group_end()
        if char == "|":
            self._varies[-1] = self._choices[-1] = True
            self._out.append("|")
            return None
        if char == "[":
            self._out.append(self._bracket())
        elif char == "\\":
            self._out.append(self._escape(inside=False))
        elif char in "*+?{":
            self._fail("a quantifier after nothing, or after another")
        elif char in "^$":
            self._fail(f"{char!r}: a pattern always describes the whole text")
        else:
            self._out.append("\\" + char if char in "]}" else char)
        return False, 1

    def _group_end(self) -> tuple[bool, int]:
        if len(self._varies) == 1:
            self._fail("a closing parenthesis too many")
        self._out.append(")")
        varies, size = self._varies.pop(), self._sizes.pop()
        if self._choices.pop():
            self._count(short=True)
        self._varies[-1] |= varies
        return varies, size

    def _group(self) -> None:
        if self._text.startswith("?:", self._at):
            self._at += 2
        elif self._text.startswith("?", self._at):
            self._fail("a group other than (...) and (?:...)")
        self._out.append("(?:")
        self._varies.append(False)
        self._choices.append(False)
        self._sizes.append(0)

    def _quantified(self, varies: bool, size: int) -> None:
        """Read the quantifier of the item just read, if there is one."""
        match = _QUANTIFIER.match(self._text, self._at)
        most = 1 if match is None else max(int(match[1] or 1), int(match[3] or 1))
        self._sizes[-1] += size * most
        if self._sizes[-1] > _LARGEST:
            self._fail(f"more than {_LARGEST} characters when its repeats are written out")
        if match is None:
            return
        self._at = match.end()
        fixed = match[1] is not None and match[2] is None
        if varies and match[0] != "?":
            self._fail("a repeated group that holds a choice or a variable repeat")
        if not fixed:
            self._varies[-1] = True
            narrow = match[0] == "?" or int(match[3] or _NARROW + 1) <= _NARROW
            self._count(short=narrow)
        self._out.append(match[0])

    def _count(self, *, short: bool) -> None:
        self._short += short
        self._long += not short
        if self._long > _MOST_LONG:
            self._fail(f"more than {_MOST_LONG} long repeats")
        if self._short > _MOST_SHORT:
            self._fail(f"more than {_MOST_SHORT} choices and short repeats")

    def _escape(self, *, inside: bool) -> str:
        if self._at == len(self._text):
            self._fail("a backslash at the end")
        char = self._text[self._at]
        self._at += 1
        if char in _SHORTHANDS:
            return _SHORTHANDS[char] if inside else f"[{_SHORTHANDS[char]}]"
        if char in _PLAIN:
            return _PLAIN[char]
        if char.isalnum() or not char.isascii():
            self._fail(f"the escape \\{char}")
        return char if char in "<> " else "\\" + char

    def _bracket(self) -> str:
        made = "["
        if self._text.startswith("^", self._at):
            self._at, made = self._at + 1, "[^"
        while not self._text.startswith("]", self._at) or made in ("[", "[^"):
            if self._at == len(self._text):
                self._fail("a bracket that is not closed")
            char = self._text[self._at]
            self._at += 1
            if char == "\\":
                made += self._escape(inside=True)
            elif char == "-":
                made += "-" if self._range(made) else "\\-"
            else:
                made += "\\" + char if char in "[]&~^" else char
        self._at += 1
        return made + "]"

    def _range(self, made: str) -> bool:
        """Whether the ``-`` just read joins two characters."""
        return made not in ("[", "[^") and not self._text.startswith("]", self._at)

    def _fail(self, got: str) -> NoReturn:
        raise ValueError(got)
