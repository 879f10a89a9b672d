#!/usr/bin/env bash
# A throw-away SLURM on this machine: munged, slurmctld and two slurmd with fake GPUs, for the tests. Root, Debian 12.
# usage: cluster.sh up | down | status      ("up" and "down" may be repeated)
# env:   CLUSTER_DIR  all its files (default /run/paper-arcade-cluster); CLUSTER_PORT  first of three ports (default 17817)
# It installs nothing (tests/setup.sh does) and leaves a SLURM that belongs to somebody else alone. exit 2: that, or bad use.
set -euo pipefail
dir=${CLUSTER_DIR:-/run/paper-arcade-cluster}
port=${CLUSTER_PORT:-17817}
name=paper-arcade-$port
nodes="n1 n2"
gpus=2
links="slurm.conf gres.conf cgroup.conf"
export PATH=$PATH:/usr/sbin:/sbin SLURM_CONF=$dir/slurm.conf

refuse() { echo "cluster: $*" >&2; exit 2; }
# alive <pid file>: a zombie that nobody reaps (a container's first process may not) counts as dead.
alive() { [ -s "$1" ] && running "$(cat "$1")"; }
running() { grep -qs '^State:.[^Z]' "/proc/$1/status"; }

# wait_for <seconds> <command>: until the command succeeds.
wait_for() {
  local deadline=$((SECONDS + $1)); shift
  until "$@"; do [ $SECONDS -lt $deadline ] || return 1; sleep 0.1; done
}
queue_empty() { [ -z "$(squeue -h 2>/dev/null)" ]; }
nodes_ready() { [ "$(sinfo -h -N -p main -t idle,mix,alloc -o %N 2>/dev/null | wc -l)" = 2 ]; }
gone() { ! running "$1"; }

configure() {
  local host node gpu
  host=$(uname -n) && host=${host%%.*}
  mkdir -p "$dir"/{dev,munge,run,state,log}
  chmod 755 "$dir" "$dir/munge" # munged wants its socket reachable by all; its key is read-only to root
  for node in $nodes; do mkdir -p "$dir/spool-$node"; done
  # gres.conf accepts a GPU only with a device file. A character node also gives the job CUDA_VISIBLE_DEVICES.
  for ((gpu = 0; gpu < gpus; gpu++)); do
    [ -e "$dir/dev/nvidia$gpu" ] || mknod "$dir/dev/nvidia$gpu" c 195 $gpu 2>/dev/null || : >"$dir/dev/nvidia$gpu"
  done
  [ -s "$dir/munge/key" ] || (umask 077 && head -c 1024 /dev/urandom >"$dir/munge/key")
  echo "NodeName=n[1-2] Name=gpu File=$dir/dev/nvidia[0-$((gpus - 1))]" >"$dir/gres.conf"
  echo "CgroupPlugin=cgroup/v1" >"$dir/cgroup.conf" # named, since looking for the kind fails where none is mounted
  cat >"$dir/slurm.conf" <<CONF
ClusterName=$name
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# cred_expire is also how long a requeued job waits before it starts again: the default is two minutes.
AuthInfo=socket=$dir/munge/socket,cred_expire=5
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool-%n
SlurmctldPidFile=$dir/run/slurmctld.pid
SlurmdPidFile=$dir/run/slurmd-%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd-%n.log
# No control groups: works in a container.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
# No accounting: the hardest case for the executor, which then has only squeue to learn how a job ended.
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
# Without it a job that asks for no memory would take the whole node.
DefMemPerCPU=500
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=2,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
# Finished jobs stay in squeue this long, in seconds.
MinJobAge=3600
KillWait=10
SlurmctldTimeout=30
SlurmdTimeout=20
InactiveLimit=0
ReturnToService=2
GresTypes=gpu
# The nodes claim more than this machine has.
SlurmdParameters=config_overrides
NodeName=n[1-2] NodeHostname=$host NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + 2))] CPUs=4 RealMemory=16000 Gres=gpu:$gpus
PartitionName=main Nodes=ALL Default=YES MaxTime=1-0 PriorityTier=10 PreemptMode=OFF
PartitionName=spot Nodes=ALL MaxTime=1-0 PriorityTier=1 PreemptMode=REQUEUE GraceTime=10
CONF
}

# The executor plugin drops SLURM_CONF from its jobs' environment, so the configuration must lie at the standard place.
link() {
  local file
  mkdir -p /etc/slurm
  for file in $links; do ln -sfn "$dir/$file" "/etc/slurm/$file"; done
}
check_foreign() {
  local file
  for file in $links; do
    if [ -L "/etc/slurm/$file" ] && [ "$(readlink "/etc/slurm/$file")" = "$dir/$file" ]; then continue; fi
    if [ -e "/etc/slurm/$file" ] || [ -L "/etc/slurm/$file" ]; then refuse "/etc/slurm/$file belongs to another SLURM: left alone"; fi
  done
}

failed() { { echo "cluster: did not start"; tail -n 20 "$dir"/log/*.log; exit 1; } >&2; }

up() {
  local node program
  [ "$(id -u)" = 0 ] || refuse "only root can start it"
  for program in munged slurmctld slurmd squeue; do
    command -v $program >/dev/null || refuse "$program is not installed"
  done
  check_foreign
  alive "$dir/run/slurmctld.pid" || configure # a running cluster keeps its configuration
  link
  alive "$dir/munge/pid" || munged --key-file="$dir/munge/key" --socket="$dir/munge/socket" --pid-file="$dir/munge/pid" \
    --log-file="$dir/munge/log" --seed-file="$dir/munge/seed"
  alive "$dir/run/slurmctld.pid" || slurmctld -i || failed
  for node in $nodes; do alive "$dir/run/slurmd-$node.pid" || slurmd -N "$node" || failed; done
  wait_for 30 nodes_ready || failed
  status
}

down() {
  local file pid
  if alive "$dir/run/slurmctld.pid"; then
    squeue -h -o %A 2>/dev/null | xargs -r scancel -f 2>/dev/null || true
    wait_for 30 queue_empty || echo "cluster: some jobs did not end" >&2
  fi
  for file in "$dir"/run/slurmd-*.pid "$dir/run/slurmctld.pid" "$dir/munge/pid"; do
    alive "$file" || continue
    pid=$(cat "$file")
    kill "$pid"
    wait_for 15 gone "$pid" || kill -9 "$pid"
  done
  # What jobs started, if it has lost its parent or was stopped: SLURM without control groups does not find it then.
  grep -alszx "SLURM_CLUSTER_NAME=$name" /proc/[0-9]*/environ 2>/dev/null | grep -o '[0-9]*' | xargs -r kill -9 2>/dev/null || true
  for file in $links; do
    [ "$(readlink "/etc/slurm/$file" 2>/dev/null)" != "$dir/$file" ] || rm -f "/etc/slurm/$file"
  done
  if [ -e "$dir/slurm.conf" ]; then rm -rf "$dir"; fi
}

status() {
  alive "$dir/run/slurmctld.pid" || { echo "cluster: down"; return; }
  sinfo -N -o "%N %P %T %c %m %G"
  squeue
}

case "${1:-}" in up | down | status) "$1" ;; *) refuse "usage: cluster.sh up|down|status" ;; esac
