SRCS-kernel += net/http/span.c
SRCS-kernel += net/http/target.c
SRCS-kernel += net/http/request.c
SRCS-kernel += net/http/date.c
SRCS-kernel += net/http/condition.c
SRCS-kernel += net/http/content.c
SRCS-kernel += net/http/media.c
SRCS-kernel += net/http/head.c
include net/http/peer/module.mk
