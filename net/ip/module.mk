SRCS-kernel += net/ip/route.c
SRCS-kernel += net/ip/protocol.c
SRCS-kernel += net/ip/reassembly.c
SRCS-kernel += net/ip/ip4.c
SRCS-kernel += net/ip/more.c
SRCS-kernel += net/ip/icmp4.c
