#ifndef TORC_TESTS_GUEST_TYPES_H
#define TORC_TESTS_GUEST_TYPES_H

typedef long ssize_t;
typedef long off_t;
typedef long time_t;
typedef int pid_t;

#endif
