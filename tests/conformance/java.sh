#!/bin/bash
# Runs a class of this module on Flink's class path.
# usage: java.sh MAIN [arg ...]       after `mvn -q package` in this folder
# JAVA_ARGS passes further options to the JVM (default -Xmx1500m).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
flags=(--add-exports=java.base/sun.net.util=ALL-UNNAMED)
for package in java.lang java.lang.reflect java.io java.net java.nio java.text java.time \
  java.util java.util.concurrent java.util.concurrent.atomic java.util.concurrent.locks \
  sun.nio.ch; do
  flags+=("--add-opens=java.base/$package=ALL-UNNAMED")
done
exec java ${JAVA_ARGS:--Xmx1500m} "${flags[@]}" -XX:ActiveProcessorCount=2 \
  -cp "$here/target/classes:$here/target/lib/*" "$@"
