#!/bin/sh
# An impostor of rustc; its sysroot has sources only if the test put them there.
case $1 in
  --version) echo "rustc 1.95.0 (impostor)" ;;
  --print) echo "$FAKE_HOME/sysroot" ;;
esac
