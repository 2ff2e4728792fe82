#!/usr/bin/env bash
# Runs a Python script in several processes on this machine, which meet by
# funclearn.devices.initialise(). If one fails the others are ended, and its status is
# that of the whole.
#
#     examples/local.sh [-n PROCESSES] SCRIPT [ARGUMENTS]
set -u

processes=4
if [ "${1-}" = -n ]; then
    processes=$2
    shift 2
fi
if [ $# -eq 0 ]; then
    echo "usage: $0 [-n PROCESSES] SCRIPT [ARGUMENTS]" >&2
    exit 2
fi

python=${PYTHON:-python3}
port=$("$python" -c 'import socket
with socket.create_server(("127.0.0.1", 0)) as free:
    print(free.getsockname()[1])') || exit

export JAX_COORDINATOR_ADDRESS=127.0.0.1:$port JAX_NUM_PROCESSES=$processes
workers=()

end() {
    kill "${workers[@]}" 2>/dev/null
    for _ in {1..100}; do
        [ -z "$(jobs -rp)" ] && return
        sleep 0.1
    done
    kill -KILL "${workers[@]}" 2>/dev/null
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
for ((process = 0; process < processes; process++)); do
    JAX_PROCESS_ID=$process "$python" "$@" &
    workers+=($!)
done

for _ in "${workers[@]}"; do
    wait -n || exit
done
