SRCS-kernel += net/sock/open.c
SRCS-kernel += net/sock/wait.c
SRCS-kernel += net/sock/stream.c
SRCS-kernel += net/sock/option.c
SRCS-kernel += net/sock/datagram.c
SRCS-kernel += net/sock/echo.c
