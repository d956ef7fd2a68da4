"""The files of a result on the command line: tried before the search, so that none is made for a name that fails."""

from pathlib import Path

from lrfinder.errors import InputError

__all__ = ["check_files"]

PICTURES = (".png", ".pdf", ".svg", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".eps", ".ps")
"""Endings of pictures that matplotlib draws."""


def check_files(picture: Path | None, record: Path | None, page: Path | None = None) -> None:
    """Raise InputError before the search for files that cannot be written after it; those that are there stay."""
    if picture is not None and picture.suffix.lower() not in PICTURES:
        raise InputError(f"`--plot` must end in one of {', '.join(PICTURES)}, got {picture}")
    for name, path in (("plot", picture), ("json", record), ("html", page)):
        if path is None:
            continue
        if not path.absolute().parent.is_dir():
            raise InputError(f"`--{name}` must be in a folder that exists, got {path}; make {path.parent} first")
        try:
            _try(path)
        except OSError as error:
            raise InputError(f"`--{name}` must be a file that can be written, got {path}: {error.strerror}") from error


def _try(path: Path) -> None:
    """Open a file for writing and leave it as it was; OSError where that is not possible."""
    is_new = not path.exists()
    if not is_new and not path.is_file() and not path.is_dir():
        return  # a pipe or a device: whoever reads it would take this for the end
    with path.open("ab"):
        pass
    if is_new:
        path.unlink(missing_ok=True)  # another rank may have been faster
