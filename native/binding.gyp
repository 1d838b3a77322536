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
    },
    {
      "target_name": "strata-launch",
      "type": "executable",
      "product_extension": "",
      "sources": [
        "launch/main.c",
        "launch/options.c",
        "launch/run.c",
        "launch/wait.c",
        "launch/keeper.c",
        "launch/end-all.c",
        "launch/link.c",
        "launch/program.c",
        "launch/namespaces.c",
        "launch/host.c",
        "launch/image.c",
        "launch/tree.c",
        "launch/check.c",
        "launch/overlay.c",
        "launch/binds.c",
        "launch/host-files.c",
        "launch/memory.c",
        "launch/report.c"
      ],
      "defines": ["_GNU_SOURCE", "_FILE_OFFSET_BITS=64"],
      "cflags!": ["-O3", "-fPIC"],
      "cflags": ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2", "-fPIE"],
      "ldflags!": ["-rdynamic"],
      "ldflags": ["-pie"]
    }
  ]
}
