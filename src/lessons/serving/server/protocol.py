"""What may stand in a request, and the shape of an error: OpenAI's API, as far as one model on one machine serves it.

A request is a pydantic model whose fields say what is served. What is not a field is refused; so is a field that
would change the answer in a way that is not served, unless its value leaves the answer as it is.

Source:
    The fields and their defaults: OpenAI's API reference, "Completions" and "Chat". ``top_k`` and ``ignore_eos`` are
    additions of vLLM.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from reprlib import repr as shortened
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WrapValidator,
    field_validator,
)

from lessons.errors import LessonError
from lessons.llm.limits import MAX_SEED, MAX_STOPS, MAX_TEMPERATURE
from lessons.llm.sampling import SamplingParams

MAX_TOKENS = 16  # of a completion that does not say; a chat may write until its context is full
MANY = 1000  # mistakes in one body, which pydantic would describe one by one


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


class _Object(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


def _says(wanted: str) -> WrapValidator:
    """Say one thing of a value that is wrong, where each of its possible types would say another."""

    def check(value: Any, validate: Callable[[Any], Any]) -> Any:
        try:
            return validate(value)
        except ValidationError:
            raise ValueError(f"it must be {wanted}") from None

    return WrapValidator(check)


def _one(prompt: Any) -> Any:
    """Return the prompt in a list of one."""
    listed = isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], (str, list))
    return prompt[0] if listed else prompt


Prompt = Annotated[
    str | Annotated[list[int], Field(min_length=1)],
    _says("one text or one list of token ids (send several prompts as several requests)"),
    BeforeValidator(_one),
]
Stop = Annotated[
    list[Annotated[str, Field(min_length=1)]],
    Field(max_length=MAX_STOPS),
    BeforeValidator(lambda stop: [stop] if isinstance(stop, str) else stop),
    _says(f"text, or a list of up to {MAX_STOPS}"),
]


class StreamOptions(_Object):
    """How a stream ends: ``include_usage`` sends the counts last."""

    include_usage: bool = False


class ResponseFormat(_Object):
    """The form of an answer."""

    type: Literal["text"]


class TextPart(_Object):
    """A part of a message in its long form."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["text"] = "text"
    text: str


class Message(_Object):
    """One message of a conversation; ``developer`` is the newer name of ``system``."""

    model_config = ConfigDict(extra="ignore")

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str | list[TextPart], _says("text, or a list of parts of text")]


class Fields(_Object):
    """What both kinds of request may say.

    Attributes:
        model: its name, if it was given.
        temperature, top_p, top_k, seed, ignore_eos: see ``params`` and ``SamplingEngine.arrange``.
        stop: texts that end the answer.
        stream, stream_options: send each token as it comes.
    """

    model: str | None = None
    temperature: float = Field(1.0, ge=0, le=MAX_TEMPERATURE)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=-1)
    seed: int | None = Field(None, ge=0, le=MAX_SEED)
    stop: Stop = []
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    ignore_eos: bool = False

    # They do not change the answer.
    user: Any = None
    metadata: Any = None
    store: Any = None
    service_tier: Any = None
    safety_identifier: Any = None

    # They would change the answer: each takes only the value that leaves it as it is.
    n: Literal[1] = 1
    best_of: Literal[1] = 1
    echo: Literal[False] = False
    logprobs: Literal[False] = False
    top_logprobs: Literal[0] = 0
    suffix: Literal[""] = ""
    presence_penalty: float = Field(0, ge=0, le=0)
    frequency_penalty: float = Field(0, ge=0, le=0)
    repetition_penalty: float = Field(1, ge=1, le=1)
    min_p: float = Field(0, ge=0, le=0)
    logit_bias: dict[str, Any] = Field({}, max_length=0)
    tools: list[Any] = Field([], max_length=0)
    tool_choice: Literal["none"] = "none"
    response_format: ResponseFormat = ResponseFormat(type="text")

    @field_validator("*", mode="before")
    @classmethod
    def _holds_characters(cls, value: Any) -> Any:
        """JSON can name half of a surrogate pair, which is no character."""
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("it holds half of a surrogate pair; send whole characters") from None
        return value

    @field_validator("stream_options")
    @classmethod
    def _is_for_a_stream(cls, value: StreamOptions, info: ValidationInfo) -> StreamOptions:
        if not info.data.get("stream"):
            raise ValueError("it is only for a stream; set stream to true")
        return value

    @property
    def params(self) -> SamplingParams:
        """How to choose tokens; vLLM's ``top_k`` of -1 is our 0: all tokens."""
        return SamplingParams(self.temperature, max(0, self.top_k), self.top_p)


class CompletionRequest(Fields):
    """The body of ``POST /v1/completions``: continue ``prompt``, text or token ids, by up to ``max_tokens``."""

    prompt: Prompt
    max_tokens: int = Field(MAX_TOKENS, ge=1)

    @property
    def limit(self) -> int | None:
        """The most tokens to write; None for as many as fit."""
        return self.max_tokens


class ChatCompletionRequest(Fields):
    """The body of ``POST /v1/chat/completions``: answer ``messages``; the limit has an older and a newer name."""

    messages: list[Message] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)

    @property
    def limit(self) -> int | None:
        """The most tokens to write; None for as many as fit."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def conversation(self) -> list[dict[str, str]]:
        """The messages as ``BPETokenizer.encode_chat`` takes them."""
        return [
            {
                "role": "system" if m.role == "developer" else m.role,
                "content": m.content if isinstance(m.content, str) else "".join(p.text for p in m.content),
            }
            for m in self.messages
        ]


Kind = TypeVar("Kind", CompletionRequest, ChatCompletionRequest)


def read(kind: type[Kind], body: bytes) -> Kind:
    """Check the body of a request. A field that is null counts as left out.

    Raises:
        BadRequest: naming the field that is wrong.
    """
    try:
        fields = json.loads(body)
        if not isinstance(fields, dict):
            raise BadRequest(f"the body is {shortened(fields)}; send one JSON object")
        return kind.model_validate({name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        if error.error_count() > MANY:
            raise BadRequest(
                f"the body has {error.error_count()} mistakes; send the fields that this server knows"
            ) from None
        raise _refusal(error.errors(include_url=False)[0]) from None
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON ({type(error).__name__}); send one JSON object") from None


def _refusal(error: Any) -> BadRequest:
    """Make one sentence of what pydantic says: the field, the value, what it must be."""
    kind, place, value = error["type"], error["loc"] or (error["input"],), error["input"]
    path = place[0] + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place[1:])
    if kind == "extra_forbidden" or not error["loc"]:  # without a place, the field's name is not even text
        field = place[0] if place[1:] else None
        return BadRequest(f"{shortened(path)} is no field of this request; leave it out", field)
    field = place[0]
    if kind == "missing":
        return BadRequest(f"{path} is missing, and this request needs it", field)
    if kind == "value_error":
        wanted = str(error["ctx"]["error"])
    elif kind == "model_type":
        wanted = "it must be an object"
    else:  # such as "Input should be a valid integer"
        wanted = "it must " + error["msg"].partition(" should ")[2]
    return BadRequest(f"{path} is {shortened(value)}; {wanted}", field)
