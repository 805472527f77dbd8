"""Chat completions through the official `openai` package."""

from __future__ import annotations

import asyncio
from typing import Any

from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import BaseModel

from tests.contract.comparison import adrained, drained
from tests.contract.scenario import run, scenario

MODEL = "gpt-4o-mini"
NOT_STORED = {"cache-control": "no-store"}
PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "read_thermometer",
        "description": "Reads the thermometer of a room",
        "parameters": {
            "type": "object",
            "properties": {"room": {"type": "string"}, "celsius": {"type": "boolean"}},
            "required": ["room", "celsius"],
        },
    },
}


class Recipe(BaseModel):
    title: str
    minutes: int
    vegetarian: bool
    steps: list[str]


def client(base_url: str, **options: Any) -> OpenAI:
    return OpenAI(base_url=f"{base_url}/v1", api_key="test-key", **{"max_retries": 0, **options})


def aclient(base_url: str) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{base_url}/v1", api_key="test-key", max_retries=0)


def asks(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


def failing(mode: str) -> dict[str, str]:
    return {"x-upstream-fail": mode}


@scenario(cached=True)
def answers(base_url: str) -> Any:
    messages = asks("Which planet has the largest storm?")
    return client(base_url).chat.completions.create(model=MODEL, messages=messages)


@scenario(cached=True)
def answers_under_a_system_prompt(base_url: str) -> Any:
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "Speak like a sailor."},
        {"role": "user", "content": "How do I sharpen a kitchen knife?"},
    ]
    return client(base_url).chat.completions.create(model=MODEL, messages=messages)


@scenario(cached=True)
def streams(base_url: str) -> Any:
    messages = asks("Why do cats purr when they sleep?")
    return drained(client(base_url).chat.completions.create(model=MODEL, messages=messages, stream=True))


@scenario(cached=True)
def streams_with_usage(base_url: str) -> Any:
    return drained(
        client(base_url).chat.completions.create(
            model=MODEL,
            messages=asks("Who painted the ceiling of the chapel?"),
            stream=True,
            stream_options={"include_usage": True},
        )
    )


@scenario(cached=True)
def streams_through_the_helper(base_url: str) -> Any:
    messages = asks("Explain tides to a child.")
    with client(base_url).chat.completions.stream(model=MODEL, messages=messages) as stream:
        text = "".join(event.delta for event in stream if event.type == "content.delta")
        return [text, stream.get_final_completion()]


@scenario(cached=True)
def answers_asynchronously(base_url: str) -> Any:
    async def ask() -> Any:
        async with aclient(base_url) as api:
            return await api.chat.completions.create(model=MODEL, messages=asks("Name three rivers of Peru."))

    return run(ask())


@scenario(cached=True)
def streams_asynchronously(base_url: str) -> Any:
    async def ask() -> Any:
        async with aclient(base_url) as api:
            messages = asks("Give me a word that rhymes with lantern.")
            return await adrained(await api.chat.completions.create(model=MODEL, messages=messages, stream=True))

    return run(ask())


@scenario()
def answers_many_at_once(base_url: str) -> Any:
    async def ask() -> Any:
        async with aclient(base_url) as api:
            questions = [f"What is the atomic number of element {number}?" for number in range(12)]
            calls = [api.chat.completions.create(model=MODEL, messages=asks(question)) for question in questions]
            return await asyncio.gather(*calls)

    return run(ask())


@scenario(cached=False)
def calls_a_tool(base_url: str) -> Any:
    messages = asks("How warm is the attic? Please use the tool.")
    return client(base_url).chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])


@scenario(cached=False)
def streams_a_tool_call(base_url: str) -> Any:
    messages = asks("How warm is the cellar? Please use the tool.")
    api = client(base_url)
    return drained(api.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER], stream=True))


@scenario()
def goes_on_after_a_tool_result(base_url: str) -> Any:
    api = client(base_url)
    messages = asks("How warm is the garage? Please use the tool.")
    first = api.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER]).choices[0].message
    assert first.tool_calls
    messages.append(first.to_dict())  # type: ignore[arg-type]
    messages.append({"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "17 degrees"})
    return [first, api.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])]


@scenario(cached=True)
def parses_a_structured_answer(base_url: str) -> Any:
    messages = asks("A soup out of leftovers, please.")
    parsed = client(base_url).chat.completions.parse(model=MODEL, messages=messages, response_format=Recipe)
    assert isinstance(parsed.choices[0].message.parsed, Recipe)
    return parsed


@scenario()
def sends_images(base_url: str) -> Any:
    image: Any = {"type": "image_url", "image_url": {"url": PIXEL}}
    content: Any = [{"type": "text", "text": "What do these pictures show?"}, image, image]
    return client(base_url).chat.completions.create(model=MODEL, messages=[{"role": "user", "content": content}])


@scenario(cached=False)
def asks_for_several_choices(base_url: str) -> Any:
    messages = asks("Suggest a name for a bakery.")
    return client(base_url).chat.completions.create(model=MODEL, messages=messages, n=3)


@scenario(cached=False)
def streams_several_choices(base_url: str) -> Any:
    messages = asks("Suggest a name for a sailing boat.")
    return drained(client(base_url).chat.completions.create(model=MODEL, messages=messages, n=2, stream=True))


@scenario(cached=False)
def asks_for_log_probabilities(base_url: str) -> Any:
    messages = asks("Is a tomato a fruit?")
    return client(base_url).chat.completions.create(model=MODEL, messages=messages, logprobs=True, top_logprobs=2)


@scenario(cached=False)
def gets_a_truncated_answer(base_url: str) -> Any:
    messages = asks("Tell me the whole history of paper.")
    return client(base_url).chat.completions.create(model=MODEL, messages=messages, max_tokens=9)


@scenario(cached=False)
def streams_a_truncated_answer(base_url: str) -> Any:
    messages = asks("Tell me the whole history of glass.")
    return drained(client(base_url).chat.completions.create(model=MODEL, messages=messages, max_tokens=9, stream=True))


@scenario(cached=False)
def gets_a_filtered_answer(base_url: str) -> Any:
    messages = asks("Write something that no filter lets pass.")
    return client(base_url).chat.completions.create(model=MODEL, messages=messages, extra_headers=failing("filtered"))


@scenario(cached=True)
def reads_the_raw_response(base_url: str) -> Any:
    messages = asks("How many strings has a cello?")
    raw = client(base_url).chat.completions.with_raw_response.create(model=MODEL, messages=messages)
    return [raw.status_code, raw.headers["content-type"], "x-request-id" in raw.headers, raw.parse()]


@scenario(cached=True)
def reads_the_streaming_response(base_url: str) -> Any:
    messages = asks("How many keys has a harpsichord?")
    api = client(base_url).chat.completions
    with api.with_streaming_response.create(model=MODEL, messages=messages, stream=True) as response:
        lines = [line for line in response.iter_lines() if line]
        return [response.status_code, response.headers["content-type"], lines[-1], lines[0].partition(" ")[0]]


@scenario()
def reads_a_gzipped_answer(base_url: str) -> Any:
    messages = asks("What does a lighthouse keeper do all day?")
    return client(base_url).chat.completions.create(model=MODEL, messages=messages, extra_headers=failing("gzip"))


@scenario()
def embeds(base_url: str) -> Any:
    api = client(base_url)
    texts = ["a red boat", "a blue boat"]
    packed = api.embeddings.create(model="text-embedding-3-small", input=texts, dimensions=64)
    listed = api.embeddings.create(model="text-embedding-3-small", input=texts, dimensions=64, encoding_format="float")
    return [packed, listed]


@scenario()
def lists_models(base_url: str) -> Any:
    api = client(base_url)
    return [list(api.models.list()), api.models.retrieve("gpt-4o")]


@scenario(cached=False)
def opts_out_of_the_cache(base_url: str) -> Any:
    messages = asks("Whose birthday is on the calendar?")
    return client(base_url, default_headers=NOT_STORED).chat.completions.create(model=MODEL, messages=messages)
