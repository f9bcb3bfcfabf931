import sys

import numpy as np
import pytest

from codeseek.errors import DeviceError, UsageError
from codeseek.memory import MIN_MEMORY_BYTES, limit_memory


def test_too_little() -> None:
    with pytest.raises(UsageError, match="needs more memory") as caught, limit_memory(1 << 20):
        pass
    assert "512M" in caught.value.hint


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the memory of one process so")
def test_the_limit_is_enforced_and_taken_back() -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(DeviceError, match="512 MiB") as caught, limit_memory(MIN_MEMORY_BYTES):
        np.empty(MIN_MEMORY_BYTES, np.uint8)
    assert "--memory 1G" in caught.value.hint
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert np.empty(MIN_MEMORY_BYTES, np.uint8).nbytes == MIN_MEMORY_BYTES
