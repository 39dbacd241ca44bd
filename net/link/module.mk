SRCS-kernel += net/link/neigh.c
SRCS-kernel += net/link/arp.c
