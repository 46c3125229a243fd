"""Speech analysis: voice activity detection, endpointing, speaker embeddings and diarization."""
