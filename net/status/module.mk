SRCS-kernel += net/status/status.c
SRCS-kernel += net/status/collect.c
SRCS-kernel += net/status/figures.c
SRCS-kernel += net/status/text.c
SRCS-kernel += net/status/page.c
SRCS-kernel += net/status/json.c
SRCS-kernel += net/status/metrics.c
SRCS-kernel += net/status/log.c
