# Sourced by the launchers.

# Seven eighths of the memory that this process may use, in bytes: the machine's, or its container's limit if that is
# lower. The rest is for Java itself. Unlimited where neither is known.
memory() {
  local name value bytes=$((1 << 40)) limit
  while read -r name value _; do
    if [ "$name" = MemTotal: ]; then bytes=$((value * 1024)); fi
  done <"${1:-}/proc/meminfo" || true
  for limit in "${1:-}/sys/fs/cgroup/memory.max" "${1:-}/sys/fs/cgroup/memory/memory.limit_in_bytes"; do
    if read -r value <"$limit" && [ "$value" != max ] && [ "$value" -lt "$bytes" ]; then bytes=$value; fi
  done
  echo $((bytes / 8 * 7))
} 2>/dev/null
