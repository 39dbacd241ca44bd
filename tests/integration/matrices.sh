#!/bin/bash
# `make integration MATRIX=1`: all matrices, or the one that is named.
#
#   matrices.sh 1|machines|serving|virtio
cd "$(dirname "$0")" || exit 1
case "${1:-1}" in
1) all=(matrix serving_matrix virtio_matrix) ;;
machines) all=(matrix) ;;
serving) all=(serving_matrix) ;;
virtio) all=(virtio_matrix) ;;
*)
    echo "matrices.sh: no such matrix: $1; there are machines, serving, virtio" >&2
    exit 2
    ;;
esac
status=0
for one in "${all[@]}"; do
    "./$one.sh" || status=1
done
exit $status
