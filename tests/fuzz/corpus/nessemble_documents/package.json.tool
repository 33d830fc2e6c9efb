{
  "author": "joe.somebody",
  "date": "2024-04-01T00:00:00.500Z",
  "description": "Sound \u00e9ngine, 50\/60 Hz\n\"quoted\"",
  "license": "GPL-3.0",
  "readme": "http://registry.example/registry/package/foo/README",
  "resource": "http://registry.example/registry/package/foo/data",
  "shasum": "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709",
  "tags": ["sound", "nes"],
  "title": "tool",
  "unknown": {"a": [1]},
  "version": "1.0.1",
  "versions": {"1.0.0": "2024-03-01T12:30:45.000Z", "1.0.1": "2024-04-01T00:00:00.500Z", "0.9": "x", "2.0.0-rc.1": null}
}
