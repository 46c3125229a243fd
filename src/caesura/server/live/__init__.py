"""Live streams: a connection from the accepted upgrade to its close, its send queue, latency and accounting."""
