"""The Hub as an ASGI application."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs, unquote

from hub_server.faults import Fault
from hub_server.hub import Hub
from hub_server.messages import Answer, Headers, Refusal, Request
from hub_server.routes import find_route

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_NO_FAULT = Fault("")


class CutOffError(Exception):
    """The connection breaks off in the middle of an answer."""


class HubApp:
    """Answers the clients' calls out of ``hub``, one at a time: a commit's check of its parent and its writing are one
    step. Only the bytes of answers that are on their way wait for each other.
    """

    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        path = scope["raw_path"].decode()
        call = f"{scope['method']} {unquote(path)}"
        self.hub.requests.append(call)
        fault = next((fault for fault in self.hub.faults if fault.strikes(call)), _NO_FAULT)
        await asyncio.sleep(fault.wait)
        try:
            answer = fault.answer(lambda: self._answer(scope, path, body))
        except Refusal as refusal:
            answer = refusal.answer()
        if answer.status == 302 and fault.is_of_bytes:
            fault.times, fault = fault.times + 1, _NO_FAULT
        await _send(answer, fault, send, head=scope["method"] == "HEAD")

    def _answer(self, scope: Message, path: str, body: bytes) -> Answer:
        route, parts = find_route(scope["method"], path)
        headers = Headers((name.decode(), value.decode("latin-1")) for name, value in scope["headers"])
        request = Request(path, parts, parse_qs(scope["query_string"].decode()), headers, body)
        if route.writes:
            self.hub.check_may_write(request)
        return route.call(self.hub, request)


async def _body(receive: Receive) -> bytes:
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def _send(answer: Answer, fault: Fault, send: Send, *, head: bool) -> None:
    headers = {**answer.headers, "Content-Length": str(len(answer.body))}
    encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
    if not head:
        async for part in _parts(answer.body, fault):
            await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body"})


async def _parts(body: bytes, fault: Fault) -> AsyncIterator[bytes]:
    """The body as it travels: whole, slowly, or up to where the connection breaks off."""
    arriving = body if fault.cut_after is None else body[: fault.cut_after]
    rate = fault.bytes_per_second
    step = max(1, rate // 10) if rate else max(1, len(arriving))
    for start in range(0, len(arriving), step):
        yield arriving[start : start + step]
        if rate:
            await asyncio.sleep(step / rate)
    if len(arriving) < len(body):
        raise CutOffError
