"""Chat completions that fail, through the official `openai` package."""

from __future__ import annotations

from typing import Any

import httpx
import openai

from tests.contract.comparison import broken
from tests.contract.scenario import scenario
from tests.contract.scenarios.openai_chat import MODEL, NOT_STORED, asks, client, failing


@scenario(raises=openai.NotFoundError)
def is_told_that_a_model_is_unknown(base_url: str) -> Any:
    messages = asks("Does this model exist?")
    return client(base_url).chat.completions.create(model="no-such-model", messages=messages)


@scenario(raises=openai.BadRequestError)
def is_told_that_messages_are_missing(base_url: str) -> Any:
    return client(base_url).post("/chat/completions", body={"model": MODEL}, cast_to=object)


@scenario(raises=openai.AuthenticationError)
def is_told_that_the_key_is_wrong(base_url: str) -> Any:
    messages = asks("Is my key right?")
    return client(base_url).chat.completions.create(model=MODEL, messages=messages, extra_headers=failing("401"))


@scenario(raises=openai.RateLimitError)
def is_rate_limited(base_url: str) -> Any:
    messages = asks("Am I too fast?")
    return client(base_url).chat.completions.create(model=MODEL, messages=messages, extra_headers=failing("429:1"))


@scenario(raises=openai.RateLimitError)
def is_rate_limited_by_milliseconds(base_url: str) -> Any:
    messages = asks("Am I a little too fast?")
    return client(base_url).chat.completions.create(
        model=MODEL, messages=messages, stream=True, extra_headers=failing("429-ms:15")
    )


@scenario(raises=openai.InternalServerError)
def meets_a_server_error(base_url: str) -> Any:
    messages = asks("Are you well today?")
    return client(base_url).chat.completions.create(model=MODEL, messages=messages, extra_headers=failing("500"))


@scenario(raises=openai.InternalServerError)
def meets_an_unavailable_server(base_url: str) -> Any:
    messages = asks("Are you there at all?")
    return client(base_url).chat.completions.create(model=MODEL, messages=messages, extra_headers=failing("503"))


@scenario(raises=openai.APITimeoutError)
def gives_up_on_a_silent_server(base_url: str) -> Any:
    api = client(base_url, timeout=0.5)
    messages = asks("Why don't you say anything?")
    return api.chat.completions.create(model=MODEL, messages=messages, extra_headers=failing("hang"))


@scenario(cached=False)
def loses_the_stream(base_url: str) -> Any:
    messages = asks("Sing a long song to me.")
    return broken(
        client(base_url).chat.completions.create(
            model=MODEL, messages=messages, stream=True, extra_headers=failing("cut")
        ),
        openai.APIConnectionError,
    )


@scenario(cached=False)
def gets_an_error_within_the_stream(base_url: str) -> Any:
    messages = asks("Sing another long song to me.")
    return broken(
        client(base_url).chat.completions.create(
            model=MODEL, messages=messages, stream=True, extra_headers=failing("error-in-stream")
        ),
        openai.APIError,
    )


@scenario(cached=False)
def retries_until_it_works(base_url: str) -> Any:
    """The SDK waits as long as it is told and tries again, unless a proxy has done so before."""
    question = "What is worth a second try?"
    for mode in ("429-ms:5", "503"):
        httpx.post(f"{base_url}/_upstream/fail", json={"mode": mode, "match": question}).raise_for_status()
    api = client(base_url, max_retries=3, default_headers=NOT_STORED)
    return api.chat.completions.create(model=MODEL, messages=asks(question))
