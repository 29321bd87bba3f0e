"""One error tree, split by who must act.

    SlipwayError
    ├── UsageError            the caller asked for something that cannot be (exit 2, HTTP 400)
    │   ├── ConfigError       slipway.toml or contract.toml does not read as it should
    │   ├── NotFoundError     no such project, endpoint, version, prediction (HTTP 404)
    │   ├── ConflictError     the thing is in a state that does not allow it (HTTP 409)
    │   ├── MalformedError    a request's body is not JSON
    │   ├── MethodError       a path does not take this method (HTTP 405)
    │   ├── SlowError         a request's body did not arrive in time (HTTP 408)
    │   ├── TooLargeError     a request has more bytes or rows than one may have (HTTP 413)
    │   └── MediaTypeError    a request's body is declared as something other than JSON (HTTP 415)
    ├── DataError             the data is at fault (exit 2, HTTP 422)
    │   ├── SourceError       a file cannot be read as the table it should be
    │   ├── ContractError     the table or the request breaks the contract
    │   └── TargetError       the target cannot be learned: missing, constant, all null
    ├── RefusedError          a verdict says no (exit 1, HTTP 409)
    └── FaultError           Slipway or the machine is at fault (exit 3, HTTP 503)
        ├── BusyError         as much unanswered work as may be held; come back later
        ├── StoreError        the database, a file or the log cannot be written or read
        └── IntegrityError    bytes are not what was signed or hashed

Every message is one line in four parts: what was expected, what came, where, and the next step.
No message quotes a value of a row: names of columns and counts are enough to find it.
"""

from __future__ import annotations


class SlipwayError(Exception):
    """Base of all errors that Slipway raises on purpose.

    ``expected``, ``got``, ``where`` and ``next_step`` stay readable as attributes, and the error
    survives pickling.
    """

    exit_code = 3
    http_status = 500
    code = "error"

    def __init__(self, *, expected: str, got: str, where: str = "", next_step: str = "") -> None:
        self.expected = expected
        self.got = got
        self.where = where
        self.next_step = next_step
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The error in one line."""
        place = f" in {self.where}" if self.where else ""
        step = f"; {self.next_step}" if self.next_step else ""
        return f"expected {self.expected}, got {self.got}{place}{step}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.expected, self.got, self.where, self.next_step))


def _rebuild(kind: type[SlipwayError], expected: str, got: str, where: str, next_step: str) -> SlipwayError:
    return kind(expected=expected, got=got, where=where, next_step=next_step)


class UsageError(SlipwayError):
    """The caller asked for something that cannot be."""

    exit_code = 2
    http_status = 400
    code = "usage"


class ConfigError(UsageError):
    """A configuration file does not read as it should."""

    code = "config"


class NotFoundError(UsageError):
    """No such project, endpoint, version or prediction."""

    http_status = 404
    code = "not_found"


class ConflictError(UsageError):
    """The thing exists, but its state does not allow the request."""

    http_status = 409
    code = "conflict"


class MalformedError(UsageError):
    """A request's body is not JSON."""

    code = "malformed"


class MethodError(UsageError):
    """A path does not take this method; ``expected`` names the one that it takes."""

    http_status = 405
    code = "method_not_allowed"


class SlowError(UsageError):
    """A request's body did not arrive in time."""

    http_status = 408
    code = "timeout"


class TooLargeError(UsageError):
    """A request has more bytes or rows than one may have."""

    http_status = 413
    code = "too_large"


class MediaTypeError(UsageError):
    """A request's body is declared as something other than JSON."""

    http_status = 415
    code = "media_type"


class DataError(SlipwayError):
    """The data is at fault."""

    exit_code = 2
    http_status = 422
    code = "data"


class SourceError(DataError):
    """A source cannot be read as the table it should be."""

    code = "source"


class ContractError(DataError):
    """A table or a request breaks its contract."""

    code = "contract"


class TargetError(DataError):
    """The target cannot be learned."""

    code = "target"


class RefusedError(SlipwayError):
    """A verdict says no."""

    exit_code = 1
    http_status = 409
    code = "refused"


class FaultError(SlipwayError):
    """Slipway or the machine is at fault."""

    exit_code = 3
    http_status = 503
    code = "system"


class BusyError(FaultError):
    """As much unanswered work as may be held; the caller should come back later."""

    code = "busy"


class StoreError(FaultError):
    """The database, a file or the log cannot be written or read."""

    code = "store"


class IntegrityError(FaultError):
    """Bytes are not what was signed or hashed."""

    code = "integrity"
