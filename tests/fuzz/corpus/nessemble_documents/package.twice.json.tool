{
  "title": "tool",
  "description": "Sound \u00e9ngine, 50/60 Hz\n\"quoted\"",
  "version": "1.0.1",
  "author": {"name": "joe.somebody", "email": "joe@registry.example"},
  "license": "GPL-3.0",
  "readme": "http://registry.example/registry/package/foo/README",
  "resource": "http://registry.example/registry/package/foo/data",
  "shasum": "da39a3ee5e6b4b0d3255bfef95601890afd80709",
  "tags": ["sound", "nes"],
  "version": {"1.0.0": "2024-03-01T12:30:45Z", "1.0.1": "2024-04-01T02:00:00.5+02:00", "2.0.0-rc.1": ""}
}
