"""HTTP and WebSocket on the socket: request heads, fair turns, frames, and messages handed to their receiver."""
