#!/bin/sh
# An impostor of rustc; its sysroot has sources and tools only if the test put them there.
case "$1 $2" in
  --version*) echo "rustc 1.95.0 (impostor)" ;;
  "--print target-libdir") echo "$FAKE_HOME/sysroot/lib/rustlib/host/lib" ;;
  --print*) echo "$FAKE_HOME/sysroot" ;;
esac
