"""Calls that describe a repository: information, listings, references, history."""

import json
import math
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha1
from urllib.parse import parse_qs, urlencode

import yaml

from hub_server.card import card_metadata
from hub_server.hub import Hub
from hub_server.messages import Answer, Refusal, Request
from hub_server.repos import Blob, Commit, folders_of

SAFE = {"status": "safe", "avScan": {"virusFound": False, "virusNames": None}, "pickleImportScan": None}


def info(hub: Hub, request: Request) -> Answer:
    """A repository at a commit; ``blobs`` adds sizes and hashes, ``expand`` selects fields."""
    repo, commit, repo_id = hub.repo(request), hub.commit(request), request.parts["repo_id"]
    card = _card(commit)
    described = {
        "id": repo_id,
        "author": repo_id.partition("/")[0],
        "sha": commit.oid,
        "lastModified": _date(commit),
        "private": repo.private,
        "gated": "manual" if repo.readers is not None else False,
        "disabled": False,
        "tags": card.get("tags") or [],
        "cardData": card,
        "siblings": [_sibling(name, blob, request.asks("blobs")) for name, blob in commit.files.items()],
        **{name: card[name] for name in ("library_name", "pipeline_tag") if name in card},
        **_safetensors(commit),
    }
    fields = request.query.get("expand")
    return Answer.of({name: described[name] for name in ("id", *fields) if name in described} if fields else described)


def auth_check(hub: Hub, request: Request) -> Answer:
    """Whether the sender may read a repository."""
    hub.repo(request)
    return Answer()


def tree(hub: Hub, request: Request) -> Answer:
    """The entries of a folder, in pages; ``recursive`` and ``expand`` as the Hub has them."""
    commit, folder = hub.commit(request), request.parts["path"]
    inside = f"{folder}/" if folder else ""
    paths = [path for path in _entries(commit) if path.startswith(inside)]
    if folder and not paths:
        raise Refusal(404, f"{folder} does not exist on {request.parts['revision']}", "EntryNotFound")
    if not request.asks("recursive"):
        paths = [path for path in paths if "/" not in path.removeprefix(inside)]
    return _one_page(hub, request, paths, commit)


def paths_info(hub: Hub, request: Request) -> Answer:
    """The entries among the asked paths that exist."""
    commit = hub.commit(request)
    form = parse_qs(request.body.decode())
    present = _entries(commit)
    paths = [path for path in form.get("paths", []) if path in present]
    return Answer.of(_described(commit, paths, form.get("expand") == ["true"]))


def refs(hub: Hub, request: Request) -> Answer:
    """Branches, tags and, on request, pull requests; there are no conversions."""
    repo = hub.repo(request)
    kinds = {"branches": ("heads", repo.branches), "tags": ("tags", repo.tags)}
    listed = {
        kind: [{"name": name, "ref": f"refs/{folder}/{name}", "targetCommit": at.oid} for name, at in named.items()]
        for kind, (folder, named) in kinds.items()
    }
    opened = [{"name": ref, "ref": ref, "targetCommit": at.oid} for ref, at in repo.pull_requests.items()]
    asked = {"pullRequests": opened} if request.asks("include_prs") else {}
    return Answer.of(listed | asked | {"converts": []})


def commits(hub: Hub, request: Request) -> Answer:
    """The history of a revision, the newest commit first."""
    history = hub.commit(request).history()
    return Answer.of(
        [
            {"id": at.oid, "title": at.title, "message": at.message, "date": _date(at), "authors": [{"user": "user"}]}
            for at in history
        ]
    )


def _one_page(hub: Hub, request: Request, paths: list[str], commit: Commit) -> Answer:
    start = int(request.query.get("cursor", ["0"])[0])
    end = start + hub.page_size
    headers = {}
    if end < len(paths):
        query = urlencode({**request.query, "cursor": [str(end)]}, doseq=True)
        headers["Link"] = f'<{hub.url}{request.path}?{query}>; rel="next"'
    return Answer.of(_described(commit, paths[start:end], request.asks("expand")), headers=headers)


def _entries(commit: Commit) -> list[str]:
    return sorted({path for name in commit.files for path in (name, *folders_of(name))})


def _described(commit: Commit, paths: Iterable[str], expand: bool) -> list[dict]:
    changes = commit.last_changes() if expand else {}
    described = []
    for path in paths:
        blob = commit.files.get(path)
        entry = _folder(commit, path) if blob is None else _file(path, blob)
        if expand:
            last = changes[path]
            entry["lastCommit"] = {"id": last.oid, "title": last.title, "date": _date(last)}
            entry |= {"securityFileStatus": SAFE} if blob is not None else {}
        described.append(entry)
    return described


def _file(path: str, blob: Blob) -> dict:
    entry = {"type": "file", "path": path, "size": len(blob.content), "oid": blob.git_oid}
    lfs = {"oid": blob.sha256, "size": len(blob.content), "pointerSize": len(blob.pointer)}
    return entry | ({"lfs": lfs} if blob.lfs else {})


def _folder(commit: Commit, path: str) -> dict:
    inside = sorted((name, blob.git_oid) for name, blob in commit.files.items() if name.startswith(f"{path}/"))
    return {"type": "directory", "path": path, "size": 0, "oid": sha1(repr(inside).encode()).hexdigest()}


def _sibling(name: str, blob: Blob, blobs: bool) -> dict:
    if not blobs:
        return {"rfilename": name}
    entry = {"rfilename": name, "size": len(blob.content), "blobId": blob.git_oid}
    lfs = {"sha256": blob.sha256, "size": len(blob.content), "pointerSize": len(blob.pointer)}
    return entry | ({"lfs": lfs} if blob.lfs else {})


def _card(commit: Commit) -> dict:
    readme = commit.files.get("README.md")
    with suppress(yaml.YAMLError, ValueError):
        return (readme and card_metadata(readme.content.decode())) or {}
    return {}


def _safetensors(commit: Commit) -> dict:
    """The parameters by their dtype, as the Hub counts them in the headers of a model's safetensors files."""
    counted: Counter[str] = Counter()
    for name, blob in commit.files.items():
        if name.endswith(".safetensors") and "/" not in name:
            length = int.from_bytes(blob.content[:8], "little")
            with suppress(ValueError):  # not safetensors
                header = json.loads(blob.content[8 : 8 + length])
                for tensor in (entry for entry in header.values() if "dtype" in entry):
                    counted[tensor["dtype"]] += math.prod(tensor["shape"])
    return {"safetensors": {"parameters": dict(counted), "total": counted.total()}} if counted else {}


def _date(commit: Commit) -> str:
    return commit.date.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
