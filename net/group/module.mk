SRCS-kernel += net/group/card.c
SRCS-kernel += net/group/each.c
SRCS-kernel += net/group/peek.c
SRCS-kernel += net/group/steer.c
SRCS-kernel += net/group/port.c
SRCS-kernel += net/group/start.c
