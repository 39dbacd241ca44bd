/* The serial port. */
#ifndef TORC_HAL_BAREMETAL_CONSOLE_H
#define TORC_HAL_BAREMETAL_CONSOLE_H

/* Look for it and set it up. CPU 0, first of all. */
void console_init(void);

#endif
