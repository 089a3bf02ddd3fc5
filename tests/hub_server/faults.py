"""What can go wrong between a client and the Hub, on purpose."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from hub_server.messages import Answer, Refusal


@dataclass
class Fault:
    """Goes wrong with the next ``times`` calls whose ``"METHOD path"`` has a match.

    Args:
        calls: Regular expression that is searched for in ``"METHOD path"``.
        times: Calls that are struck; those after them are served as always.
        meanwhile: Happens on the Hub before the call is served: a commit, a rename, a removal.
        status: The answer is this error.
        retry_after: Seconds that the error tells to wait.
        wait: Seconds of silence before the answer.
        cut_after: Bytes of the body after which the connection breaks off.
        bytes_per_second: How slowly the body comes.
    """

    calls: str
    times: int = 1
    meanwhile: Callable[[], object] | None = None
    status: int | None = None
    retry_after: int | None = None
    wait: float = 0.0
    cut_after: int | None = None
    bytes_per_second: int | None = None

    @property
    def is_of_bytes(self) -> bool:
        """Whether only answers with a content are struck: of a large file the one of its storage."""
        return self.cut_after is not None or self.bytes_per_second is not None

    def strikes(self, call: str) -> bool:
        """Whether this call is struck; counts it."""
        struck = self.times > 0 and re.search(self.calls, call) is not None
        self.times -= struck
        return struck

    def answer(self, serve: Callable[[], Answer]) -> Answer:
        """The answer of the struck call, but for how its bytes travel."""
        if self.meanwhile is not None:
            self.meanwhile()
        if self.status is not None:
            headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
            raise Refusal(self.status, "Something went wrong on this Hub", headers=headers)
        return serve()
