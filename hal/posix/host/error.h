/*
 * Error numbers: Linux's become those of <torc/errno.h>.
 */
#ifndef TORC_HAL_POSIX_HOST_ERROR_H
#define TORC_HAL_POSIX_HOST_ERROR_H

/*
 * The negative error of Torc for an errno of the host. Torc has Linux's
 * numbers, so this only replaces those that Torc does not have.
 */
int host_error(int host_errno);

#endif
