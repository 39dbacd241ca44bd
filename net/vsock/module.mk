SRCS-kernel += net/vsock/address.c
SRCS-kernel += net/vsock/packet.c
SRCS-kernel += net/vsock/conn.c
SRCS-kernel += net/vsock/in.c
SRCS-kernel += net/vsock/out.c
SRCS-kernel += net/vsock/calls.c
SRCS-kernel += net/vsock/service.c
SRCS-kernel += net/vsock/thread.c
