"""Chat and generate through the official `ollama` package."""

from __future__ import annotations

from typing import Any

import ollama

from tests.contract.comparison import adrained, drained
from tests.contract.scenario import run, scenario
from tests.contract.scenarios.openai_chat import PIXEL, failing

MODEL = "llama3.2"
FERRY: Any = {
    "type": "function",
    "function": {
        "name": "next_ferry",
        "description": "Tells when the next ferry leaves",
        "parameters": {"type": "object", "properties": {"harbour": {"type": "string"}}, "required": ["harbour"]},
    },
}


def asks(text: str) -> Any:
    return [{"role": "user", "content": text}]


@scenario(cached=True)
def answers(base_url: str) -> Any:
    return ollama.Client(base_url).chat(MODEL, messages=asks("Why is the desert cold at night?"))


@scenario(cached=True)
def streams(base_url: str) -> Any:
    return drained(ollama.Client(base_url).chat(MODEL, messages=asks("What do moles eat?"), stream=True))


@scenario(cached=True)
def streams_asynchronously(base_url: str) -> Any:
    async def ask() -> Any:
        messages = asks("How do I fold a paper crane?")
        return await adrained(await ollama.AsyncClient(base_url).chat(MODEL, messages=messages, stream=True))

    return run(ask())


@scenario()
def generates(base_url: str) -> Any:
    return ollama.Client(base_url).generate(MODEL, "Once upon a time a miller", system="Finish the tale.")


@scenario()
def generates_a_stream(base_url: str) -> Any:
    return drained(ollama.Client(base_url).generate(MODEL, "Once upon a time a weaver", stream=True))


@scenario(cached=False)
def calls_a_tool(base_url: str) -> Any:
    messages = asks("When can I leave from the old harbour? Just use the tool.")
    return drained(ollama.Client(base_url).chat(MODEL, messages=messages, tools=[FERRY], stream=True))


@scenario()
def sends_an_image(base_url: str) -> Any:
    message = {"role": "user", "content": "Who is in this photo?", "images": [PIXEL.partition(",")[2]]}
    return ollama.Client(base_url).chat(MODEL, messages=[message])


@scenario()
def answers_in_a_format(base_url: str) -> Any:
    schema = {"type": "object", "properties": {"colour": {"type": "string"}, "bright": {"type": "boolean"}}}
    return ollama.Client(base_url).chat(MODEL, messages=asks("Colour of the kitchen wall"), format=schema)


@scenario()
def lists_models(base_url: str) -> Any:
    return ollama.Client(base_url).list()


@scenario(raises=ollama.ResponseError)
def is_told_that_a_model_is_unknown(base_url: str) -> Any:
    return ollama.Client(base_url).chat("no-such-model", messages=asks("Have you been pulled?"))


@scenario(raises=ollama.ResponseError)
def meets_an_unavailable_server(base_url: str) -> Any:
    return ollama.Client(base_url, headers=failing("503")).chat(MODEL, messages=asks("Is the server up?"))
