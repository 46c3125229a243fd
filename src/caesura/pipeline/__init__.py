"""One stream's run through audio, speech and engine: bytes in, events with stream times out."""
