"""Fields of OpenAI's, vLLM's and llama.cpp's APIs that this server does not serve, and what they may say nevertheless.

Clients send many fields always, with the value that changes nothing. Such a value is taken; any other is refused, for
an answer that silently lacks what was asked for is worse than none. The words of the refusals are OpenAI's, since
clients look for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from reprlib import repr as shortened
from typing import Any

# Whatever they say, the answer is the same: labels, and hints how to be fast.
HARMLESS = frozenset(
    # OpenAI's
    {"user", "metadata", "store", "service_tier", "safety_identifier", "prediction", "parallel_tool_calls"}
    | {"prompt_cache_key", "prompt_cache_retention", "prompt_cache_options"}
    # vLLM's; SmolLM2 has no token that goes before a prompt, and no reasoning
    | {"request_id", "cache_salt", "add_special_tokens", "spaces_between_special_tokens", "include_reasoning"}
    # llama.cpp's, the last two rows for samplers that are off
    | {"cache_prompt", "id_slot", "n_keep", "n_discard", "reasoning_format"}
    | {"mirostat_tau", "mirostat_eta", "dynatemp_exponent", "xtc_threshold", "repeat_last_n"}
    | {"dry_base", "dry_allowed_length", "dry_penalty_last_n", "dry_sequence_breakers"}
)

# These would change the answer or add to it. Each has the values that don't; where there is none, leave it out.
NEUTRAL: dict[str, tuple[Any, ...]] = {
    # OpenAI's
    "n": (1,),
    "best_of": (1,),
    "echo": (False,),
    "suffix": ("",),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "reasoning_effort": ("none",),
    "verbosity": ("medium",),
    "audio": (),
    "moderation": (),
    "web_search_options": (),
    # vLLM's
    "min_p": (0,),
    "repetition_penalty": (1,),
    "length_penalty": (1,),
    "use_beam_search": (False,),
    "stop_token_ids": ([],),
    "bad_words": ([],),
    "allowed_token_ids": (),
    "include_stop_str_in_output": (False,),
    "skip_special_tokens": (True,),
    "truncate_prompt_tokens": (),
    "prompt_logprobs": (),
    "return_token_ids": (False,),
    "return_tokens_as_token_ids": (False,),
    "priority": (0,),
    "structured_outputs": (),
    "add_generation_prompt": (True,),
    "continue_final_message": (False,),
    "documents": ([],),
    "chat_template": (),
    "chat_template_kwargs": ({},),
    # llama.cpp's
    "typical_p": (1,),
    "repeat_penalty": (1,),
    "top_n_sigma": (-1,),
    "dynatemp_range": (0,),
    "xtc_probability": (0,),
    "dry_multiplier": (0,),
    "mirostat": (0,),
    "min_keep": (0,),
    "n_probs": (0,),
    "n_indent": (0,),
    "t_max_predict_ms": (0,),
    "grammar": ("",),
    "json_schema": (),
    "lora": ([],),
    "return_tokens": (False,),
    "return_progress": (False,),
    "timings_per_token": (False,),
    "response_fields": ([],),
}


def refusal(fields: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Find a field that asks for what is not served.

    Args:
        fields: of a request, without those that are null.

    Returns:
        The first such field, a sentence for the client and OpenAI's code; None where there is none.
    """
    for name, value in fields.items():
        if name in NEUTRAL and not any(_same(value, neutral) for neutral in NEUTRAL[name]):
            return name, *_words(name, value)
    return None


def without(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that are neither harmless nor neutral: those that are served, or unknown."""
    return {name: value for name, value in fields.items() if name not in HARMLESS and name not in NEUTRAL}


def _same(value: Any, neutral: Any) -> bool:
    return bool(value == neutral) and isinstance(value, bool) == isinstance(neutral, bool)


def _words(name: str, value: Any) -> tuple[str, str]:
    if name in ("tools", "functions"):
        return f"this model does not support tools; leave {name} out", "unsupported_parameter"
    if name == "response_format":
        kind = value.get("type") if isinstance(value, dict) else value
        return (
            f"Invalid parameter: 'response_format' of type {shortened(kind)} is not supported with this model; "
            "it writes 'text' only"
        ), "unsupported_value"
    if not NEUTRAL[name]:
        return (
            f"Unsupported parameter: '{name}' is not supported with this model; leave it out",
            "unsupported_parameter",
        )
    only = " or ".join(repr(neutral) for neutral in NEUTRAL[name])
    return (
        f"Unsupported value: '{name}' does not support {shortened(value)} with this model; it takes only {only}",
        "unsupported_value",
    )
