"""The live wire without I/O: texts, bytes and moments in, actions out. No clock, no asyncio, no logging."""
