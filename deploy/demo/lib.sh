# shellcheck shell=bash
# What the demonstrations scripts/demo-* have in common: flags, brokers and servers of their own in a
# folder of their own, a load that is repeated until all of it is acknowledged, and the proof.
# A script sets demo_purpose, calls `demo_begin "$@"`, breaks something, and ends with `demo_end`.

# shellcheck source=scripts/setup
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/setup"

demo_usage() {
    local name=${0##*/}
    cat <<USAGE
usage: scripts/$name [--transfers N] [--keep]

$demo_purpose

  --transfers N  how many transfers are loaded (default: $demo_transfers)
  --keep         keep the folder with data and logs

It starts brokers and servers of its own on free ports of 127.0.0.1, and ends them.
Exit code: 0 when everything held, else 1.

environment: LEDGER_BINARY      a ledger that is built already
             LEDGER_TARGET_DIR  or CARGO_TARGET_DIR, where the build is kept
                                (default: ~/.cache/ledger/target)
USAGE
}

demo_purpose='' demo_transfers=20000 demo_keep=false
scratch='' ledger='' bootstrap='' loads=()
declare -A server_pid=() server_address=() server_flags=() load_pid=()

demo_begin() {
    while (($# > 0)); do
        case "$1" in
        --transfers)
            [[ ${2:-} =~ ^[1-9][0-9]{0,8}$ ]] || { demo_usage >&2; exit 2; }
            demo_transfers=$2
            shift
            ;;
        --keep) demo_keep=true ;;
        -h | --help) demo_usage; exit 0 ;;
        *) echo "error: unknown argument $1" >&2; demo_usage >&2; exit 2 ;;
        esac
        shift
    done
    # Transfers a second: a load shall last while something is broken.
    demo_rate=$((demo_transfers / 10 + 1))
    trap demo_cleanup EXIT
    trap 'exit 130' INT TERM
    unset KAFKA_BOOTSTRAP KAFKA_COMMAND_CONFIG LEDGER_SERVER
    cd "$LEDGER_ROOT"
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/ledger-demo.XXXXXX")
    ledger=${LEDGER_BINARY:-}
    if [[ -z $ledger ]]; then
        setup
        say "building (kept in $CARGO_TARGET_DIR)"
        build_with_clock cargo build --release --workspace --locked
        ledger=$CARGO_TARGET_DIR/release/ledger
    fi
    say "${demo_purpose%%$'\n'*}"
}

# shellcheck disable=SC2317,SC2329 # the trap calls it
demo_cleanup() {
    local status=$? name
    trap - EXIT INT TERM
    for name in "${!load_pid[@]}"; do
        kill -TERM "${load_pid[$name]}" 2>/dev/null || true
    done
    for name in "${!server_pid[@]}"; do
        kill -KILL "${server_pid[$name]}" 2>/dev/null || true
        wait "${server_pid[$name]}" 2>/dev/null || true
    done
    if ((status != 0 && status != 130)); then
        for name in "$scratch"/*.log; do
            [[ ! -s $name ]] || { say "$name ends with"; tail -n 8 "$name" >&2; }
        done
    fi
    [[ ! -d $scratch/kafka ]] || kafka down --wipe >/dev/null 2>&1 || true
    if $demo_keep; then say "kept: $scratch"; else rm -rf "$scratch"; fi
    ((status == 0 || status == 130)) || say "FAILED"
    exit "$status"
}

# What a person should see, after what happens.
see() { printf '    %s\n' "$*" >&2; }

kafka() { scripts/kafka "$@" --dir "$scratch/kafka"; }
kafka_tool() { scripts/kafka tool "$1" --bootstrap-server "$bootstrap" "${@:2}"; }

brokers_up() { # how many, then flags of scripts/kafka up
    say "starting $1 broker(s)"
    bootstrap=$(kafka up --brokers "$1" --port 0 "${@:2}" 2>"$scratch/kafka.log") || fail "no brokers"
    bootstrap=${bootstrap##*bootstrap=}
    # A third copy needs a third broker.
    replication=()
    (($1 > 2)) || replication=(--allow-under-replicated)
}

# Starts a server on a folder of its own, again after its end on the same one and the same address. That may be
# another program's for a moment: a connection of it.
start_server() { # name, then flags
    local name=$1
    for _ in {1..10}; do
        try_start_server "$@" && return
        grep -q LISTEN_FAILED "$scratch/$name.log" || return 1
        sleep 1
    done
    return 1
}

try_start_server() { # name, then flags
    local name=$1 log=$scratch/$1.log listen=${server_address[$1]:-127.0.0.1:0} pid address=''
    shift
    (($# == 0)) || server_flags[$name]=$*
    : >"$log"
    # shellcheck disable=SC2086 # flags, split at spaces
    "$ledger" up --data "$scratch/$name" --listen "$listen" --kafka "$bootstrap" --partitions 2 \
        "${replication[@]}" ${server_flags[$name]:-} >>"$log" 2>&1 </dev/null &
    pid=$!
    server_pid[$name]=$pid
    for _ in {1..600}; do
        address=$(sed -n 's/.*listening grpc=\([^ ]*\).*/\1/p' "$log" | head -n 1)
        [[ -z $address ]] || break
        kill -0 "$pid" 2>/dev/null || return 1
        sleep 0.1
    done
    [[ -n $address ]] || return 1
    server_address[$name]=$address
    say "server $name serves on $address (pid $pid)"
}

signal_server() { # signal, name
    kill "-$1" "${server_pid[$2]}"
}

kill_server() { # name
    signal_server KILL "$1"
    wait "${server_pid[$1]}" 2>/dev/null || true
    unset "server_pid[$1]"
}

# As planned; whether it ended cleanly.
stop_server() { # name
    local status=0
    signal_server TERM "$1"
    wait "${server_pid[$1]}" || status=$?
    unset "server_pid[$1]"
    ((status < 128)) || fail "server $1 has crashed: status $status"
    return "$status"
}

ask() { # server, then words of a client command
    "$ledger" --server "http://${server_address[$1]}" "${@:2}"
}

# Loads in the background. What a request that failed may have done nobody knows, so the same load, with the
# same ids, is repeated until it was acknowledged to its end: what was recorded before is not recorded again.
load() { # name, server
    local name=$1 server=$2
    say "loading $demo_transfers transfers through server $server, $demo_rate a second"
    (
        attempts=1
        until ask "$server" --timeout-seconds 20 --json load --name "$name" --ids random --seed 7 \
            --ledgers 4 --accounts 20 --clients 4 --batch 20 --rate "$demo_rate" --transfers "$demo_transfers" \
            >"$scratch/$name.load" 2>>"$scratch/$name.errors"; do
            attempts=$((attempts + 1))
            ((attempts < 200)) || exit 1
            sleep 0.3
        done
        echo "$attempts" >"$scratch/$name.attempts"
    ) &
    load_pid[$name]=$!
    loads+=("$name")
    sleep 1
}

is_loading() { kill -0 "${load_pid[$1]}" 2>/dev/null; }

load_ends() { # name
    local acknowledged refused
    wait "${load_pid[$1]}" || fail "the load $1 did not come to its end: $(tail -n 1 "$scratch/$1.errors")"
    unset "load_pid[$1]"
    acknowledged=$(number acknowledged <"$scratch/$1.load") refused=$(number refused <"$scratch/$1.load")
    see "load $1: $acknowledged transfers acknowledged, $refused refused, after" \
        "$(cat "$scratch/$1.attempts") attempt(s)"
    [[ $acknowledged == "$demo_transfers" && $refused == 0 ]] || fail "not all of it was acknowledged"
}

# The sum of all numbers under a key of what --json prints, which leaves zeros out.
number() { # key
    sed -n "s/.*\"$1\": *\"\{0,1\}\([0-9]*\).*/\1/p" | awk '{ sum += $1 } END { print sum + 0 }'
}

state_hashes() { grep -o '"stateHash": *"[0-9a-f]*"' | cut -d'"' -f4 | tr '\n' ' '; }

# Audits what these servers have: clean, each transfer once, the same state everywhere and in one that is made
# anew from the log alone.
prove() { # servers
    local server transfers first='' hashes skipped expected=$((demo_transfers * ${#loads[@]}))
    start_server anew
    for server in "$@" anew; do
        ask "$server" audit replay --json >"$scratch/audit" || fail "the audit of $server found something"
        transfers=$(number transfers <"$scratch/audit") skipped=$(number skipped <"$scratch/audit")
        hashes=$(state_hashes <"$scratch/audit")
        see "$server: audit clean, $transfers transfers recorded, $skipped records skipped," \
            "state $(sha256sum <<<"$hashes" | cut -c 1-12)"
        ((transfers == expected)) || fail "$expected transfers were acknowledged"
        [[ -z $first || $hashes == "$first" ]] || fail "$server is in another state"
        first=$hashes
    done
}

demo_end() { # what was shown
    say "PASSED: $*"
}
