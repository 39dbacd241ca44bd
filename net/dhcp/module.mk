SRCS-kernel += net/dhcp/message.c
SRCS-kernel += net/dhcp/lease.c
SRCS-kernel += net/dhcp/client.c
SRCS-kernel += net/dhcp/start.c
SRCS-kernel += net/dhcp/card.c
SRCS-kernel += net/dhcp/members.c
