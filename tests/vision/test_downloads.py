"""Downloads from a server of our own: whole, resumed, damaged; archives unpacked at once or not at all."""

import gzip
import hashlib
import http.server
import io
import os
import tarfile
import threading
import zipfile

import pytest

from facula.vision.datasets import MNIST, utils

DATA = bytes(range(256)) * 40


class Handler(http.server.BaseHTTPRequestHandler):
    files, log, cut, tag = {}, [], None, '"one"'

    def do_GET(self):
        data = self.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        start = 0
        asked = self.headers.get("Range")
        if asked and self.headers.get("If-Range", self.tag) == self.tag:
            start = int(asked[6:-1])
            if start >= len(data):
                self.send_error(416)
                return
        self.log.append((self.path, start))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("ETag", self.tag)
        self.end_headers()
        body = data[start:]
        if self.cut is not None:
            body, type(self).cut = body[:self.cut], None
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    made = type("Made", (Handler,), {"files": {"/file.bin": DATA}, "log": [], "cut": None, "tag": '"one"'})
    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), made)
    thread = threading.Thread(target=service.serve_forever, daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{service.server_port}"
    yield made
    service.shutdown()
    service.server_close()
    thread.join()


def md5(data):
    return hashlib.md5(data).hexdigest()


def content(path):
    with open(path, "rb") as file:
        return file.read()


def test_a_file_is_fetched_once(server, tmp_path):
    for _ in range(2):
        utils.download_url(f"{server.url}/file.bin", str(tmp_path), md5=md5(DATA))
    assert content(tmp_path / "file.bin") == DATA and server.log == [("/file.bin", 0)]
    assert sorted(os.listdir(tmp_path)) == ["file.bin"]


def test_what_has_come_is_resumed(server, tmp_path):
    server.cut = 1000
    with pytest.raises((RuntimeError, OSError)):
        utils.download_url(f"{server.url}/file.bin", str(tmp_path), md5=md5(DATA))
    assert not (tmp_path / "file.bin").exists()
    utils.download_url(f"{server.url}/file.bin", str(tmp_path), md5=md5(DATA))
    assert content(tmp_path / "file.bin") == DATA and server.log[1] == ("/file.bin", 1000)


def test_a_part_of_another_version_is_not_resumed(server, tmp_path):
    server.cut = 1000
    with pytest.raises((RuntimeError, OSError)):
        utils.download_url(f"{server.url}/file.bin", str(tmp_path))
    server.files["/file.bin"], server.tag = DATA[::-1], '"two"'
    utils.download_url(f"{server.url}/file.bin", str(tmp_path))
    assert content(tmp_path / "file.bin") == DATA[::-1]


def test_a_wrong_part_is_thrown_away(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(b"x" * 500)
    utils.download_url(f"{server.url}/file.bin", str(tmp_path), md5=md5(DATA))
    assert content(tmp_path / "file.bin") == DATA


def test_a_wrong_file_is_named_and_not_kept(server, tmp_path):
    server.files["/file.bin"] = b"<html>moved</html>"
    with pytest.raises(RuntimeError, match="file.bin does not have the expected checksum .* looks like a web page"):
        utils.download_url(f"{server.url}/file.bin", str(tmp_path), md5=md5(DATA))
    assert os.listdir(tmp_path) == []


def tar_of(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def test_archives_are_unpacked_whole_or_not_at_all(tmp_path):
    archive = tmp_path / "data.tar.gz"
    whole = tar_of({"set/a": b"1" * 3000, "set/b": os.urandom(100000)})
    archive.write_bytes(whole[:len(whole) // 2])
    with pytest.raises(RuntimeError, match="data.tar.gz: cannot be unpacked"):
        utils.extract_archive(str(archive), str(tmp_path / "out"))
    assert os.listdir(tmp_path / "out") == []
    archive.write_bytes(whole)
    utils.extract_archive(str(archive), str(tmp_path / "out"))
    assert sorted(os.listdir(tmp_path / "out" / "set")) == ["a", "b"]


def test_nothing_is_written_outside(tmp_path):
    archive = tmp_path / "bad.tar.gz"
    archive.write_bytes(tar_of({"../escaped": b"1"}))
    with pytest.raises(RuntimeError, match="bad.tar.gz"):
        utils.extract_archive(str(archive), str(tmp_path / "out"))
    assert not (tmp_path / "escaped").exists()


def test_single_files_and_zips(tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"text"))
    assert content(utils.extract_archive(str(tmp_path / "a.txt.gz"))) == b"text"
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("in/side", b"zip")
    utils.extract_archive(str(tmp_path / "b.zip"), remove_finished=True)
    assert content(tmp_path / "in" / "side") == b"zip" and not (tmp_path / "b.zip").exists()
    (tmp_path / "c.rar").write_bytes(b"")
    with pytest.raises(RuntimeError, match="Unknown compression or archive type: '.rar'"):
        utils.extract_archive(str(tmp_path / "c.rar"))


def idx(kind, shape, data):
    return bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape) + data


def test_mnist_goes_to_the_next_mirror(server, tmp_path):
    files = {"train-images-idx3-ubyte": idx(8, (3, 28, 28), bytes(range(3)) * 784), "train-labels-idx1-ubyte": idx(8, (3,), b"\5\0\4"),
             "t10k-images-idx3-ubyte": idx(8, (1, 28, 28), bytes(784)), "t10k-labels-idx1-ubyte": idx(8, (1,), b"\7")}
    packed = {name + ".gz": gzip.compress(data) for name, data in files.items()}
    server.files.update({"/good/" + name: data for name, data in packed.items()})
    kind = type("MNIST", (MNIST,), {"mirrors": [f"{server.url}/gone/", f"{server.url}/good/"],
                                    "resources": [(name, md5(data)) for name, data in packed.items()]})
    train = kind(str(tmp_path), download=True)
    assert len(train) == 3 and train.targets.tolist() == [5, 0, 4] and train[1][0].size == (28, 28)
    assert len(kind(str(tmp_path), train=False)) == 1
    kind.mirrors = [f"{server.url}/gone/"]
    with pytest.raises(RuntimeError, match="Error downloading train-images-idx3-ubyte.gz:\nTried .*/gone/"):
        kind(str(tmp_path / "new"), download=True)
