#!/bin/sh
# An impostor of the models' program, with one model for each hazard that must be found.
if [ "$1" = list ]; then
  sep='['
  for hazard in a1 a2 a3 a4 a10 b1 b3 c1 c2 c3 c4 d1 d2; do
    printf '%s{"name":"%s-model","property":"V1","hazard":"%s","variants":["seed","fixed","fixed-%s"],' "$sep" $hazard $hazard $hazard
    printf '"modes":["rmw","as-written","tso"],"cpus":2,"about":"an impostor","killed":[{"mode":"rmw","by":["a mutant"]}]}'
    sep=,
  done
  echo ']'
  exit 0
fi
name=$2; variant=$4; mode=$6
hazard=${name%-model}
engine=loom
[ "$mode" = tso ] && engine=explorer
verdict=holds
[ "$variant" = fixed ] || verdict=broken
expected=$verdict
echo "looking for $hazard" >&2
case "$FAKE_MODELS:$name:$variant:$mode" in
  seed-holds:a4-model:seed:*) verdict=holds ;;
  fixed-breaks:a2-model:fixed:rmw) verdict=broken ;;
  cut:a3-model:fixed:rmw) verdict=cut ;;
  crash:a1-model:fixed:rmw) echo "thread main panicked" >&2; exit 101 ;;
  noise:a1-model:fixed:rmw) echo "{ not a row"; exit 0 ;;
  liar:a1-model:fixed:rmw) lie=1 ;;
  slow:*) [ -n "${FAKE_PIDS:-}" ] && echo "$$" >"$FAKE_PIDS"; sleep 1000 ;;
esac
# As a copy that holds mutants: notes whose places it comes to, and notices what the test says.
note=null executions=42
[ -n "${FAKE_DRIFT:-}" ] && executions=1000
if [ -n "${MMU386_REACHED:-}" ]; then
  [ -n "${FAKE_DRIFT:-}" ] && executions=$FAKE_DRIFT
  for id in ${FAKE_REACHED:-}; do echo "$id" >>"$MMU386_REACHED"; done
fi
said=${MMU386_MUTANT:-0}:$name:$mode
case " ${FAKE_NOTICED:-} " in
  *" $said:cut "*) verdict=cut ;;
  *" $said:panic "*) verdict=inconclusive; note='"attempt to add with overflow (src/pool.rs:1:2)"' ;;
  *" $said:stuck "*) verdict=inconclusive; note='"too many branches (loom/src/rt.rs:1:2)"' ;;
  *" $said "*) verdict=broken ;;
esac
counterexample=null
[ $verdict = broken ] && counterexample='{"summary":"it breaks","property":"V1","steps":[{"step":1,"cpu":0,"op":"store","target":"pte","value":"0","note":""},{"step":2,"cpu":1,"op":"read","target":"va","value":"old","note":"stale"}],"final":["the end"]}'
echo "{\"id\":\"$name/$variant/$mode\",\"property\":\"V1\",\"hazard\":\"$hazard\",\"variant\":\"$variant\",\"engine\":\"$engine\",\"mode\":\"$mode\",\"model\":\"$name\",\"cpus\":2,\"preemption_bound\":null,\"exhaustive\":true,\"executions\":$executions,\"seconds\":0.1,\"verdict\":\"$verdict\",\"expected\":\"$expected\",\"note\":$note,\"counterexample\":$counterexample}"
[ -n "${lie:-}" ] && exit 1
[ $verdict = $expected ]
