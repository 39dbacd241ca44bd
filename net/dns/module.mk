SRCS-kernel += net/dns/name.c
SRCS-kernel += net/dns/message.c
SRCS-kernel += net/dns/cache.c
SRCS-kernel += net/dns/query.c
SRCS-kernel += net/dns/resolver.c
SRCS-kernel += net/dns/tcp.c
