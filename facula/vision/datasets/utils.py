"""Downloads, checksums and archives."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import shutil
import sys
import tarfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib

__all__ = ["calculate_md5", "check_md5", "check_integrity", "download_file_from_google_drive", "download_url",
           "download_and_extract_archive", "extract_archive", "verify_str_arg", "list_dir", "list_files", "iterable_to_str"]
_CHUNK = 1 << 17


def calculate_md5(fpath, chunk_size=1 << 20):
    """The MD5 of a file, as hex digits."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(fpath, "rb") as file:
        while chunk := file.read(chunk_size):
            digest.update(chunk)
    return digest.hexdigest()


def check_md5(fpath, md5, **kwargs):
    return md5 == calculate_md5(fpath, **kwargs)


def check_integrity(fpath, md5=None):
    """Whether a file is there and, if `md5` is given, has that checksum."""
    return os.path.isfile(fpath) and (md5 is None or check_md5(fpath, md5))


def fetch(url, path, progress=True, check=None):
    """Downloads to `path + ".part"`, resuming one that is there, and moves it into place if `check` accepts it.

    A part is resumed only if the server still has the file it began with (by its ETag or date, kept in `path + ".part.tag"`).

    Raises:
        RuntimeError: What came is not what `check` accepts, twice, or stopped early.
        urllib.error.URLError: The server does not answer, or has no such file.
    """
    part, tag = path + ".part", path + ".part.tag"
    for attempt in (0, 1):
        resumed_at = _transfer(url, part, tag, progress)
        if check is None or check(part):
            os.replace(part, path)
            _remove(tag)
            return
        looks = _beginning(part)
        _remove(part, tag)
        if not resumed_at or attempt:
            raise RuntimeError(f"File not found or corrupted: {path} does not have the expected checksum after downloading {url}{looks}")


def _transfer(url, part, tag, progress):
    """Fetches what is missing of a part; returns where it went on."""
    at = os.path.getsize(part) if os.path.exists(part) else 0
    request = urllib.request.Request(url, headers={"User-Agent": "facula"})
    if at and not url.startswith("file:"):
        request.add_header("Range", f"bytes={at}-")
        if os.path.exists(tag):
            with open(tag) as file:
                request.add_header("If-Range", file.read())
    try:
        with urllib.request.urlopen(request) as response:
            resumed = getattr(response, "status", None) == 206
            at = at if resumed else 0
            validator = response.headers.get("ETag") or response.headers.get("Last-Modified")
            if validator and not validator.startswith("W/"):
                with open(tag, "w") as file:
                    file.write(validator)
            total = int(response.headers.get("Content-Length") or 0) + at
            with open(part, "ab" if resumed else "wb") as file:
                _copy(response, file, at, total, progress, os.path.basename(part)[:-5])
    except urllib.error.HTTPError as error:
        if error.code != 416 or not at:  # nothing left to resume: the part is whole, or of another file
            raise
    return at


def _remove(*paths):
    for path in paths:
        if os.path.exists(path):
            os.remove(path)


def _beginning(path):
    """What a wrong file begins with, if it looks like a web page."""
    with open(path, "rb") as file:
        start = file.read(64).lstrip()
    return f": it looks like a web page (starts {start[:32]!r})" if start[:1] == b"<" else ""


def _copy(source, target, done, total, progress, name):
    show = progress and sys.stderr.isatty()
    while chunk := source.read(_CHUNK):
        target.write(chunk)
        done += len(chunk)
        if show:
            of = f"/{total / 1e6:.1f} MB {100 * done // max(total, 1):3d}%" if total else " MB"
            print(f"\r{name}: {done / 1e6:.1f}{of}", end="", file=sys.stderr)
    if show:
        print(file=sys.stderr)
    if total and done < total:
        raise RuntimeError(f"{name}: the download ended after {done} of {total} bytes; what has come is kept and resumed next time")


def download_url(url, root, filename=None, md5=None, max_redirect_hops=3):
    """Downloads a file into a folder unless it is there already.

    Raises:
        RuntimeError: The checksum is not `md5`.
    """
    root = os.path.expanduser(root)
    path = os.path.join(root, filename or os.path.basename(urllib.parse.urlparse(url).path))
    os.makedirs(root, exist_ok=True)
    if check_integrity(path, md5):
        return
    fetch(url, path, check=lambda part: check_integrity(part, md5))


def download_file_from_google_drive(file_id, root, filename=None, md5=None):
    """Downloads a shared file of Google Drive into a folder unless it is there already."""
    root = os.path.expanduser(root)
    path = os.path.join(root, filename or file_id)
    os.makedirs(root, exist_ok=True)
    if not check_integrity(path, md5):
        query = urllib.parse.urlencode({"id": file_id, "export": "download", "confirm": "t"})
        fetch(f"https://drive.usercontent.google.com/download?{query}", path, check=lambda part: check_integrity(part, md5))


def extract_archive(from_path, to_path=None, remove_finished=False):
    """Unpacks a tar, zip, gzip, bzip2 or xz file; nothing is written outside the target folder.

    Files are unpacked beside it and moved into place when all are there: an interrupted run leaves nothing that could be taken for data.

    Raises:
        RuntimeError: It is no archive, or damaged; the message names it.
    """
    name = os.fspath(from_path)
    to_path = os.path.dirname(name) if to_path is None else os.fspath(to_path)
    single = _single_opener(name)
    try:
        if single is not None:
            to_path = os.path.join(to_path, os.path.basename(os.path.splitext(name)[0]))
            with single(name, "rb") as source, open(to_path + ".part", "wb") as file:
                shutil.copyfileobj(source, file)
            os.replace(to_path + ".part", to_path)
        else:
            _unpack_members(name, to_path)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
        if isinstance(error, (FileNotFoundError, PermissionError)):
            raise
        raise RuntimeError(f"{name}: cannot be unpacked ({error}): delete it and download again") from error
    if remove_finished:
        os.remove(name)
    return to_path


def _is_tar(name):
    return ".tar" in os.path.basename(name) or name.endswith((".tgz", ".tbz", ".tbz2"))


def _single_opener(name):
    """How to open a compressed single file; None for archives of many."""
    if _is_tar(name) or name.endswith(".zip"):
        return None
    suffix = os.path.splitext(name)[1]
    openers = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    if suffix not in openers:
        raise RuntimeError(f"Unknown compression or archive type: '{suffix}'.\nKnown suffixes are: "
                           f"'{sorted([*openers, '.tar', '.tbz', '.tbz2', '.tgz', '.zip'])}'.")
    return openers[suffix]


def _unpack_members(name, to_path):
    os.makedirs(to_path, exist_ok=True)
    aside = os.path.join(to_path, f".{os.path.basename(name)}.unpacking")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        if _is_tar(name):
            with tarfile.open(name) as archive:
                archive.extractall(aside, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        else:
            with zipfile.ZipFile(name) as archive:
                archive.extractall(aside)
        _merge(aside, to_path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _merge(source, target):
    """Moves what is in a folder into another, file by file where both have a folder."""
    os.makedirs(target, exist_ok=True)
    for entry in os.listdir(source):
        old, new = os.path.join(source, entry), os.path.join(target, entry)
        if os.path.isdir(old) and os.path.isdir(new):
            _merge(old, new)
        else:
            os.replace(old, new)


def download_and_extract_archive(url, download_root, extract_root=None, filename=None, md5=None, remove_finished=False):
    """Downloads an archive unless it is there, and unpacks it."""
    root = os.path.expanduser(download_root)
    filename = filename or os.path.basename(urllib.parse.urlparse(url).path)
    download_url(url, root, filename, md5)
    archive = os.path.join(root, filename)
    extract_archive(archive, extract_root or root, remove_finished)


def iterable_to_str(iterable):
    return "'" + "', '".join(str(item) for item in iterable) + "'"


def verify_str_arg(value, arg=None, valid_values=None, custom_msg=None):
    if not isinstance(value, str):
        raise ValueError(f"Expected type str{f' for argument {arg}' if arg else ''}, but got type {type(value)}.")
    if valid_values is not None and value not in valid_values:
        raise ValueError(custom_msg or f"Unknown value '{value}' for argument {arg}. Valid values are {{{iterable_to_str(valid_values)}}}.")
    return value


def list_dir(root, prefix=False):
    root = os.path.expanduser(root)
    return [os.path.join(root, d) if prefix else d for d in os.listdir(root) if os.path.isdir(os.path.join(root, d))]


def list_files(root, suffix, prefix=False):
    root = os.path.expanduser(root)
    found = [f for f in os.listdir(root) if os.path.isfile(os.path.join(root, f)) and f.endswith(suffix)]
    return [os.path.join(root, f) if prefix else f for f in found]
