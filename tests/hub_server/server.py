"""The part of the Hub's HTTP interface that reading a repository uses."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit

_INFO = re.compile(r"/api/models/([^/]+/[^/]+?)(?:/revision/(.+))?")
_TREE = re.compile(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)")
_RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@dataclass
class HubRepo:
    """One model repository with a single commit on ``main``."""

    files: dict[str, bytes]
    refusal: tuple[int, str] | None = None  # status and X-Error-Code of every answer

    @property
    def commit(self) -> str:
        """The commit's hash, which changes with the files."""
        digest = sha1()
        for name, content in sorted(self.files.items()):
            digest.update(name.encode() + sha256(content).digest())
        return digest.hexdigest()


@dataclass
class HubServer:
    """Repositories by id, and the requests that were made as ``"METHOD path"``."""

    repos: dict[str, HubRepo] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    url: str = ""

    @contextmanager
    def running(self) -> Iterator["HubServer"]:
        """Serves on a free port of 127.0.0.1 until the block ends."""
        handler = type("Handler", (_Handler,), {"hub": self})
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            self.url = f"http://127.0.0.1:{server.server_port}"
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Nothing: the requests are in the server's list."""

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        for pattern, answer in ((_RESOLVE, self._resolve), (_TREE, self._tree), (_INFO, self._info)):
            match = pattern.fullmatch(path)
            if match is not None:
                return self._with_repo(match, answer)
        return self._send(404, b"", {})

    def _with_repo(self, match, answer) -> None:
        repo_id, revision, *rest = match.groups()
        repo = self.hub.repos.get(repo_id)
        if repo is None:
            self._refuse(404, "RepoNotFound")
        elif repo.refusal is not None:
            self._refuse(*repo.refusal)
        elif revision not in (None, "main", repo.commit):
            self._refuse(404, "RevisionNotFound")
        else:
            answer(repo_id, repo, *rest)

    def _info(self, repo_id: str, repo: HubRepo) -> None:
        siblings = [{"rfilename": name, "size": len(content)} for name, content in repo.files.items()]
        self._send_json({"id": repo_id, "sha": repo.commit, "siblings": siblings, "tags": [], "private": False})

    def _tree(self, _: str, repo: HubRepo) -> None:
        self._send_json(
            [
                {"type": "file", "path": name, "size": len(content), "oid": _git_oid(content)}
                for name, content in repo.files.items()
            ]
        )

    def _resolve(self, _: str, repo: HubRepo, name: str) -> None:
        commit = {"X-Repo-Commit": repo.commit}
        content = repo.files.get(name)
        if content is None:
            self._refuse(404, "EntryNotFound", commit)
            return
        tags = {"ETag": f'"{_git_oid(content)}"', "X-Linked-Size": str(len(content)), "Accept-Ranges": "bytes"}
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if start is None:
            self._send(200, content, commit | tags)
        else:
            offset = int(start[1])
            span = {"Content-Range": f"bytes {offset}-{len(content) - 1}/{len(content)}"}
            self._send(206, content[offset:], commit | tags | span)

    def _refuse(self, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        self._send(status, b"", {"X-Error-Code": code, **(headers or {})})

    def _send_json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def _git_oid(content: bytes) -> str:
    return sha1(b"blob %d\0" % len(content) + content).hexdigest()
