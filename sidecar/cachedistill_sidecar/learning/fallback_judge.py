"""A fallback as judge of answers that cheaper judges can't decide on: seldom, off the path, for its own money."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson
from multidict import CIMultiDict

from cachedistill_sidecar.dialects import Dialect
from cachedistill_sidecar.dialects.anthropic import ANTHROPIC_MESSAGES
from cachedistill_sidecar.dialects.openai_chat import OPENAI_CHAT
from cachedistill_sidecar.exchange import Answer, Usage
from cachedistill_sidecar.fallback.client import FallbackFailed, Request, body_of
from cachedistill_sidecar.ledger.tokens import estimate_tokens
from cachedistill_sidecar.policy.judgement import prompt
from cachedistill_sidecar.policy.judgement.opinion import Opinion
from cachedistill_sidecar.route import model_at
from cachedistill_sidecar.route_document import Provider

if TYPE_CHECKING:
    from cachedistill_sidecar.fallback.client import FallbackClient
    from cachedistill_sidecar.learning.allowance import Allowance
    from cachedistill_sidecar.learning.asker import Asker
    from cachedistill_sidecar.route_document import Fallback, Judge

log = logging.getLogger(__name__)

_SECONDS = 60.0
# One word is asked for; a model that reasons aloud before it gets no further than this, and has decided nothing.
_MOST_TOKENS = 16
_MOST_BYTES = 1 << 18
_ANTHROPIC_VERSION = "2023-06-01"

_PATHS: dict[Provider, tuple[Dialect, str]] = {
    Provider.OPENAI: (OPENAI_CHAT, "/v1/chat/completions"),
    Provider.ANTHROPIC: (ANTHROPIC_MESSAGES, "/v1/messages"),
}
# Who asks, and nothing else of an exchange: its other headers, an idempotency key for one, are about another request.
_IDENTITY = ("authorization", "x-api-key", "anthropic-version", "openai-organization", "openai-project")


class FallbackJudge:
    """Asks with the fallback's own credential or, where it has none, with the asker's.

    `spend` is told of each answer's tokens, with the fallback and the model's name there.
    """

    def __init__(
        self,
        client: FallbackClient,
        fallback: Fallback,
        settings: Judge,
        allowance: Allowance,
        spend: Callable[[Fallback, str, Usage], object],
    ) -> None:
        self._client = client
        self._fallback = fallback
        self._model = settings.model
        self._allowance = allowance
        self._spend = spend
        self._dialect, self._path = _PATHS[fallback.endpoint.dialect]
        self._problem: str | None = None

    async def ask(self, question: str, known: str, fresh: str, asker: Asker) -> Opinion:
        """Its opinion; undecided when it may not be asked, doesn't answer, or not in a word."""
        if not self._may_ask(asker) or not await self._allowance.take():
            return Opinion.UNDECIDED
        model = model_at(self._fallback, self._model or asker.model)
        system, text = prompt.messages(question, known, fresh, secrets.token_hex(8))
        body = orjson.dumps(self._document(model, system, text))
        try:
            async with asyncio.timeout(_SECONDS):
                answer = await self._answer(Request("POST", self._path, self._headers(asker), body))
        except (FallbackFailed, TimeoutError, ValueError) as error:
            self._tell(error)
            return Opinion.UNDECIDED
        self._problem = None
        self._spend(self._fallback, model, _spent(answer, system + text))
        return prompt.read(answer.text)

    def _may_ask(self, asker: Asker) -> bool:
        """Whether there is a credential that is meant for this provider; another one's is none of its business."""
        known = self._fallback.credentials_file is not None or asker.provider is self._fallback.endpoint.dialect
        return known and not self._client.rests(self._fallback)

    def _document(self, model: str, system: str, text: str) -> dict[str, Any]:
        if self._dialect is ANTHROPIC_MESSAGES:
            said = [{"role": "user", "content": text}]
            return {"model": model, "max_tokens": _MOST_TOKENS, "system": system, "messages": said}
        # No limit of tokens: its name differs among the models that speak this dialect.
        said = [{"role": "system", "content": system}, {"role": "user", "content": text}]
        return {"model": model, "messages": said}

    def _headers(self, asker: Asker) -> CIMultiDict[str]:
        headers: CIMultiDict[str] = CIMultiDict({"Content-Type": "application/json", "Accept-Encoding": "identity"})
        # Where the fallback has a credential of its own, the app's isn't to go there even when that can't be read.
        if self._fallback.credentials_file is None:
            headers.update({name: asker.headers[name] for name in _IDENTITY if name in asker.headers})
        headers.setdefault("anthropic-version", _ANTHROPIC_VERSION)
        return headers

    async def _answer(self, request: Request) -> Answer:
        """Raises FallbackFailed, or ValueError for what is no answer."""
        response = await self._client.send(self._fallback, request)
        try:
            if response.status != 200:
                raise ValueError(f"{self._fallback.name} answers with status {response.status}")
            body = bytearray()
            async for chunk in body_of(response, self._fallback.timeouts.chunk_seconds):
                body += chunk
                if len(body) > _MOST_BYTES:
                    raise ValueError(f"{self._fallback.name} answers with more than {_MOST_BYTES} bytes")
            return self._dialect.answer(orjson.loads(bytes(body)))
        finally:
            response.close()

    def _tell(self, error: Exception) -> None:
        problem = str(error) or "no answer in time"
        if problem != self._problem:
            log.warning("answers stay undecided, for the judge can't be asked: %s", problem)
        self._problem = problem


def _spent(answer: Answer, said: str) -> Usage:
    if not answer.usage.estimated:
        return answer.usage
    return Usage(input=estimate_tokens(said), output=estimate_tokens(answer.text), estimated=True)
