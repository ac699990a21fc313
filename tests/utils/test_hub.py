"""Downloads from a server of our own, weights from the cache, models from folders."""

import hashlib
import http.server
import io
import threading

import pytest

import facula
from facula import hub


class Server(http.server.BaseHTTPRequestHandler):
    """Serves `content`; breaks off half-way while `breaks` is positive, and goes on from where a request says."""

    content, breaks, asked = b"", 0, []

    def do_GET(self):  # noqa: N802
        cls = type(self)
        wanted = self.headers.get("Range")
        cls.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(cls.content) - start))
        self.send_header("ETag", '"one"')
        self.end_headers()
        part = cls.content[start:]
        if cls.breaks:
            cls.breaks -= 1
            part = part[:len(part) // 2]
        self.wfile.write(part)

    def log_message(self, *args):
        pass


@pytest.fixture
def served():
    buffer = io.BytesIO()
    facula.save({"w": facula.arange(5000.0)}, buffer)
    handler = type("Handler", (Server,), {"content": buffer.getvalue(), "asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield handler, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_weights_are_downloaded_once(served, tmp_path, capsys):
    handler, url = served
    digest = hashlib.sha256(handler.content).hexdigest()
    for _ in range(2):
        state = hub.load_state_dict_from_url(f"{url}/net-{digest[:8]}.pth", model_dir=str(tmp_path), check_hash=True, progress=False)
        assert state["w"].sum() == 4999 * 2500
    assert len(handler.asked) == 1 and "Downloading" in capsys.readouterr().out


def test_wrong_checksums_leave_nothing(served, tmp_path):
    with pytest.raises(RuntimeError, match="invalid hash value"):
        hub.download_url_to_file(served[1] + "/a", str(tmp_path / "a"), hash_prefix="00000000", progress=False)
    assert not (tmp_path / "a").exists()


def test_downloads_go_on_where_they_stopped(served, tmp_path):
    handler, url = served
    handler.breaks = 1
    with pytest.raises(Exception):
        hub.download_url_to_file(url + "/a", str(tmp_path / "a"), progress=False)
    assert not (tmp_path / "a").exists()
    hub.download_url_to_file(url + "/a", str(tmp_path / "a"), hashlib.sha256(handler.content).hexdigest(), progress=False)
    assert (tmp_path / "a").read_bytes() == handler.content and handler.asked[1].startswith("bytes=")


def test_models_come_from_folders(tmp_path):
    (tmp_path / "parts.py").write_text("SIZE = 3\n")
    (tmp_path / "hubconf.py").write_text(
        "dependencies = ['json']\nimport facula\nfrom parts import SIZE\n"
        "def net(width=2, **kwargs):\n    'A layer.'\n    return facula.nn.Linear(width, SIZE)\n")
    assert hub.list(str(tmp_path), source="local") == ["net"]
    assert hub.help(str(tmp_path), "net", source="local") == "A layer."
    assert hub.load(str(tmp_path), "net", 4, source="local").weight.shape == (3, 4)
    with pytest.raises(RuntimeError, match="Cannot find callable nope in hubconf"):
        hub.load(str(tmp_path), "nope", source="local")
    with pytest.raises(ValueError, match="Unknown source"):
        hub.load(str(tmp_path), "net", source="disk")
    (tmp_path / "hubconf.py").write_text("dependencies = ['surely_not_there']\n")
    with pytest.raises(RuntimeError, match="Missing dependencies: surely_not_there"):
        hub.load(str(tmp_path), "net", source="local")


def test_the_folder_of_downloads_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setattr(hub, "_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert hub.get_dir() == str(tmp_path / "hub")
    hub.set_dir(str(tmp_path / "own"))
    assert hub.get_dir() == str(tmp_path / "own")
