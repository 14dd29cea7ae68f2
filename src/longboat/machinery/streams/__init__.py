"""Pure framing of the streaming protocols (WebSocket channels, SPDY/3.1). Bytes in, events out. Never: a socket."""
