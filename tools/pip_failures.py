"""What pip or venv said when it failed, in one sentence with the remedy. Standard library only, as set_up.py needs."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

FULL = 50e6  # bytes: with less than this free, whatever failed failed for want of disk

DISK = (
    "no disk is left ({free} free here, {temporary} in {folder}, where pip unpacks); make room, or name a roomier "
    "folder in $TMPDIR, or take the smaller CPU-only torch (README), and run make again"
)

# What pip says -> what it means. The first that fits: a proxy that refuses shows as a network that fails, too.
MEANINGS = [
    (r"No space left on device|Errno 28|[Dd]isk quota exceeded|not enough space on the disk", DISK),
    (
        r"ProxyError|Cannot connect to proxy|Tunnel connection failed|Proxy Authentication|proxy URL",
        "the proxy {proxy} did not let pip through; check its address and password in $HTTPS_PROXY and run make again",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError|certificate verify failed",
        "the package index shows a certificate that Python does not trust; where a proxy or a firewall puts in its "
        "own, name the file of its certificates in $PIP_CERT and run make again",
    ),
    (
        r"Failed to establish a new connection|Max retries exceeded|NameResolutionError|[Nn]ame resolution"
        r"|Name or service not known|Network is unreachable|Connection (?:refused|reset|aborted)|timed out"
        r"|getaddrinfo failed|nodename nor servname|NewConnectionError|ConnectTimeout|ProtocolError",
        "the package index cannot be reached; connect to the network (behind a proxy, set $HTTPS_PROXY) and run make "
        "again",
    ),
    (
        r"No matching distribution found for ([^\s(]+)",
        "there is no {match} for this platform and Python (pip's lines above name both); the README's table of "
        "platforms says what is supported",
    ),
    (
        r"ResolutionImpossible|conflicting dependencies",
        "the pinned versions cannot all be had here (pip's lines above say which); the README's table of platforms "
        "says what is supported, and `pip config list` whether pip was told of constraints beside ours",
    ),
    (
        r"Permission denied|Errno 13",
        "a file cannot be written (pip's last lines above say which); mend its rights",
    ),
]
EARLY = MEANINGS[1:-1]  # pip meets these before it changes anything


class SetUpError(Exception):
    """What a reader can put right, in one sentence.

    Attributes:
        harmless: whether the environment is what it was before.
    """

    def __init__(self, sentence: str, harmless: bool = False) -> None:
        super().__init__(sentence)
        self.harmless = harmless


def explain(command: list[str], said: str, root: Path) -> SetUpError:
    """Return the error for a command that failed and what it had said."""
    if min(_free(root), _free(Path(tempfile.gettempdir()))) < FULL:
        return SetUpError(_disk_sentence(root))
    for meaning in MEANINGS:
        pattern, sentence = meaning
        if match := re.search(pattern, said):
            if sentence is DISK:
                return SetUpError(_disk_sentence(root))
            named = {"proxy": proxy(), "match": match[1] if match.re.groups else ""}
            return SetUpError(sentence.format(**named), harmless=meaning in EARLY)
    last = next((line.strip() for line in reversed(said.split("\n")) if line.strip()), "it gave no reason")
    return SetUpError(f"`{' '.join(command)}` failed: {last}")


def proxy() -> str:
    """Return the proxy that pip was told of, without its password."""
    names = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy")
    address = next((os.environ[name] for name in names if os.environ.get(name)), "of pip's configuration")
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if parts.netloc else address


@contextlib.contextmanager
def written(root: Path) -> Iterator[None]:
    """Write something below ``root``; an OSError on the way becomes a SetUpError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise SetUpError(_disk_sentence(root)) from None
        raise SetUpError(
            f"{root} cannot be written ({error.strerror}); mend its rights and run make again"
        ) from None


def _disk_sentence(root: Path) -> str:
    folder = Path(tempfile.gettempdir())
    return DISK.format(free=_gigabytes(_free(root)), temporary=_gigabytes(_free(folder)), folder=folder)


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
