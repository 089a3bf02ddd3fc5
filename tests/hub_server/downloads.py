"""The content of a file, whole or a range of it."""

import re

from hub_server.hub import Hub, sent_token
from hub_server.messages import Answer, Refusal, Request

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def resolve(hub: Hub, request: Request) -> Answer:
    """A file at a commit, with the headers the clients' caches go by."""
    readers = hub.repo(request).readers
    if readers is not None and sent_token(request) not in readers:
        raise Refusal(403, "Access to this repository is restricted", "GatedRepo")
    commit, name = hub.commit(request), request.parts["path"]
    at = {"X-Repo-Commit": commit.oid}
    blob = commit.files.get(name)
    if blob is None:
        raise Refusal(404, "Entry not found", "EntryNotFound", at)
    etag, size = f'"{blob.etag}"', len(blob.content)
    linked = {"X-Linked-ETag": etag, "X-Linked-Size": str(size)} if blob.lfs else {}
    return _in_range(blob.content, request.headers.get("Range"), {**at, **linked, "ETag": etag})


def _in_range(content: bytes, asked: str | None, headers: dict[str, str]) -> Answer:
    headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes", **headers}
    span = _span(asked, len(content))
    if span is None:
        return Answer(200, content, headers)
    start, end = span
    if start >= end:
        raise Refusal(416, "The range is not satisfiable", headers={"Content-Range": f"bytes */{len(content)}"})
    told = {"Content-Range": f"bytes {start}-{end - 1}/{len(content)}"}
    return Answer(206, content[start:end], headers | told)


def _span(asked: str | None, size: int) -> tuple[int, int] | None:
    match = _RANGE.fullmatch(asked or "")
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size
