"""One file to carry recordings from the machine that made them to where they are read."""

from __future__ import annotations

import io
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from lessons.errors import LessonError
from lessons.files import write_atomic
from lessons.results.recordings import FOLDER, Recording, read_recording, save_recording

RECORDED = "recorded"
LIMIT = 64 << 20  # bytes of all files together


def pack(folder: Path, archive: Path, limit: int = LIMIT) -> list[str]:
    """Write all files below ``folder`` into ``archive``, a .tar.gz; it is whole at every moment.

    The smallest come first, so that a file without measure keeps no recording out. What is being written (its name
    begins with a dot) is not taken. Owners are not told.

    Returns:
        The files that were left out since all together would hold more than ``limit`` bytes.
    """
    files = sorted(
        (path.stat().st_size, path.relative_to(folder).as_posix())
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    )
    buffer, left, left_out = io.BytesIO(), limit, []
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for size, name in files:
            if size > left:
                left_out.append(name)
                continue
            data = (folder / name).read_bytes()
            info = tarfile.TarInfo(f"{folder.name}/{name}")
            info.size = len(data)
            info.mtime = int((folder / name).stat().st_mtime)
            tar.addfile(info, io.BytesIO(data))
            left -= size
    write_atomic(archive, buffer.getvalue())
    return left_out


def unpack(archive: Path, folder: Path = FOLDER, rehearsed: bool = False) -> list[Path]:
    """Copy the recordings of an archive to where recordings live; return their paths.

    Args:
        archive: what ``pack`` wrote; only its files ``recorded/<machine>/<slug>.json`` are read.
        folder: where to; the package's own folder, unless another is named.
        rehearsed: take rehearsed ones too.

    Raises:
        LessonError: when it is no such archive, holds no recordings, or holds rehearsed ones that nobody asked for.
    """
    found = _recordings(archive)
    if not found:
        raise LessonError(f"{archive} holds no recordings; its log says why")
    if not rehearsed and any(recording.rehearsed for recording in found):
        raise LessonError(
            f"{archive} was rehearsed with small sizes, and its numbers measure nothing; to look at them all the "
            "same, unpack it with --rehearse and --to a folder of your own"
        )
    return [save_recording(recording, folder) for recording in found]


def _recordings(archive: Path) -> list[Recording]:
    try:
        with tarfile.open(archive, "r:gz") as tar:
            found = []
            for member in tar:
                path = PurePosixPath(member.name)
                file = tar.extractfile(member) if member.isfile() and member.size <= LIMIT else None
                if file and path.suffix == ".json" and RECORDED in path.parts[:-2]:
                    found.append(read_recording(file.read(), f"{archive}: {path}"))
            return found
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise LessonError(
            f"{archive} cannot be read as a .tar.gz ({error}); name the archive of a GPU day"
        ) from None
