"""A file on the Hub that is read by ranges: nothing of it is written to disk."""

import time

from httpx2 import HTTPError, RemoteProtocolError, Response
from huggingface_hub import constants, get_session, hf_hub_url
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

from hf_sne.weights.errors import ClosedFileError, HubRefusalError
from hf_sne.weights.hub import typed_errors

_TRIES = 5  # in a row without progress
_PROGRESS = 1024  # bytes that a try must bring
_BUSY = (408, 429, 500, 502, 503, 504)
_FIRST_PAUSE = 0.2  # seconds, doubled each time
_LONGEST_PAUSE = 60.0  # seconds, that a busy Hub may ask for


class RemoteFile:
    """One file of a repository at one commit.

    ``fetched`` counts the bytes that came. A range that is cut off goes on where it broke; a Hub that is busy is asked
    again.

    Args:
        name: What the file is called in messages.
        size: Bytes that the Hub says it has.
    """

    def __init__(self, repo_id: str, file: str, commit: str, name: str, size: int, token: str | bool | None) -> None:
        self.name = name
        self.size = size
        self.fetched = 0
        self.closed = False
        self._url = hf_hub_url(repo_id, file, revision=commit)
        self._headers = build_hf_headers(token=token)

    def close(self) -> None:
        """No more is read."""
        self.closed = True

    def read_into(self, view: memoryview, start: int) -> None:
        """Fill ``view`` with the bytes from ``start`` on.

        Raises:
            ClosedFileError: the checkpoint has been closed.
            HubRefusalError, RepoNotFoundError, RepoGatedError: the Hub refuses, or sends another range than asked for.
            HubOfflineError: the connection failed several times in a row.
        """
        if self.closed:
            raise ClosedFileError(self.name, found="a closed file", allowed="an open one")
        with typed_errors(self.name, None):
            self._fill(view, start)

    def _fill(self, view: memoryview, start: int) -> None:
        done, tries = 0, 0
        while done < len(view):
            try:
                self._receive(view[done:], start + done)
                done = len(view)
            except _CutOffError as error:
                done += error.received
                tries = 1 if error.received >= _PROGRESS else tries + 1
                if tries == _TRIES:
                    raise error.reason from None
                time.sleep(max(_FIRST_PAUSE * 2 ** (tries - 1), error.asked_pause))

    def _receive(self, view: memoryview, start: int) -> None:
        """Fill ``view``, or raise how far it came."""
        done = 0
        headers = {**self._headers, "Range": f"bytes={start}-{start + len(view) - 1}", "Accept-Encoding": "identity"}
        try:
            with get_session().stream(
                "GET", self._url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT
            ) as answer:
                self._check(answer, start, start + len(view))
                for part in answer.iter_bytes():
                    kept = part[: len(view) - done]
                    view[done : done + len(kept)] = kept
                    done += len(kept)
                    self.fetched += len(part)
                    if done == len(view):
                        return
        except HTTPError as error:
            response = getattr(error, "response", None)
            if response is not None and response.status_code not in _BUSY:
                raise
            raise _CutOffError(done, error) from error
        raise _CutOffError(done, RemoteProtocolError(f"{done} bytes came of {len(view)}"))

    def _check(self, answer: Response, start: int, stop: int) -> None:
        hf_raise_for_status(answer)
        told, wanted = answer.headers.get("Content-Range", "none"), f"bytes {start}-{stop - 1}/{self.size}"
        if told != wanted:
            raise HubRefusalError(self.name, found=f"status {answer.status_code}, range {told}", allowed=wanted)


class _CutOffError(Exception):
    """A range ended early."""

    def __init__(self, received: int, reason: HTTPError) -> None:
        super().__init__(str(reason))
        self.received = received
        self.reason = reason
        response: Response | None = getattr(reason, "response", None)
        told = response.headers.get("Retry-After", "") if response is not None else ""
        # The Hub tells seconds; a date is not waited for.
        self.asked_pause = min(float(told), _LONGEST_PAUSE) if told.isdecimal() else 0.0
