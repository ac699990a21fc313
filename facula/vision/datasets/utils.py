"""Downloads, checksums and archives."""

from __future__ import annotations

import hashlib
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

__all__ = ["calculate_md5", "check_md5", "check_integrity", "download_url", "download_and_extract_archive", "extract_archive",
           "verify_str_arg", "list_dir", "list_files", "iterable_to_str"]
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
    """Downloads to `path + ".part"`, resuming one that is there, and moves it into place if `check` accepts it."""
    part = path + ".part"
    for attempt in (0, 1):
        at = os.path.getsize(part) if os.path.exists(part) else 0
        request = urllib.request.Request(url, headers={"User-Agent": "facula"})
        if at and not url.startswith("file:"):
            request.add_header("Range", f"bytes={at}-")
        try:
            with urllib.request.urlopen(request) as response:
                resumed = getattr(response, "status", None) == 206
                total = int(response.headers.get("Content-Length") or 0) + (at if resumed else 0)
                with open(part, "ab" if resumed else "wb") as file:
                    _copy(response, file, at if resumed else 0, total, progress)
        except urllib.error.HTTPError as error:
            if error.code != 416 or not at:  # nothing left to resume: the part is whole, or of another file
                raise
        if check is None or check(part):
            os.replace(part, path)
            return
        os.remove(part)
        if not at or attempt:
            break
    raise RuntimeError(f"File not found or corrupted: {path} does not have the expected checksum after downloading {url}")


def _copy(source, target, done, total, progress):
    show = progress and sys.stderr.isatty()
    while chunk := source.read(_CHUNK):
        target.write(chunk)
        done += len(chunk)
        if show:
            of = f"/{total / 1e6:.1f} MB {100 * done // max(total, 1):3d}%" if total else " MB"
            print(f"\r{done / 1e6:.1f}{of}", end="", file=sys.stderr)
    if show:
        print(file=sys.stderr)
    if total and done < total:
        raise RuntimeError(f"the download ended after {done} of {total} bytes; what has come is kept and resumed next time")


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


def extract_archive(from_path, to_path=None, remove_finished=False):
    """Unpacks a tar, zip, gzip, bzip2 or xz file; nothing is written outside the target folder."""
    to_path = os.path.dirname(from_path) if to_path is None else to_path
    name = os.fspath(from_path)
    import shutil

    if ".tar" in os.path.basename(name) or name.endswith((".tgz", ".tbz", ".tbz2")):
        import tarfile

        with tarfile.open(name) as archive:
            archive.extractall(to_path, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    elif name.endswith(".zip"):
        import zipfile

        with zipfile.ZipFile(name) as archive:
            archive.extractall(to_path)
    else:
        stem, suffix = os.path.splitext(name)
        openers = {".gz": "gzip", ".bz2": "bz2", ".xz": "lzma"}
        if suffix not in openers:
            raise RuntimeError(f"Unknown compression or archive type: '{suffix}'.\nKnown suffixes are: '{sorted(openers)}'.")
        opener = __import__(openers[suffix]).open
        target = os.path.join(to_path, os.path.basename(stem))
        with opener(name, "rb") as source, open(target + ".part", "wb") as file:
            shutil.copyfileobj(source, file)
        os.replace(target + ".part", target)
        to_path = target
    if remove_finished:
        os.remove(name)
    return to_path


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
