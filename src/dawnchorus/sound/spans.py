"""A stretch of a recording: its start and its end, in seconds from the recording's first sample."""

Span = tuple[float, float]
