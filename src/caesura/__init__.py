"""Live speech-to-text that can pause: server, client and gateway on Deepgram's live wire."""

__version__ = "0.1.0"

__all__ = ["__version__"]
