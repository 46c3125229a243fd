"""The protocol of `/v1/listen` without I/O: messages, options and session state machines."""
