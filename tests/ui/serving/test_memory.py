"""A heavy job's memory goes back to the system when the job has ended."""

import platform
from pathlib import Path

import pytest

from cvdemo import memory
from tests.ui.api_caller import Caller, results
from tests.ui.page_server import serve_small
from tests.ui.serving.test_fair_queue import waited_for
from tests.ui.serving.test_hostile_uploads import memory_mb
from tests.ui.small_page import BLOCK_BYTES, BLOCKS

USED_MB = BLOCKS * BLOCK_BYTES / 2**20
needs_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can give memory back")


@needs_glibc
def test_what_a_heavy_job_freed_goes_back_to_the_system(tmp_path: Path) -> None:
    with serve_small(tmp_path, {}) as caller:
        waited_for(lambda: caller.call("light", ["ready"]))
        stood = held_mb(caller)
        caller.call("use_memory_light", ["a"])
        assert held_mb(caller) - stood > 0.8 * USED_MB  # else the test could not fail
        caller.call("use_memory", ["a"])
        assert waited_for(lambda: held_mb(caller) - stood < 0.2 * USED_MB)


def held_mb(caller: Caller) -> float:
    pid: int = results(caller.call("work", []))[0]["pid"]
    return memory_mb(pid, "VmRSS")


@needs_glibc
def test_the_function_of_the_c_library_is_found() -> None:
    assert memory._malloc_trim is not None


def test_without_such_a_function_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_malloc_trim", None)
    memory.give_back_memory()
    assert not memory._trimming.locked()
