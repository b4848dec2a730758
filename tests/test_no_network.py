"""Each demo in a process that may talk to itself alone: any other address or name it asks for is recorded.

Python's sockets are watched by an audit hook. Libraries in C, such as ONNX Runtime, pass it by: where there is a C
compiler, a small library loaded before all others watches `connect` and `getaddrinfo` themselves.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[1]

WATCHED = """
import sys

def watch(event, args):
    if event == "socket.getaddrinfo" and args[0] not in (None, "localhost", "127.0.0.1", "::1"):
        print("ASKED", args[0], flush=True)
    if event == "socket.connect" and isinstance(args[1], tuple) and not str(args[1][0]).startswith(("127.", "::1")):
        print("ASKED", args[1], flush=True)
    if event == "import" and args[0] == "onnxruntime":
        import os
        print("IMPORTED onnxruntime with", os.environ.get("ORT_DISABLE_TELEMETRY"), flush=True)

sys.addaudithook(watch)
"""

PICTURE = """
from cvdemo.example_pictures import example_picture
from cvdemo.images import read_image, resize_to_fit
picture = resize_to_fit(read_image(example_picture("lion")), 96)
"""

DEMOS = {
    "classify": """
from cvdemo.classify.run import ClassifyRequest, run_classify
from cvdemo.demo import result_of
result_of(run_classify(ClassifyRequest(image=picture)))
""",
    "detect": """
from cvdemo.demo import result_of
from cvdemo.detect.run import DetectRequest, run_detect
from cvdemo.detect.selection import DetectConfig
result_of(run_detect(DetectRequest(image=picture, config=DetectConfig(megapixels=0.1), time_limit_s=60)))
""",
    "dream": """
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.run import DreamRequest, run_dream
*_, last = run_dream(DreamRequest(image=picture, config=DreamConfig(octaves=1, steps=1, size_px=128)))
""",
    "style": """
from cvdemo.style.optimise import StyleConfig
from cvdemo.style.run import StyleRequest, run_style
config = StyleConfig(size=128, scales=1, steps=10)
*_, last = run_style(StyleRequest(content=picture, style=picture, config=config))
""",
    "sample": """
from cvdemo.demo import result_of
from cvdemo.sample.generate import SampleConfig
from cvdemo.sample.run import SampleRequest, run_sample
result_of(run_sample(SampleRequest(config=SampleConfig(generator="dcgan_anime", count=1))))
""",
    "upscale": """
from cvdemo.demo import result_of
from cvdemo.upscale.run import UpscaleRequest, run_upscale
result_of(run_upscale(UpscaleRequest(image=picture)))
import time
time.sleep(3)  # the report was sent in the background
""",
}

LIBRARY = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/socket.h>

typedef const struct addrinfo hints_t;

int getaddrinfo(const char *node, const char *service, hints_t *hints, struct addrinfo **found) {
    int (*real)(const char *, const char *, hints_t *, struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
    if (node && strcmp(node, "localhost") && strncmp(node, "127.", 4)) {
        fprintf(stderr, "ASKED %s\n", node);
        return EAI_FAIL;
    }
    return real(node, service, hints, found);
}

int connect(int descriptor, const struct sockaddr *address, socklen_t length) {
    int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
    if (address->sa_family == AF_INET) {
        char text[64];
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text, sizeof text);
        if (strncmp(text, "127.", 4)) fprintf(stderr, "ASKED %s\n", text);
    }
    return real(descriptor, address, length);
}
"""


@pytest.fixture(scope="module")
def watching(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which a process is watched: with the library, where it can be built."""
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        return environment
    folder = tmp_path_factory.mktemp("watch")
    (folder / "watch.c").write_text(LIBRARY, encoding="utf-8")
    library = folder / "watch.so"
    command = [compiler, "-shared", "-fPIC", "-o", str(library), str(folder / "watch.c"), "-ldl"]
    subprocess.run(command, check=True)
    return {**environment, "LD_PRELOAD": str(library)}


def told(code: str, environment: dict[str, str]) -> list[str]:
    """What a watched process prints of the hosts that it asks for, and of the parts that it comes to."""
    code = WATCHED + code
    done = subprocess.run(
        [sys.executable, "-u", "-c", code],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return [line for line in done.stdout.splitlines() if line.startswith(("PART", "ASKED", "IMPORTED"))]


def parts(lines: list[str]) -> dict[str, list[str]]:
    """What was told in each part of a program, by its name."""
    found: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("PART"):
            found[line.split()[1]] = told_there = []
        else:
            told_there.append(line)
    return found


@pytest.fixture(scope="module")
def demos(watching: dict[str, str]) -> dict[str, list[str]]:
    """All demos, one after the other in one process: each would import the same libraries for some seconds."""
    code = "".join(f"print('PART {name}', flush=True)\n{demo}" for name, demo in DEMOS.items())
    return parts(told("print('PART picture', flush=True)" + PICTURE + code, watching))


@pytest.mark.parametrize("demo", ["picture", *DEMOS])
def test_a_demo_asks_no_host(demos: dict[str, list[str]], demo: str) -> None:
    assert not [line for line in demos[demo] if line.startswith("ASKED")]
    if demo == "classify":  # the first that needs it
        assert demos[demo] == ["IMPORTED onnxruntime with 1"]


MODULES = ("cvdemo.nets.forward", "bench.forward", "bench.sample", "bench.upscale")


@pytest.fixture(scope="module")
def imports(watching: dict[str, str]) -> dict[str, list[str]]:
    """Each module imported in a fork of a process that has imported torch, and nothing of this project."""
    code = f"""
import os, torch
for module in {MODULES}:
    print("PART", module, flush=True)
    child = os.fork()
    if not child:
        __import__(module)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""
    return parts(told(code, watching))


@pytest.mark.parametrize("module", MODULES)
def test_the_report_is_off_before_the_import(imports: dict[str, list[str]], module: str) -> None:
    assert "IMPORTED onnxruntime with 1" in imports[module]


def test_the_watch_sees_what_is_asked(watching: dict[str, str]) -> None:
    code = "import socket\ntry: socket.create_connection(('example.invalid', 80), timeout=1)\nexcept OSError: pass"
    assert "ASKED example.invalid" in told(code, watching)


def test_every_import_of_onnx_runtime_comes_after_the_package() -> None:
    """Files that import it lie in a package whose `__init__` sets the variable, or imports one that does."""
    files = [path for folder in ("cvdemo", "bench", "train", "scripts") for path in (ROOT / folder).rglob("*.py")]
    importing = [path for path in files if "import onnxruntime" in path.read_text(encoding="utf-8")]
    assert {path.relative_to(ROOT).parts[0] for path in importing} <= {"cvdemo", "bench"}
    assert "ORT_DISABLE_TELEMETRY" in (ROOT / "cvdemo" / "__init__.py").read_text(encoding="utf-8")
    assert "import cvdemo" in (ROOT / "bench" / "__init__.py").read_text(encoding="utf-8")
