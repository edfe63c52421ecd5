"""Files dropped into `inbox/<source>/`, such as chat transcripts, into `files/<source>/` of the lake, as they came.

Belongs here: finding whole files and copying them once. Does not belong here: looking inside them
(`load.conversations`). The inbox keeps its files; whoever drops them may delete them once they are in the lake.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from headwater.configuration import Config, ConversationSource
from headwater.errors import UnavailableError
from headwater.land.objects import file_digest
from headwater.land.seen import Seen
from headwater.settings import Settings
from headwater.storage.lake import open_lake

_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload")


@dataclass(frozen=True)
class FilesLanded:
    """Files that were new to the lake, and their size in bytes."""

    files: int = 0
    bytes: int = 0


def pending_files(settings: Settings, config: Config) -> list[str]:
    """`<source>/<name>` of the inbox's whole files that are not in the lake, sorted."""
    return [name for name, _ in _pending(settings, config, Seen(settings, "files"))]


def land_files(settings: Settings, config: Config) -> FilesLanded:
    """Copy every pending file into the lake. Landing a file again, even under another name, changes nothing.

    Raises:
        UnavailableError: the inbox cannot be read, or the lake cannot be written.
    """
    lake = open_lake(settings)
    seen = Seen(settings, "files")
    files, size = 0, 0
    for name, path in _pending(settings, config, seen):
        try:
            before = path.stat()
            key = _key(name.split("/", 1)[0], path, file_digest(path))
            if path.stat().st_mtime_ns != before.st_mtime_ns or path.stat().st_size != before.st_size:
                continue  # still being written: the next look takes it
            if not lake.exists(key):
                size += lake.put(key, path).size
                files += 1
            seen.remember(name, path, key)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UnavailableError(f"{path} cannot be read: {error.strerror}.") from error
    seen.save()
    return FilesLanded(files, size)


def _pending(settings: Settings, config: Config, seen: Seen) -> list[tuple[str, Path]]:
    held = {item.key for item in open_lake(settings).list("files/")}
    found = []
    for source_name, source in config.sources.items():
        folder = settings.inbox / source_name
        if not isinstance(source, ConversationSource) or not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            if not _is_whole(path, source.files):
                continue
            name = f"{source_name}/{path.name}"
            if seen.object_of(name, path) not in held:
                found.append((name, path))
    return found


def _is_whole(path: Path, pattern: str) -> bool:
    name = path.name
    is_finished = not name.startswith(".") and not name.lower().endswith(_UNFINISHED)
    return is_finished and fnmatch(name, pattern) and path.is_file()


def _key(source: str, path: Path, digest: str) -> str:
    stem, dot, ending = path.name.partition(".")
    return f"files/{source}/{stem}-{digest}{dot}{ending}"
