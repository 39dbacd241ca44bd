/* Dates and times of entries: local time, which here is UTC, from 1980 to 2107,
 * in steps of two seconds. Pure. */
#ifndef TORC_FS_FAT_TIME_H
#define TORC_FS_FAT_TIME_H

#include <stdint.h>
#include <torc/file.h>

/* From and to date and time of an entry; what is outside of 1980 .. 2107
 * becomes the first or last moment. */
struct file_time fat_time_get(uint16_t date, uint16_t time, uint8_t ten_ms);
void fat_time_put(struct file_time from, uint16_t *date, uint16_t *time,
                  uint8_t *ten_ms);

#endif
