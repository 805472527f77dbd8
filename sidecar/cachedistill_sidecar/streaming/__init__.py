"""Byte streams: cutting them into events, reading along, and sharing one among several clients."""

from cachedistill_sidecar.streaming.events import Decoder, LineDecoder, SseDecoder

__all__ = ["Decoder", "LineDecoder", "SseDecoder"]
