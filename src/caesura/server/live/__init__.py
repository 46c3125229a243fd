"""Live streams: one connection from the accepted upgrade to its close, what it sends, and what it is accounted for."""
