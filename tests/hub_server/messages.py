"""What goes over the wire: a request, its answer, and the refusals the clients know by their codes."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


class Headers(dict[str, str]):
    """Headers by their names, whose case does not matter."""

    def __init__(self, named: Iterable[tuple[str, str]]) -> None:
        super().__init__((name.lower(), value) for name, value in named)

    def get(self, name: str, default: str = "") -> str:
        """The value of a header, ``default`` where it is not there."""
        return super().get(name.lower(), default)


@dataclass(frozen=True)
class Request:
    """A call of a client; ``parts`` are the named parts of its quoted path."""

    path: str
    parts: Mapping[str, str | None]
    query: Mapping[str, list[str]]
    headers: Headers
    body: bytes

    def json(self) -> dict:
        """The body's object."""
        return json.loads(self.body)

    def asks(self, name: str) -> bool:
        """Whether a switch in the query is on."""
        return self.query.get(name, [""])[0].lower() in ("true", "1")


@dataclass(frozen=True)
class Answer:
    """What the client gets."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> "Answer":
        """A JSON value."""
        return cls(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})


class Refusal(Exception):  # noqa: N818 - the Hub refuses, it does not fail
    """A call that is answered with an error status."""

    def __init__(self, status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.headers = status, message, code, headers or {}

    def answer(self) -> Answer:
        """The message as the clients look for it: in a header, since HEAD has no body, and in JSON."""
        told = {"X-Error-Code": self.code, "X-Error-Message": self.message}
        return Answer.of(
            {"error": self.message},
            self.status,
            {**self.headers, **{name: text for name, text in told.items() if text}},
        )
