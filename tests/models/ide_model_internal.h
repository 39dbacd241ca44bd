/* What the files of the IDE model share. */
#ifndef TORC_TESTS_MODELS_IDE_MODEL_INTERNAL_H
#define TORC_TESTS_MODELS_IDE_MODEL_INTERNAL_H

#include "tests/models/ide_model.h"

/* [ATA] Status. */
enum { BSY = 0x80, DRDY = 0x40, DF = 0x20, DRQ = 0x08, ERR = 0x01 };
/* Error. */
enum { UNC = 0x40, IDNF = 0x10, ABRT = 0x04 };
/* Device. Device Control. */
enum { DEVICE_LBA = 0x40, DEVICE_DEV = 0x10 };
enum { CONTROL_HOB = 0x80, CONTROL_SRST = 0x04, CONTROL_NIEN = 0x02 };

/* ---- ide_model_drive.c --------------------------------------------------- */

uint8_t drive_status(const struct ide_model_drive *drive);

/* As after power-on, with the mode the firmware sets. */
void drive_power_on(struct ide_model_drive *drive);

/* After a reset or a diagnostic: registers as "Signature and persistence" says,
 * `code` in error. */
void drive_signature(struct ide_model_drive *drive, uint8_t code);

/* What a software reset sets back, since nobody gave SET FEATURES 66h. */
void drive_defaults(struct ide_model_drive *drive);

/* The host has written its command register. */
void drive_command(struct ide_model_drive *drive, uint8_t command);

/* The host moves 16 bits of a block. */
uint16_t drive_data_read(struct ide_model_drive *drive);
void drive_data_write(struct ide_model_drive *drive, uint16_t value);

/* One unit of work; false: none. */
bool drive_step(struct ide_model_drive *drive);

/* Of FAULT_LATE. */
unsigned drive_late_steps(const struct ide_model_drive *drive);

uint32_t drive_sector_size(const struct ide_model_drive *drive);

/* ---- ide_model_identify.c ------------------------------------------------ */

void drive_identify(struct ide_model_drive *drive, uint8_t out[512]);

/* ---- ide_model.c --------------------------------------------------------- */

/* `pending` of a drive, the selection or nIEN has changed. */
void channel_line(struct ide_model_channel *channel);

/* There is something to step. */
void channel_work(struct ide_model_channel *channel);

unsigned channel_index(const struct ide_model_channel *channel);

/* The command block: registers 0 to 7; the control block: one register. */
uint32_t command_block_read(struct ide_model_channel *channel, size_t reg,
                            unsigned width);
void command_block_write(struct ide_model_channel *channel, size_t reg,
                         unsigned width, uint32_t value);
uint8_t alternate_read(struct ide_model_channel *channel);
void control_write(struct ide_model_channel *channel, uint8_t value);

/* ---- ide_model_dma.c ----------------------------------------------------- */

uint32_t bus_master_read(struct ide_model_channel *channel, size_t reg,
                         unsigned width);
void bus_master_write(struct ide_model_channel *channel, size_t reg,
                      unsigned width, uint32_t value);

/* Move `size` bytes between a drive and memory, in the order of the table. */
void bus_master_transfer(struct ide_model_channel *channel, uint8_t *data,
                         size_t size, bool to_memory);

/* The drive is ready to transfer `size` bytes. */
void bus_master_begin(struct ide_model_channel *channel, uint64_t size);

/* The drive has ended the command. */
void bus_master_done(struct ide_model_channel *channel);

/* ---- ide_model_pci.c ----------------------------------------------------- */

bool pci_is_native(const struct ide_model *model, unsigned channel);
bool pci_is_master(const struct ide_model *model);
void pci_add(struct ide_model *model);
void pci_raise(struct ide_model_channel *channel);

#endif
