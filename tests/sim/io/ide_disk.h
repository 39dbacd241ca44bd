/*
 * An IDE disk: a drive of the model behind a PIIX3, which does its units of
 * work after a step each.
 */
#ifndef TORC_TESTS_SIM_IO_IDE_DISK_H
#define TORC_TESTS_SIM_IO_IDE_DISK_H

#include <stdbool.h>
#include <stdint.h>

/* Draw what it is like, and put it with so many sectors into the machine. */
void ide_disk_plug(uint8_t *data, uint64_t sectors);

/* Whether faults come, from now on; at first none does. */
void ide_disk_faults(bool come);

/* Whether sectors were written that are only in its cache. */
bool ide_disk_is_volatile(void);

#endif
