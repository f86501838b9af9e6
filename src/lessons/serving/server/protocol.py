"""What may stand in a request, and the shape of an error: OpenAI's API, as far as one model on one machine serves it.

Source:
    The fields and their defaults: OpenAI's API reference, "Completions" and "Chat". ``top_k`` and ``ignore_eos`` are
    additions of vLLM.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from reprlib import repr as shortened
from typing import Any

from lessons.errors import LessonError
from lessons.llm.sampling import SamplingParams

MAX_TOKENS = 16  # of a completion that does not say; a chat may write until its context is full
MAX_STOPS = 4
HUGE = 1e9
TINY = 1e-5  # a smaller temperature or top_p leaves one token, and dividing by it would overflow
ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}

SERVED = {
    *("model", "max_tokens", "temperature", "top_p", "top_k", "seed", "stop"),
    *("stream", "stream_options", "ignore_eos"),
}
IGNORED = {"user", "metadata", "store", "service_tier", "safety_identifier"}  # they do not change the answer
# Fields that would change the answer, with the values that leave it as it is.
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "echo": (False,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "suffix": ("",),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "repetition_penalty": (1,),
    "min_p": (0,),
    "logit_bias": ({},),
    "tools": ([],),
    "tool_choice": ("none",),
    "response_format": ({"type": "text"},),
}
COMPLETION = {"prompt"}
CHAT = {"messages", "max_completion_tokens"}


class BadRequest(LessonError):
    """The client sent what cannot be served.

    Args:
        message: one sentence for the client.
        param: the field it is about.
        code: OpenAI's short name of the mistake, where it has one.
        status: of the HTTP answer.
    """

    def __init__(self, message: str, param: str | None = None, code: str | None = None, status: int = 400):
        super().__init__(message)
        self.param, self.code, self.status = param, code, status

    def to_json(self) -> dict[str, Any]:
        """Return OpenAI's error object."""
        return error_json(str(self), "invalid_request_error", self.param, self.code)


def error_json(message: str, type: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """Return an error in OpenAI's shape."""
    return {"error": {"message": message, "type": type, "param": param, "code": code}}


@dataclass(frozen=True)
class Asked:
    """A checked request.

    Attributes:
        model: its name, if it was given.
        prompt: text, or token ids; None in a chat.
        messages: of a chat.
        max_tokens: the most tokens to write; None for as many as fit.
        params, seed, ignore_eos: see ``SamplingEngine.arrange``.
        stop: texts that end the answer.
        stream: send each token as it comes.
        include_usage: send the counts at the end of a stream.
    """

    model: str | None
    prompt: str | tuple[int, ...] | None
    messages: tuple[dict[str, str], ...]
    max_tokens: int | None
    params: SamplingParams
    seed: int | None
    stop: tuple[str, ...]
    ignore_eos: bool
    stream: bool
    include_usage: bool


def completion(body: bytes) -> Asked:
    """Check the body of ``POST /v1/completions``.

    Raises:
        BadRequest: naming the field that is wrong.
    """
    fields = _object(body, COMPLETION)
    most = _take(fields, "max_tokens", _whole)
    return _asked(fields, _prompt(fields.get("prompt")), (), MAX_TOKENS if most is None else most)


def chat(body: bytes) -> Asked:
    """Check the body of ``POST /v1/chat/completions``.

    Raises:
        BadRequest: naming the field that is wrong.
    """
    fields = _object(body, CHAT)
    most = _take(fields, "max_completion_tokens", _whole)
    if most is None:
        most = _take(fields, "max_tokens", _whole)
    return _asked(fields, None, _messages(fields.get("messages")), most)


def _object(body: bytes, own: set[str]) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON ({type(error).__name__}); send one JSON object") from None
    if not isinstance(fields, dict):
        raise BadRequest(f"the body is {shortened(fields)}; send one JSON object")
    fields = {name: value for name, value in fields.items() if value is not None}
    for name, value in fields.items():
        if name in NEUTRAL:
            if value not in NEUTRAL[name]:
                allowed = NEUTRAL[name][0]
                raise BadRequest(f"{name} is {shortened(value)}; this server takes {allowed!r} only", name)
        elif name not in SERVED | IGNORED | own:
            raise BadRequest(f"{shortened(name)} is no field of this request; leave it out")
    return fields


def _asked(
    fields: Mapping[str, Any],
    prompt: str | tuple[int, ...] | None,
    messages: tuple[dict[str, str], ...],
    max_tokens: int | None,
) -> Asked:
    if max_tokens is not None and max_tokens < 1:
        raise BadRequest(f"max_tokens is {max_tokens}; ask for at least 1 token", "max_tokens")
    seed = _take(fields, "seed", _whole)
    if seed is not None and not 0 <= seed < 2**63:
        raise BadRequest(f"seed is {shortened(seed)}; it must be from 0 to 2**63 - 1", "seed")
    stream = _take(fields, "stream", _truth, False)
    options = _take(fields, "stream_options", _options, {})
    if options and not stream:
        raise BadRequest("stream_options are only for a stream; set stream to true", "stream_options")
    return Asked(
        model=_take(fields, "model", _text),
        prompt=prompt,
        messages=messages,
        max_tokens=max_tokens,
        params=_params(fields),
        seed=seed,
        stop=_stop(fields.get("stop")),
        ignore_eos=_take(fields, "ignore_eos", _truth, False),
        stream=stream,
        include_usage=bool(options.get("include_usage")),
    )


def _params(fields: Mapping[str, Any]) -> SamplingParams:
    temperature = _take(fields, "temperature", _number, 1.0)
    top_p, top_k = _take(fields, "top_p", _number, 1.0), _take(fields, "top_k", _whole, 0)
    try:
        # vLLM's top_k of -1 is our 0: all tokens.
        params = SamplingParams(temperature, 0 if top_k == -1 else top_k, top_p)
    except LessonError as error:
        raise BadRequest(str(error), str(error).split()[0]) from None
    return SamplingParams() if min(temperature, top_p) < TINY else params


def _take(
    fields: Mapping[str, Any], name: str, kind: Callable[[Any], str | None], default: Any = None
) -> Any:
    """Return a field of the right kind, or the default where it is absent."""
    if name not in fields:
        return default
    value = fields[name]
    wanted = kind(value)
    if wanted is not None:
        raise BadRequest(f"{name} is {shortened(value)}; it must be {wanted}", name)
    return value


def _whole(value: Any) -> str | None:
    return None if isinstance(value, int) and not isinstance(value, bool) else "a whole number"


def _number(value: Any) -> str | None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return (
        None if number and -HUGE < value < HUGE else "a number"
    )  # JSON in Python knows NaN and Infinity too


def _truth(value: Any) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) else "text"


def _options(value: Any) -> str | None:
    known = isinstance(value, dict) and set(value) <= {"include_usage"}
    return None if known and all(isinstance(v, bool) for v in value.values()) else '{"include_usage": true}'


def _prompt(value: Any) -> str | tuple[int, ...]:
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], (str, list)):
        value = value[0]  # a list of one prompt
    if isinstance(value, str):
        return _encodable(value, "prompt")
    if isinstance(value, list) and value and all(_whole(token) is None for token in value):
        return tuple(value)
    raise BadRequest(
        f"prompt is {shortened(value)}; it must be one text or one list of token ids (send several prompts as several "
        "requests)",
        "prompt",
    )


def _messages(value: Any) -> tuple[dict[str, str], ...]:
    if not isinstance(value, list) or not value:
        raise BadRequest(f"messages is {shortened(value)}; it must be a list of messages", "messages")
    return tuple(_message(message) for message in value)


def _message(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not isinstance(role := value.get("role"), str) or role not in ROLES:
        raise BadRequest(
            f"a message is {shortened(value)}; it needs a role ({', '.join(ROLES)}) and content", "messages"
        )
    content = value.get("content")
    if isinstance(content, list):  # the long form: a list of parts
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        texts = [part for part in parts if isinstance(part, str)]
        content = "".join(texts) if len(texts) == len(content) else content
    if not isinstance(content, str):
        raise BadRequest(f"the content of a message is {shortened(content)}; it must be text", "messages")
    return {"role": ROLES[role], "content": _encodable(content, "messages")}


def _stop(value: Any) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else [] if value is None else value
    if (
        not isinstance(stops, list)
        or len(stops) > MAX_STOPS
        or not all(isinstance(s, str) and s for s in stops)
    ):
        raise BadRequest(
            f"stop is {shortened(value)}; it must be text, or a list of up to {MAX_STOPS}", "stop"
        )
    return tuple(stops)


def _encodable(text: str, param: str) -> str:
    """JSON can name half of a surrogate pair, which is no character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadRequest(f"{param} holds half of a surrogate pair; send whole characters", param) from None
    return text
