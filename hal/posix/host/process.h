/*
 * The process of a hosted machine.
 */
#ifndef TORC_HAL_POSIX_HOST_PROCESS_H
#define TORC_HAL_POSIX_HOST_PROCESS_H

/*
 * Make the machine that the arguments describe and run its kernel. Returns only
 * when that does not happen: the exit status of the process, 0 after --help, 1
 * when the machine cannot be made, 2 after a bad argument; for the last two
 * there is a line on stderr.
 */
int host_process_run(int argc, char **argv);

#endif
