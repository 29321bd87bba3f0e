"""The language of cross-column rules: parsed and typed here, never evaluated as Python.

``amount <= 0.5 * income``, ``not (status == 'closed' and end is missing)``, ``end - start <= 30``. A tiny
tree comes out; ``slipway.data.closures`` makes a Python function of it for one row and
``slipway.data.tablerules`` a Polars expression for a table, with one meaning:

- numbers are 64-bit floats; an undefined or infinite result, such as a division by zero, is missing;
- what reads a missing value is missing, but for ``is missing``; ``and``, ``or`` and ``not`` are those of
  three-valued logic (false and missing is false); a rule is broken only where it is false;
- a text beside a time is read as ISO 8601; the difference of two times is in days.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, NoReturn

from slipway.base.errors import ConfigError
from slipway.data.moments import parse_moment

Kind = Literal["number", "text", "truth", "time"]

#: Longer expressions are refused, and deeper ones: they would exhaust the stack of every later reader.
_LONGEST = 2_000
_DEEPEST = 40

_WORDS = frozenset(("and", "or", "not", "in", "is", "missing", "true", "false"))
_COMPARISONS = frozenset(("==", "!=", "<", "<=", ">", ">="))
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<string>'[^']*'|"[^"]*")
      | (?P<quoted>`[^`]+`)
      | (?P<name>[^\W\d]\w*)
      | (?P<sign><=|>=|==|!=|[-+*/<>(),])
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Cell:
    """The value of a column."""

    name: str
    kind: Kind


@dataclass(frozen=True)
class Constant:
    """A literal; times without zone, as ``parse_moment`` reads them."""

    value: float | str | bool | datetime
    kind: Kind


@dataclass(frozen=True)
class Arithmetic:
    """``+ - * /`` of two numbers."""

    sign: str
    left: Node
    right: Node
    kind: Kind = "number"


@dataclass(frozen=True)
class Elapsed:
    """Days from ``start`` to ``end``."""

    end: Node
    start: Node
    kind: Kind = "number"


@dataclass(frozen=True)
class Comparison:
    """Two values of one kind compared by ``== != < <= > >=``."""

    sign: str
    left: Node
    right: Node
    kind: Kind = "truth"


@dataclass(frozen=True)
class Membership:
    """Whether a value is one of some literals."""

    item: Node
    members: tuple[Constant, ...]
    kind: Kind = "truth"


@dataclass(frozen=True)
class Missing:
    """Whether there is no value."""

    item: Node
    kind: Kind = "truth"


@dataclass(frozen=True)
class Not:
    """True for false, false for true."""

    item: Node
    kind: Kind = "truth"


@dataclass(frozen=True)
class Logic:
    """``and`` or ``or``."""

    word: str
    left: Node
    right: Node
    kind: Kind = "truth"


Node = Cell | Constant | Arithmetic | Elapsed | Comparison | Membership | Missing | Not | Logic


class Expression(NamedTuple):
    """A parsed rule."""

    root: Node
    #: Names of the columns it reads, in order of first use.
    columns: tuple[str, ...]


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


def parse_expression(text: str, kinds: Mapping[str, Kind], where: str = "rule") -> Expression:
    """Parse and type one rule.

    Args:
        text: such as ``amount <= 0.5 * income and purpose in ('car', 'house')``. A column whose name is
            no identifier, or a word of the language, stands between backquotes.
        kinds: the columns that may be read, and what they hold.
        where: named in errors.

    Raises:
        ConfigError: with the character at which it does not read, or the kinds that do not fit.

    >>> parse_expression("paid <= 2 * due", {"paid": "number", "due": "number"}).columns
    ('paid', 'due')
    """
    return _Parser(text, kinds, where).parse()


class _Parser:
    """Recursive descent, from the loosest binding (``or``) to the tightest (a literal)."""

    def __init__(self, text: str, kinds: Mapping[str, Kind], where: str) -> None:
        self._where = where
        self._kinds = kinds
        self._at = 0
        self._depth = 0
        self._columns: dict[str, None] = {}
        if len(text) > _LONGEST:
            self._fail(f"at most {_LONGEST} characters", f"{len(text)}")
        self._tokens = self._split(text)

    def parse(self) -> Expression:
        root = self._truth(self._either())
        if self._here.kind != "end":
            self._unexpected("the end, or an operator")
        if not self._columns:
            self._fail("a rule about at least one column", "one that reads none")
        return Expression(root, tuple(self._columns))

    def _split(self, text: str) -> list[_Token]:
        tokens: list[_Token] = []
        at, end = 0, len(text.rstrip())
        while at < end:
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                at = len(text) - len(text[at:].lstrip())
                got = "'=', which is written '=='" if text[at] == "=" else repr(text[at])
                self._fail("a name, a literal or an operator", f"{got} at character {at + 1}")
            tokens.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
            at = match.end()
        return [*tokens, _Token("end", "", end)]

    @property
    def _here(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, *texts: str) -> str | None:
        """Step over the next token when it is one of these signs or words."""
        token = self._here
        if token.kind in ("sign", "name") and token.text in texts:
            self._at += 1
            return token.text
        return None

    def _need(self, text: str) -> None:
        if self._take(text) is None:
            self._unexpected(repr(text))

    def _either(self) -> Node:
        return self._joined("or", self._both)

    def _both(self) -> Node:
        return self._joined("and", self._negated)

    def _joined(self, word: str, part: Callable[[], Node]) -> Node:
        left = part()
        while self._take(word):
            left = Logic(word, self._truth(left), self._truth(part()))
        return left

    def _negated(self) -> Node:
        if self._take("not"):
            with_depth = self._deeper(self._negated)
            return Not(self._truth(with_depth))
        return self._compared()

    def _compared(self) -> Node:
        left = self._sum()
        if self._take("is"):
            negated = self._take("not")
            self._need("missing")
            return Not(Missing(left)) if negated else Missing(left)
        if self._here.text == "not" and self._tokens[self._at + 1].text == "in":
            self._at += 1
            return Not(self._members(left))
        if self._here.kind == "name" and self._here.text == "in":
            return self._members(left)
        return self._chain(left)

    def _chain(self, left: Node) -> Node:
        """``a < b <= c`` means ``a < b and b <= c``."""
        found: Node | None = None
        while sign := self._take(*_COMPARISONS):
            right = self._sum()
            step = self._comparison(sign, left, right)
            found = step if found is None else Logic("and", found, step)
            left = right
        return left if found is None else found

    def _comparison(self, sign: str, left: Node, right: Node) -> Comparison:
        left, right = self._as_time(left, right), self._as_time(right, left)
        if left.kind != right.kind:
            self._fail("two values of one kind to compare", f"a {left.kind} and a {right.kind}")
        if sign not in ("==", "!=") and left.kind not in ("number", "time"):
            self._fail(f"numbers or times beside {sign!r}", f"a {left.kind}")
        return Comparison(sign, left, right)

    def _as_time(self, node: Node, other: Node) -> Node:
        """A text literal beside a time, read as one."""
        if not (isinstance(node, Constant) and isinstance(node.value, str) and other.kind == "time"):
            return node
        moment = parse_moment(node.value)
        if moment is None:
            self._fail("an ISO 8601 time such as '2020-01-31' beside a time", "another text")
        return Constant(moment, "time")

    def _members(self, item: Node) -> Membership:
        self._need("in")
        self._need("(")
        members: list[Constant] = []
        while True:
            member = self._as_time(self._signed(), item)
            if not isinstance(member, Constant) or member.kind != item.kind or item.kind == "truth":
                self._fail(f"literals after 'in', as the {item.kind} before it is", f"a {member.kind}")
            members.append(member)
            if not self._take(","):
                break
        self._need(")")
        return Membership(item, tuple(members))

    def _sum(self) -> Node:
        left = self._product()
        while sign := self._take("+", "-"):
            right = self._product()
            if sign == "-" and "time" in (left.kind, right.kind):
                left, right = self._as_time(left, right), self._as_time(right, left)
                if left.kind != right.kind:
                    self._fail("a time on both sides of '-'", f"a {left.kind} and a {right.kind}")
                left = Elapsed(left, right)
            else:
                left = self._arithmetic(sign, left, right)
        return left

    def _product(self) -> Node:
        left = self._signed()
        while sign := self._take("*", "/"):
            left = self._arithmetic(sign, left, self._signed())
        return left

    def _arithmetic(self, sign: str, left: Node, right: Node) -> Node:
        for side in (left, right):
            if side.kind != "number":
                self._fail(f"numbers on both sides of {sign!r}", f"a {side.kind}")
        return Arithmetic(sign, left, right)

    def _signed(self) -> Node:
        if not self._take("-"):
            return self._atom()
        item = self._deeper(self._signed)
        if isinstance(item, Constant) and isinstance(item.value, float):
            return Constant(-item.value, "number")
        return self._arithmetic("-", Constant(0.0, "number"), item)

    def _atom(self) -> Node:
        token = self._here
        if self._take("("):
            inner = self._deeper(self._either)
            self._need(")")
            return inner
        if token.kind == "quoted" or (token.kind == "name" and token.text not in _WORDS):
            self._at += 1
            return self._cell(token.text.strip("`"), token)
        return self._literal(token)

    def _literal(self, token: _Token) -> Constant:
        if token.kind not in ("number", "string") and token.text not in ("true", "false"):
            self._unexpected("a column, a literal or '('")
        self._at += 1
        if token.kind == "number":
            return self._number(token)
        if token.kind == "string":
            return Constant(token.text[1:-1], "text")
        return Constant(token.text == "true", "truth")

    def _number(self, token: _Token) -> Constant:
        value = float(token.text)
        if value == float("inf"):
            self._fail("numbers that a 64-bit float holds", f"a larger one at character {token.at + 1}")
        return Constant(value, "number")

    def _cell(self, name: str, token: _Token) -> Cell:
        kind = self._kinds.get(name)
        if kind is None:
            self._fail(
                "columns of the contract (text stands between quotes)",
                f"{name!r} at character {token.at + 1}",
            )
        self._columns[name] = None
        return Cell(name, kind)

    def _truth(self, node: Node) -> Node:
        if node.kind != "truth":
            self._fail("something true or false, such as a comparison", f"a {node.kind}")
        return node

    def _deeper(self, part: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            self._fail(f"at most {_DEEPEST} levels of parentheses and signs", "more")
        made = part()
        self._depth -= 1
        return made

    def _unexpected(self, expected: str) -> NoReturn:
        token = self._here
        got = "the end" if token.kind == "end" else f"{token.text!r} at character {token.at + 1}"
        self._fail(expected, got)

    def _fail(self, expected: str, got: str) -> NoReturn:
        raise ConfigError(
            expected=expected, got=got, where=self._where, next_step="mend the rule in contract.toml"
        )
