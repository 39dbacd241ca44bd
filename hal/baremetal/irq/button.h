/* The power button. */
#ifndef TORC_HAL_BAREMETAL_BUTTON_H
#define TORC_HAL_BAREMETAL_BUTTON_H

/* Call handler(arg) for each push, on CPU 0, which calls this. Returns 0,
 * -ENODEV, or as hal_irq_attach(). */
int button_attach(void (*handler)(void *), void *arg);

#endif
