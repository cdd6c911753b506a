"""The parser of one HTTP response. Only the generator process imports this."""

from geventhttpclient.response import HTTPResponse

from loadgen.behaviour import retry_after_s
from loadgen.records import REPLICA_MAX

__all__ = ["Response"]


class Response(HTTPResponse):
    """The parser, stopped at the end of the first final message; interim 1xx answers are passed over."""

    def __init__(self, method: str, replica_header: str) -> None:
        super().__init__(method)
        self._replica_header = replica_header
        self.final_status: int | None = None
        self.replica: str | None = None
        self.retry_after_s: float | None = None
        self.done, self.head_bytes = False, 0
        self.arrived = bytearray()

    def _on_headers_complete(self) -> int | bool | None:
        skip_body = super()._on_headers_complete()
        if self.final_status is None and (status := self.get_code()) >= 200:
            self.final_status = status
            replica = self.get(self._replica_header)
            self.replica = replica[:REPLICA_MAX] if isinstance(replica, str) else None
            self.retry_after_s = retry_after_s(self.get("retry-after")) if status >= 400 else None
        return skip_body

    def _on_header_field(self, string: str) -> None:
        if self.final_status is None:  # after a body nobody looks at them, and they have no bound
            super()._on_header_field(string)

    def _on_header_value(self, string: str) -> None:
        if self.final_status is None:
            super()._on_header_value(string)

    def _on_body(self, buf: bytearray) -> None:
        if not self.done:
            self.arrived += buf

    def _on_message_complete(self) -> None:
        super()._on_message_complete()
        self.done = self.final_status is not None
