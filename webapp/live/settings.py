"""The settings of the live hub."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSettings:
    """What the hub needs to know; times in seconds, sizes in bytes, the rest are counts."""

    database_url: str
    secret_key: str
    host: str = "127.0.0.1"
    port: int = 0
    origins: tuple[str, ...] = ()  # Whose pages may read the stream: scheme://host[:port], exactly.
    ticket_max_age: int = 600
    heartbeat: float = 15.0
    head_timeout: float = 5.0
    bus_grace: float = 3.0  # How long viewers are kept while the bus is interrupted.
    viewers: int = 10_000
    viewers_per_account: int = 30
    waiting: int = 500  # Connections beyond the viewers: those that have shown no ticket yet.
    buffer: int = 65_536  # What a slow viewer may leave unread in the hub, and again in the kernel.
    journal: int = 1_000  # Changes remembered for replay.
    signals: float = 60.0  # For how long a signal is told to whoever connects.
    replayed: int = 100  # Certificates replayed at most; beyond that the viewer looks at everything.
