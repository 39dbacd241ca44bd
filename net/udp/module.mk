SRCS-kernel += net/udp/udp.c
