#!/usr/bin/env bash
# Trains on several nodes, and begins again where a node was lost:
#
#     sbatch examples/slurm.sh train.py --folder runs/1
#
# The script calls funclearn.devices.worker(main), and main first
# funclearn.devices.initialise(), which finds the other processes by SLURM's variables;
# its run resumes from its folder.
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --requeue
#SBATCH --open-mode=append
set -u

srun --kill-on-bad-exit=0 python3 "$@"
status=$?

# 75: another process was lost. srun tells the highest status of all: 134 if JAX ended a
# process since process 0 was lost, 137 if one was killed.
case $status in
75 | 134 | 137)
    if [ "${SLURM_RESTART_COUNT:-0}" -lt 10 ]; then
        exec scontrol requeue "$SLURM_JOB_ID"
    fi
    ;;
esac
exit "$status"
