/* The numbers of errors are Torc's own. */
#ifndef TORC_TESTS_GUEST_ERRNO_H
#define TORC_TESTS_GUEST_ERRNO_H

#include <torc/errno.h>

extern int errno;

#endif
