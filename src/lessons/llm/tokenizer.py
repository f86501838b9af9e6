"""Text to token ids and back, from the vocabulary and merges that stand in the GGUF file itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from lessons.errors import LessonError, shown

KIND = {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm"}
AGAIN = "fetch it again with `lessons get-model`"
CONTROL = 3  # ggml's token type of a token with a meaning and no text
DEFAULT_SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"


class BPETokenizer:
    """Byte-level byte-pair encoding with the pre-tokenizer of SmolLM.

    Text is first cut into words, each digit alone; each word starts as its bytes; then the merges are applied
    in the order in which training found them.

    Args:
        metadata: of the GGUF file.

    Attributes:
        eos_id: the token that ends an answer.
        stop_ids: all tokens after which nothing more is written.
        vocab_size: number of tokens.

    Raises:
        LessonError: when the file holds another kind of tokenizer, or none, or one that contradicts itself.

    Source:
        Sennrich et al. 2016, arXiv:1508.07909; Radford et al. 2019 (bytes in place of characters);
        github.com/ggml-org/llama.cpp, src/llama-vocab.cpp, LLAMA_VOCAB_PRE_TYPE_SMOLLM.
    """

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        for key, known in KIND.items():
            found = metadata.get(key)
            if not isinstance(found, str) or found != known:
                raise LessonError(f"the file's {key} is {shown(found)}; this book reads {known!r} only")
        tokens, merges = (_texts(metadata, key) for key in ("tokens", "merges"))
        types = _there(metadata, "token_type")
        if not isinstance(types, np.ndarray) or len(types) != len(tokens):
            raise LessonError(
                f"the file's tokenizer.ggml.token_type is {shown(types)}; it must be a number for each of the "
                f"{len(tokens)} tokens: {AGAIN}"
            )
        self.eos_id = _there(metadata, "eos_token_id")
        if type(self.eos_id) is not int or not 0 <= self.eos_id < len(tokens):
            raise LessonError(
                f"the file's tokenizer.ggml.eos_token_id is {shown(self.eos_id)}, and it has the tokens 0 to "
                f"{len(tokens) - 1}; {AGAIN}"
            )
        vocabulary = {token: i for i, token in enumerate(tokens)}
        if len(vocabulary) < len(tokens):
            twice = next(token for i, token in enumerate(tokens) if vocabulary[token] != i)
            raise LessonError(f"the file's token {shown(twice)} stands in its vocabulary twice; {AGAIN}")
        pairs: list[Any] = [tuple(merge.split(" ")) for merge in merges]
        try:
            model = models.BPE(vocabulary, pairs)
        except Exception as error:  # the library raises nothing more special
            raise LessonError(
                f"the file's merges do not suit its tokens ({shown(str(error))}); {AGAIN}"
            ) from error
        # Two that share the model: one takes all text as text, the other knows the control tokens.
        self._plain, self._tokenizer = _around(model), _around(model)
        control = [token for token, kind in zip(tokens, types) if kind == CONTROL]
        self._tokenizer.add_special_tokens([AddedToken(token, special=True) for token in control])

        self.vocab_size = len(tokens)
        self.stop_ids = frozenset({self.eos_id, vocabulary.get("<|endoftext|>", self.eos_id)})

    def encode(self, text: str, *, parse_special: bool = True) -> list[int]:
        """Return the token ids of ``text``.

        Args:
            text: any.
            parse_special: take control tokens such as ``<|im_end|>`` in it as control; else they are text like any
                other, which is what a stranger's text needs. The name is llama.cpp's.

        Twenty-one bytes have no token in SmolLM2's vocabulary, since its training text had none of them: a few
        control characters, and bytes that only rare or no UTF-8 has. They are dropped, as llama.cpp does.
        """
        tokenizer = self._tokenizer if parse_special else self._plain
        return tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ``ids`` without control tokens.

        A character whose bytes are not all there shows as U+FFFD.
        """
        return self._tokenizer.decode(list(ids), skip_special_tokens=True)

    def chat(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Return the text that asks the Instruct model for its answer to a conversation, as one would read it.

        In this text a control token that stands in a content looks like one of the template's; ``encode_chat``
        tells them apart.

        Args:
            messages: each with "role" ("system", "user", "assistant") and "content". Where the first is no
                system message, SmolLM2's own is put before it.
        """
        return "".join(text for text, _ in _template(messages))

    def encode_chat(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """Return the token ids that ask the Instruct model for its answer to a conversation.

        Only the template begins and ends turns: whatever stands in a content is text.

        Args:
            messages: see ``chat``.
        """
        return [
            id for text, control in _template(messages) for id in self.encode(text, parse_special=control)
        ]


def _there(metadata: Mapping[str, Any], name: str) -> Any:
    """Return a value that the tokenizer cannot be without."""
    key = f"tokenizer.ggml.{name}"
    if key not in metadata:
        raise LessonError(f"the file has no {key!r}; {AGAIN}")
    return metadata[key]


def _texts(metadata: Mapping[str, Any], name: str) -> list[str]:
    """Return a list of texts; ``GGUF`` gives them as such, and everything else as something else."""
    found = _there(metadata, name)
    if not isinstance(found, list):
        raise LessonError(f"the file's tokenizer.ggml.{name} is {shown(found)}; it must be texts: {AGAIN}")
    return found


def _around(model: models.Model) -> Tokenizer:
    """Return a tokenizer that cuts text as SmolLM's does, and knows no control tokens yet."""
    tokenizer = Tokenizer(model)
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [digits, pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _template(messages: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, bool]]:
    """Yield the pieces of a conversation, each with whether it is a control token.

    Source:
        The key tokenizer.chat_template of the model's file.
    """
    if not messages or messages[0]["role"] != "system":
        messages = [{"role": "system", "content": DEFAULT_SYSTEM}, *messages]
    for message in messages:
        yield "<|im_start|>", True
        yield f"{message['role']}\n{message['content']}", False
        yield "<|im_end|>", True
        yield "\n", False
    yield "<|im_start|>", True
    yield "assistant\n", False
