# shellcheck shell=bash
# One cluster in one folder, and its nodes. scripts/kafka sources this file and gives it dir, brokers and
# port (from its flags), kafka_files and libs.
#
#   DIR/cluster                    "ID BROKERS PORT": the cluster's id, how many nodes, the first port
#   DIR/settings                   further settings of every node, from --set
#   DIR/lock                       held while nodes are started or ended
#   DIR/node-N/server.properties   written at every start
#   DIR/node-N/data                what the node keeps
#   DIR/node-N/server.log          what the node says

cluster_id=''
read_cluster() {
    [[ -r $dir/cluster ]] && read -r cluster_id brokers port <"$dir/cluster"
}

need_cluster() {
    read_cluster || fail "there is no cluster in $dir: scripts/kafka up"
}

lock() {
    exec 9>"$dir/lock"
    flock -n 9 && return
    say "waiting for another scripts/kafka on $dir"
    flock 9
}

# What DIR holds and the flags ask for, together.
choose_cluster() {
    local asked_brokers=$brokers asked_port=$port running
    if ! read_cluster; then
        cluster_id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_')
        # 22 characters without the padding; the first one must not look like a flag.
        cluster_id=L${cluster_id:1:21} brokers=${asked_brokers:-1} port=9092
    fi
    [[ -z $asked_brokers || $asked_brokers == "$brokers" ]] ||
        fail "$dir holds $brokers broker(s): another --dir, or scripts/kafka down --wipe first"
    running=$(running_nodes)
    case "$asked_port" in
    '' | "$port") ;;
    0) [[ -n $running ]] || port=$(free_ports) ;;
    *)
        [[ -z $running ]] || fail "$dir runs on port $port: scripts/kafka down first"
        port=$asked_port
        ;;
    esac
}

record_cluster() {
    printf '%s %s %s\n' "$cluster_id" "$brokers" "$port" >"$dir/cluster.new"
    mv "$dir/cluster.new" "$dir/cluster"
}

# The first of enough neighbouring free ports, below those that the system gives to clients.
free_ports() {
    local first at
    for _ in {1..100}; do
        first=$((20000 + RANDOM % 12000))
        for ((at = first; at < first + 2 * brokers; at++)); do
            ! port_taken "$at" || continue 2
        done
        echo "$first"
        return
    done
    fail "found no free ports between 20000 and 32000"
}

port_taken() {
    awk -v port=":$(printf '%04X' "$1")" \
        '$4 == "0A" && substr($2, length($2) - 4) == port { taken = 1 } END { exit !taken }' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

need_free_ports() { # node
    local at
    for at in "$(broker_port "$1")" "$(controller_port "$1")"; do
        ! port_taken "$at" || fail "port $at is taken by another program: --port PORT, or --port 0"
    done
}

nodes() { seq "$brokers"; }
broker_port() { echo $((port + $1 - 1)); }
controller_port() { echo $((port + brokers + $1 - 1)); }

bootstrap() {
    local node list=''
    for node in $(nodes); do
        list+=,127.0.0.1:$(broker_port "$node")
    done
    echo "${list#,}"
}

# --- one node -------------------------------------------------------------------------------------

# The pid of a node, found by the command line that only this node has. A pid in a file could be that
# of another program by now, or be missing after a kill between the start and the writing.
node_pid() {
    local found
    found=$(grep -lsFxz -f <(node_mark "$1") /proc/[0-9]*/cmdline) || true
    [[ $found =~ ^/proc/([0-9]+)/ ]] && echo "${BASH_REMATCH[1]}"
}

node_mark() { printf '%s\n' "-Dledger.kafka.node=$dir/node-$1"; }

running_nodes() {
    local node
    for node in $(nodes); do
        ! node_pid "$node" >/dev/null || echo "$node"
    done
}

# up, starting, paused or down
node_state() {
    local pid state
    pid=$(node_pid "$1") || { echo down; return; }
    read -r _ _ state _ <"/proc/$pid/stat" || { echo down; return; }
    if [[ $state == T ]]; then
        echo paused
    elif brokers_known_at 127.0.0.1 "$(broker_port "$1")" >/dev/null; then
        echo up
    else
        echo starting
    fi
}

# How many brokers a broker knows as alive, itself among them; fails when it does not answer.
# A Metadata request, version 1, without topics: length 14, key 3, version 1, correlation id 1, no client
# id, 0 topics. The answer begins with its length, the correlation id and the number of brokers.
brokers_known_at() { # host, port
    local answer
    # shellcheck disable=SC2016 # the inner shell expands them
    answer=$(timeout 3 bash -c '
        exec 3<>"/dev/tcp/$0/$1" || exit 1
        printf "\0\0\0\16\0\3\0\1\0\0\0\1\377\377\0\0\0\0" >&3
        exec head -c 12 <&3' "$1" "$2" 2>/dev/null | od -An -v -tu1) || return 1
    # shellcheck disable=SC2086 # twelve numbers
    set -- $answer
    (($# == 12 && $8 == 1)) && echo "${12}"
}

# Makes the folder of a node that does not run.
prepare_node() {
    local node=$1 home=$dir/node-$1
    mkdir -p "$home"
    write_properties "$node" >"$home/server.properties"
    [[ -e $home/data/meta.properties ]] || format_node "$node"
}

# What this node has beyond what all have in common.
write_properties() {
    local node=$1 other voters='' copies=$brokers in_sync=$((brokers / 2 + 1))
    for other in $(nodes); do
        voters+=,$other@127.0.0.1:$(controller_port "$other")
    done
    cat "$kafka_files/broker.properties"
    cat <<PROPERTIES

node.id=$node
listeners=PLAINTEXT://127.0.0.1:$(broker_port "$node"),CONTROLLER://127.0.0.1:$(controller_port "$node")
controller.quorum.voters=${voters#,}
log.dirs=$dir/node-$node/data

default.replication.factor=$copies
min.insync.replicas=$in_sync
offsets.topic.replication.factor=$copies
transaction.state.log.replication.factor=$copies
transaction.state.log.min.isr=$in_sync
share.coordinator.state.topic.replication.factor=$copies
share.coordinator.state.topic.min.isr=$in_sync
PROPERTIES
    # Last, for the last of two settings with one key counts.
    [[ ! -r $dir/settings ]] || cat "$dir/settings"
}

java_options=(-Djava.awt.headless=true "-Dlog4j2.configurationFile=$kafka_files/log4j2.properties"
    -cp "$libs/*")

# Makes the node's data, whole or not at all.
format_node() {
    local home=$dir/node-$1
    rm -rf "$home/data.new"
    sed 's:^log.dirs=.*:&.new:' "$home/server.properties" >"$home/format.properties"
    java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC "${java_options[@]}" kafka.tools.StorageTool format \
        -t "$cluster_id" -c "$home/format.properties" >"$home/format.log" 2>&1 9>&- ||
        fail "node $1 could not be formatted: $(tail -n 3 "$home/format.log")"
    mv "$home/data.new" "$home/data"
    rm "$home/format.properties" "$home/format.log"
}

start_node() {
    local node=$1 home=$dir/node-$1
    # A session of its own: Ctrl-C in the caller's terminal is not for the brokers.
    # shellcheck disable=SC2086 # several options, split at spaces
    setsid java ${KAFKA_HEAP_OPTS:--Xmx400m} -XX:+ExitOnOutOfMemoryError ${KAFKA_OPTS:-} \
        "$(node_mark "$node")" -Dkafka.log.level=INFO "${java_options[@]}" \
        kafka.Kafka "$home/server.properties" </dev/null >>"$home/server.log" 2>&1 9>&- &
    # Until it has its own command line, by which it is found.
    until node_pid "$node" >/dev/null || ! kill -0 $! 2>/dev/null; do
        sleep 0.02
    done
}

# Until each of these nodes answers and knows as many brokers as there are.
wait_for_nodes() { # how many brokers, then nodes
    local count=$1 node known deadline=$((SECONDS + 120))
    shift
    for node in "$@"; do
        until known=$(brokers_known_at 127.0.0.1 "$(broker_port "$node")") && ((known >= count)); do
            node_pid "$node" >/dev/null || {
                tail -n 5 "$dir/node-$node/server.log" >&2
                fail "node $node ended by itself: see $dir/node-$node/server.log"
            }
            ((SECONDS < deadline)) ||
                fail "node $node does not answer after 120 s: see $dir/node-$node/server.log"
            sleep 0.1
        done
    done
}

signal_nodes() { # signal, then nodes
    local signal=$1 node pid
    shift
    for node in "$@"; do
        pid=$(node_pid "$node") || continue
        kill "-$signal" "$pid" 2>/dev/null || true
    done
}

# SIGTERM, and SIGKILL for what is still there after 15 s: a node without a quorum waits for one, and
# SIGKILL is safe, for a node checks and mends its files when it starts.
end_nodes() {
    local node deadline=$((SECONDS + 15))
    signal_nodes TERM "$@"
    # A paused process takes SIGTERM only once it goes on.
    signal_nodes CONT "$@"
    for node in "$@"; do
        while node_pid "$node" >/dev/null; do
            if ((SECONDS >= deadline)); then
                say "node $node does not end by itself: SIGKILL"
                signal_nodes KILL "$node"
                deadline=$((SECONDS + 15))
            fi
            sleep 0.1
        done
    done
}
