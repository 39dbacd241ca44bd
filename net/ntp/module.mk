SRCS-kernel += net/ntp/message.c
SRCS-kernel += net/ntp/client.c
SRCS-kernel += net/ntp/start.c
