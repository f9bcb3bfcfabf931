import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from codeseek.errors import FileError, IndexLocked
from codeseek.stores.locks import lock_holder, writer_lock


def test_a_lock_dies_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom codeseek.stores.locks import writer_lock\n"
        "with writer_lock(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert lock_holder(path) == process.pid
        with pytest.raises(IndexLocked, match=f"process {process.pid}"), writer_lock(path):
            pass
        process.kill()
        process.wait()
        with writer_lock(path):
            assert lock_holder(path) == os.getpid()
    assert lock_holder(path) is None


def test_waiting(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    held = threading.Event()

    def hold() -> None:
        with writer_lock(path):
            held.set()
            time.sleep(0.2)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    with writer_lock(path, wait_s=10):
        pass
    thread.join()


def test_a_lock_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="cannot open the lock"), writer_lock(tmp_path / "file/lock"):
        pass
    with pytest.raises(FileError, match="was removed meanwhile"), writer_lock(tmp_path / "nothing/lock"):
        pass
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(FileError), writer_lock(tmp_path / "link"):
        pass
    assert not (tmp_path / "target").exists()


def test_a_lock_that_was_removed_is_not_held(tmp_path: Path) -> None:
    """Whoever waited for it would write beside the one that holds the new file of that name."""
    path = tmp_path / "lock"
    entered, taken = threading.Event(), threading.Event()

    def wait() -> None:
        entered.set()
        with writer_lock(path, wait_s=20):
            taken.set()

    thread = threading.Thread(target=wait)
    with writer_lock(path):
        thread.start()
        entered.wait()
        time.sleep(0.2)  # it has opened the file, and waits
        path.unlink()
        other = writer_lock(path)
        other.__enter__()
    assert not taken.wait(0.5)
    other.__exit__(None, None, None)
    assert taken.wait(10)
    thread.join()
