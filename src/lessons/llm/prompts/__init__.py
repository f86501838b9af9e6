"""Published prompts, and the texts they are about."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class Prompt:
    """One request.

    Attributes:
        name: its name in the file.
        kind: "grounded" where the answer can be copied in good part from the request, else "open".
        task: what is asked, in a word.
        request: the user's message.
    """

    name: str
    kind: str
    task: str
    request: str


def load(name: str = "speculative") -> tuple[Prompt, ...]:
    """Return the prompts of ``<name>.toml``, in the file's order."""
    from pydoc_data.topics import topics

    entries = tomllib.loads(files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))["prompt"]
    prompts = []
    for entry in entries:
        text = entry.get("text", "")
        if "topic" in entry:
            first, last = entry["slice"]
            text = topics[entry["topic"]][first:last].strip()
        request = entry["instruction"].replace("{text}", text)
        prompts.append(Prompt(entry["name"], entry["kind"], entry["task"], request))
    return tuple(prompts)
