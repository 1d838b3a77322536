{
  "targets": [
    {
      "target_name": "strata",
      "sources": [
        "addon.c",
        "arguments.c",
        "errno-error.c",
        "names-at.c",
        "metadata-at.c",
        "open-beneath.c",
        "read-dir.c",
        "xattr.c",
        "copy-range.c",
        "extents.c"
      ],
      "defines": ["_GNU_SOURCE", "_FILE_OFFSET_BITS=64", "NAPI_VERSION=8"],
      "cflags!": ["-O3"],
      "cflags": ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2", "-fvisibility=hidden"]
    }
  ]
}
