"""Inside the scoring process: Azure's own inference server, on a unix socket instead of every interface.

Run as a script by the deployment's interpreter, which need not have the emulator installed:
``python -P -u launcher.py SOCKET PARENT_PID``, in the code folder, with AZUREML_ENTRY_SCRIPT relative to it.

``azmlinfsrv`` binds 0.0.0.0, with no option to change it (azureml-inference-server-http 1.5.1, constants.py). So its
start-up is followed here step by step, up to the point where it would hand its application to gunicorn's master
process. One gunicorn worker of the kind it uses (sync: one request at a time, in the main thread) then serves the
application directly: same behaviour, without the 35 MB of a master that has nothing to supervise. Only a deployment
that asks for several workers (WORKER_COUNT) gets the master too.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from types import ModuleType
from typing import Any

_PR_SET_PDEATHSIG = 1

# The port that Azure's containers listen on; here it only appears in the server's log.
_NOMINAL_PORT = "31311"

# An idle worker looks this often whether its parent still lives: what ends it where there is no parent-death signal.
_PARENT_CHECK_S = 5.0


def main(socket_path: str, parent_pid: int) -> None:
    """Serve the deployment's script on ``socket_path`` until terminated or the parent is gone."""
    die_with(parent_pid)
    configure(os.environ["AZUREML_ENTRY_SCRIPT"])
    workers = int(os.environ["WORKER_COUNT"])
    if workers > 1:
        serve_by_many(socket_path, workers)
    else:
        serve_alone(socket_path, parent_pid)


def die_with(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent ends, however that ends.

    Set here, not by the parent between fork and exec: a preexec_fn is unsafe beside threads. The signal is bound to
    the thread that started this process, so the parent must start it from a thread that lives on.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        sys.exit("The emulator ended before this process began.")


def configure(entry_script: str) -> None:
    """What ``azmlinfsrv`` does before it binds: defaults, log format, search path, settings in the log."""
    from azureml_inference_server_http import amlserver, constants, log_config

    log_config.load_logging_config(constants.PACKAGE_ROOT)
    sys.argv = ["azmlinfsrv", "--entry_script", entry_script, "--port", _NOMINAL_PORT]
    amlserver.merge_configuration(amlserver.parse_arguments())
    amlserver.validate_environment_variables()
    amlserver.set_path_variable()
    amlserver.print_server_info()
    amlserver.print_server_settings()


def load_application() -> Any:
    """The server's application, with the user's script imported and its init() done; exits with 3 when that fails.

    The server imports the Azure Monitor exporter (0.2 s, 25 MB) even with Application Insights off, as it is here. A
    stand-in is in its place while the server is imported, and gone before the user's script is.
    """
    exporter = ModuleType("azure.monitor.opentelemetry.exporter")
    for name in ("AzureMonitorLogExporter", "AzureMonitorTraceExporter"):
        setattr(exporter, name, None)
    sys.modules[exporter.__name__] = exporter
    import azureml_inference_server_http.server.appinsights_client  # noqa: F401

    del sys.modules[exporter.__name__]
    from azureml_inference_server_http.server.entry import app

    return app


def listen_on(socket_path: str, settings: Any) -> None:
    """Set up gunicorn's configuration: one private unix socket, and the log as the server has it."""
    settings.set("bind", f"unix:{socket_path}")
    settings.set("umask", 0o077)
    settings.set("accesslog", "-")
    settings.set("errorlog", os.devnull)


def serve_alone(socket_path: str, parent_pid: int) -> None:
    """Answer requests in this process. The socket appears last: whoever can connect finds a ready server."""
    from gunicorn.config import Config  # type: ignore[import-untyped]
    from gunicorn.sock import create_sockets  # type: ignore[import-untyped]
    from gunicorn.workers.sync import SyncWorker  # type: ignore[import-untyped]

    settings = Config()
    listen_on(socket_path, settings)
    # Before the application, whose log format then replaces gunicorn's.
    log = settings.logger_class(settings)
    application = load_application()

    class Served:
        def wsgi(self) -> Any:
            return application

    sockets = create_sockets(settings, log)
    worker = SyncWorker(1, parent_pid, sockets, Served(), _PARENT_CHECK_S, settings, log)
    worker.pid = os.getpid()
    worker.init_process()


def serve_by_many(socket_path: str, workers: int) -> None:
    """Answer requests in child processes, each with an init() of its own, as ``azmlinfsrv`` does."""
    from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

    class Application(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            listen_on(socket_path, self.cfg)
            self.cfg.set("workers", workers)
            self.cfg.set("timeout", int(os.environ.get("WORKER_TIMEOUT", "300")))
            self.cfg.set("control_socket_disable", True)
            self.cfg.set("post_fork", lambda master, _worker: die_with(master.pid))

        def load(self) -> Any:
            return load_application()

    Application().run()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
