"""Audio decoding: bytes in any supported format to 16 kHz float32 samples."""
