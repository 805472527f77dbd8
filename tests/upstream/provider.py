"""One call to a provider: its key, its failure, its reading, its answer."""

from __future__ import annotations

import time

import orjson
from aiohttp import web

from tests.upstream import failures
from tests.upstream import pace as pacing
from tests.upstream.answers import Meanings, reply
from tests.upstream.delivery import Streamed, send_document, send_stream
from tests.upstream.exchange import Dialect, Json, Prompt, ProviderError
from tests.upstream.failures import Failure, FailureQueue
from tests.upstream.journal import Journal
from tests.upstream.pace import Pace
from tests.upstream.routes import Endpoint

BAD_KEY = "bad-key"
UNKNOWN_MODEL = "no-such-"
BEFORE_HEADERS = ("hang", "cut-before")


class Provider:
    """Answers calls to providers' paths in their dialect."""

    def __init__(
        self, meanings: Meanings, pace: Pace, queue: FailureQueue, journal: Journal, *, require_key: bool
    ) -> None:
        self._meanings = meanings
        self._pace = pace
        self._queue = queue
        self._journal = journal
        self._require_key = require_key

    async def answer(self, request: web.BaseRequest, endpoint: Endpoint, body: bytes, n: int) -> web.StreamResponse:
        """Reads the call and answers it; what the provider refuses becomes its own error."""
        dialect = endpoint.dialect
        headers = {
            **dialect.extra_headers,
            dialect.request_id_header: f"req_upstream_{n:06d}",
            "x-upstream-call": str(n),
        }
        try:
            self._authorise(request, dialect)
            failure = self._failure(request, body)
            if refusal := failure.refusal():
                self._note_group(endpoint, body, n, headers)
                raise refusal
            document = _object(body) if request.method == "POST" else {}
            if endpoint.document:
                self._journal.note(n, status=200, model=str(document.get("model") or ""))
                return await send_document(request, failure, headers, endpoint.document(document, endpoint.target))
            return await self._exchange(request, dialect, _prompt(endpoint, document), failure, headers, n)
        except ProviderError as error:
            content = dialect.error(error, headers[dialect.request_id_header])
            sent = {**headers, **error.headers, "content-type": "application/json"}
            return web.Response(status=error.status, body=content, headers=sent)

    async def _exchange(
        self,
        request: web.BaseRequest,
        dialect: Dialect,
        prompt: Prompt,
        failure: Failure,
        headers: dict[str, str],
        n: int,
    ) -> web.StreamResponse:
        group = self._meanings.group_of(prompt.text)
        headers["x-upstream-group"] = group
        self._journal.note(n, model=prompt.model, stream=prompt.stream, group=group)
        if prompt.model.startswith(UNKNOWN_MODEL):
            raise ProviderError("not_found", f"The model '{prompt.model}' does not exist.", "model")
        pace = self._paced(request)
        chunk_words = pace.chunk_words
        answer = reply(self._meanings, prompt, failure, n=n, created=int(time.time()), chunk_words=chunk_words)
        if failure.mode not in BEFORE_HEADERS:
            self._journal.note(n, status=200)
        broken = ProviderError("server", "The server had an error while processing your request.")
        if not prompt.stream:
            if failure.mode == "error-in-stream":
                raise broken
            await pace.whole(len(answer.choices[0].pieces))
            return await send_document(request, failure, headers, dialect.render(answer))
        headers["content-type"] = dialect.stream_type
        headers["cache-control"] = "no-cache"
        error_frame = dialect.error_frame(broken, headers[dialect.request_id_header])
        streamed = Streamed(dialect.frames(answer), headers, dialect.garbage, error_frame)
        return await send_stream(request, failure, streamed, pace)

    def _authorise(self, request: web.BaseRequest, dialect: Dialect) -> None:
        if self._require_key and dialect.key:
            key = dialect.key(request.headers)
            if not key or key == BAD_KEY:
                raise ProviderError("unauthorized", "Incorrect API key provided." if key else "No API key provided.")

    def _failure(self, request: web.BaseRequest, body: bytes) -> Failure:
        """The failure of the header, else the one queued (for POST only: SDKs look up models on their own)."""
        if asked := request.headers.get(failures.HEADER):
            try:
                return failures.parse(asked)
            except ValueError as error:
                raise ProviderError("bad_request", str(error)) from None
        return self._queue.take(request.path, body) if request.method == "POST" else failures.NO_FAILURE

    def _paced(self, request: web.BaseRequest) -> Pace:
        try:
            return self._pace.overridden(request.headers.get(pacing.HEADER))
        except ValueError as error:
            raise ProviderError("bad_request", str(error)) from None

    def _note_group(self, endpoint: Endpoint, body: bytes, n: int, headers: dict[str, str]) -> None:
        """Notes what a refused call was about, when it can be read at all."""
        if endpoint.document:
            return
        try:
            prompt = _prompt(endpoint, _object(body))
        except ProviderError:
            return
        headers["x-upstream-group"] = group = self._meanings.group_of(prompt.text)
        self._journal.note(n, model=prompt.model, stream=prompt.stream, group=group)


def _prompt(endpoint: Endpoint, document: Json) -> Prompt:
    """The prompt that a dialect reads; whatever it stumbles over is the client's mistake."""
    try:
        return endpoint.dialect.read(document, endpoint.target)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ProviderError("bad_request", f"Your request has a field of a wrong shape: {error!r}") from None


def _object(body: bytes) -> Json:
    """The JSON object of a body, or the 400 that every provider gives."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProviderError("bad_request", f"We could not parse the JSON body of your request: {error}") from None
    if not isinstance(document, dict):
        raise ProviderError("bad_request", "The JSON body of your request must be an object.")
    return document
