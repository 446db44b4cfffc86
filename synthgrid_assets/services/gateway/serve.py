"""Running a gateway: the server with its limits, and the landing workers along with it.

Belongs here: processes and signals of ``synthgrid gateway serve``. Not here: requests (`app`)
and work (`landing`).
"""

from __future__ import annotations

import uvicorn

from synthgrid_assets.services.gateway.app import build_app
from synthgrid_assets.services.gateway.log import start_log
from synthgrid_assets.services.gateway.options import GatewayOptions
from synthgrid_assets.services.gateway.receiving.guarded_protocol import guarded_protocol


def server_of(options: GatewayOptions) -> uvicorn.Server:
    """A server that is not yet running.

    Raises
    ------
    SpecError
        If the address may not be served unsigned, or a file is wrong.
    StorageError
        If the inbox cannot be opened.
    """
    options.check_binding()
    limits = options.limits
    protocol = guarded_protocol(
        header_seconds=limits.header_seconds, header_bytes=limits.header_bytes
    )
    config = uvicorn.Config(
        build_app(options),
        host=options.host,
        port=options.port,
        http=protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=max(int(options.grace), 1),
    )
    return uvicorn.Server(config)


def serve(options: GatewayOptions) -> None:
    """Serve until the process is asked to end."""
    start_log()
    server_of(options).run()
