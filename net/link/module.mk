SRCS-kernel += net/link/neigh.c
SRCS-kernel += net/link/arp.c
SRCS-kernel += net/link/nd.c
SRCS-kernel += net/link/router.c
