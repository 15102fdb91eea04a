"""Other servers of the Responses API: what to install from PyPI, and how to start it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.processes import NotStartedError, free_port, process, wait_until_it_answers
from bench.report import HERE
from bench.target import Target

INSTALL_SECONDS: Final = 900.0
ENVIRONMENTS: Final = HERE.parent / ".peers"
# LiteLLM starts with no other key than one of this kind; it guards nothing.
_KEY: Final = "sk-bench-0123456789abcdef0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Places:
    """Where a peer is, listens, keeps its files, and finds the model server."""

    programs: Path
    folder: Path
    port: int
    model_server: str


@dataclass(frozen=True, slots=True)
class Peer:
    """Another server: its packages, the Python it wants, and how to start it."""

    name: str
    packages: Sequence[str]
    command: Callable[[Places], Sequence[str]]
    model: str = "mock"
    headers: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    pythons: Sequence[str] = ("python3.13", "python3.12", "python3.11")
    note: str = ""
    ready: str = "/v1/models"


def _smg(places: Places) -> Sequence[str]:
    words = ["launch", "--host", "127.0.0.1", "--port", str(places.port), "--worker-urls", places.model_server]
    words += ["--backend", "openai", "--history-backend", "memory", "--log-level", "warn", "--disable-health-check"]
    return [str(places.programs / "smg"), *words, "--prometheus-port", str(free_port())]


def _agentic(places: Places) -> Sequence[str]:
    words = ["--llm-api-base", places.model_server, "--openai-api-key", "none", "--skip-llm-ready-check"]
    words += ["--gateway-host", "127.0.0.1", "--gateway-port", str(places.port)]
    return [str(places.programs / "agentic-server"), *words, "--db-url", f"sqlite://{places.folder}/a.db?mode=rwc"]


def _litellm(places: Places) -> Sequence[str]:
    model = {"model": "openai/mock", "api_base": f"{places.model_server}/v1", "api_key": "none"}
    config = places.folder / "litellm.yaml"
    config.write_text(json.dumps({"model_list": [{"model_name": "mock", "litellm_params": model}]}))
    words = ["--config", str(config), "--host", "127.0.0.1", "--port", str(places.port), "--telemetry", "False"]
    return [str(places.programs / "litellm"), *words]


def _ogx(places: Places) -> Sequence[str]:
    def kept(table: str, **more: Any) -> dict[str, Any]:
        return {"table_name": table, "backend": "sql", **more}

    def provider(kind: str, **config: Any) -> list[dict[str, Any]]:
        return [{"provider_id": kind.rpartition(":")[2], "provider_type": kind, "config": config}]

    queue = {"max_write_queue_size": 10_000, "num_writers": 4}
    providers = {
        "inference": provider("remote::vllm", base_url=f"{places.model_server}/v1", max_tokens=4096),
        "files": provider("inline::localfs", storage_dir=f"{places.folder}/files", metadata_store=kept("files")),
        "responses": provider("inline::builtin", persistence={"responses": kept("responses", **queue)}),
        "vector_io": [],
        "tool_runtime": [],
    }
    backends = {
        "kv": {"type": "kv_sqlite", "db_path": f"{places.folder}/kv.db"},
        "sql": {"type": "sql_sqlite", "db_path": f"{places.folder}/sql.db"},
    }
    stores = {"metadata": {"namespace": "registry", "backend": "kv"}, "inference": kept("inference", **queue)}
    stores |= {name: kept(name) for name in ("conversations", "prompts", "connectors")}
    config = {"version": 2, "distro_name": "bench", "apis": [*providers, "conversations", "prompts", "connectors"]}
    config |= {"providers": providers, "storage": {"backends": backends, "stores": stores}}
    config |= {"registered_resources": {"models": []}, "server": {"host": "127.0.0.1", "port": places.port}}
    path = places.folder / "ogx.yaml"
    path.write_text(json.dumps(config))
    return [str(places.programs / "ogx"), "run", str(path), "--insecure", "--port", str(places.port)]


PEERS: Final[Sequence[Peer]] = (
    Peer("smg", ["smg"], _smg, note="Rust; history in memory", ready="/health"),
    Peer("agentic-api", ["agentic-api"], _agentic, note="Rust; SQLite"),
    Peer(
        "litellm",
        ["litellm[proxy]"],
        _litellm,
        headers={"authorization": f"Bearer {_KEY}"},
        environment={"LITELLM_MASTER_KEY": _KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        note="Python; keeps nothing",
    ),
    Peer(
        "ogx",
        ["ogx"],
        _ogx,
        model="vllm/mock",
        environment={"OGX_LOGGING": "all=error", "HF_HUB_OFFLINE": "1"},
        pythons=("python3.13", "python3.12"),
        note="Python; SQLite",
    ),
)


@contextmanager
def started(peer: Peer, folder: Path, model_server: str, *, pythons: Sequence[str] = ()) -> Iterator[Target]:
    """Installs a peer where it isn't yet and starts it; `NotStartedError` says what went wrong."""
    environment = install(peer, pythons=pythons)
    folder.mkdir()
    places = Places(environment / "bin", folder, free_port(), model_server)
    command, log = peer.command(places), folder / "log"
    with process(command, log=log, environment={"HOME": str(folder), **peer.environment}) as pid:
        wait_until_it_answers(f"http://127.0.0.1:{places.port}{peer.ready}", pid, log=log, headers=peer.headers)
        yield Target(peer.name, places.port, peer.model, [pid], peer.headers)


def version(peer: Peer) -> str:
    """Which version of a peer is installed."""
    name = peer.packages[0].partition("[")[0]
    code = f"from importlib.metadata import version; print(version({name!r}))"
    python = ENVIRONMENTS / peer.name / "bin" / "python"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def install(peer: Peer, *, pythons: Sequence[str] = ()) -> Path:
    """Where a peer is, with one of `pythons` or of those on the PATH. `NotStartedError` if it can't be installed."""
    environment = ENVIRONMENTS / peer.name
    done = environment / "installed"
    if done.exists():
        return environment
    able = (python for python in (*pythons, *peer.pythons) if Path(python).name in peer.pythons)
    python = next((found for name in able if (found := _works(name))), None)
    if python is None:
        raise NotStartedError(f"it needs one of {', '.join(peer.pythons)} on the PATH or as --python, and none is here")
    print(f"{peer.name}: installing {' '.join(peer.packages)} from PyPI …", flush=True)
    subprocess.run([python, "-m", "venv", "--clear", str(environment)], check=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        subprocess.run([*pip, *peer.packages], capture_output=True, text=True, check=True, timeout=INSTALL_SECONDS)
    except subprocess.CalledProcessError as error:
        raise NotStartedError(f"pip could not install it: {error.stderr.strip()[-300:]}") from None
    except subprocess.TimeoutExpired:
        raise NotStartedError(f"pip did not install it within {INSTALL_SECONDS:.0f} seconds") from None
    done.touch()
    return environment


def _works(name: str) -> str | None:
    """Its path. A name may be there and stand for nothing, as the shims of version managers do."""
    path = shutil.which(name)
    works = path and subprocess.run([path, "-c", "import venv"], capture_output=True, check=False).returncode == 0
    return path if works else None
