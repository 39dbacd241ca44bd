/*
 * The calendar of a PC: from the registers of the clock chip to UTC, and from
 * readings of whole seconds to the offset of the clock. Pure.
 */
#ifndef TORC_HAL_BAREMETAL_CALENDAR_H
#define TORC_HAL_BAREMETAL_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

/* Registers of the MC146818 by their numbers (data sheet, table 3). */
enum {
    RTC_SECONDS = 0,
    RTC_MINUTES = 2,
    RTC_HOURS = 4,
    RTC_DAY = 7,
    RTC_MONTH = 8,
    RTC_YEAR = 9,
    RTC_STATUS_A = 10,
    RTC_STATUS_B = 11,
    RTC_STATUS_C = 12,
    RTC_TIME_COUNT = 10, /* registers of the time */

    RTC_UPDATING = 0x80,     /* A: the time changes within 244 us */
    RTC_UPDATE_IRQ = 0x10,   /* B: interrupt after each update */
    RTC_UPDATE_ENDED = 0x10, /* C */
    RTC_24H = 2,             /* B */
    RTC_BINARY = 4,          /* B; else two decimal digits in a byte */
    RTC_PM = 0x80,           /* in the hours, of twelve */
};

/*
 * Seconds since 1970 of registers 0 to 9, in the form that register B
 * announces. `century` is the register that the ACPI tables name, read as the
 * others, or -1: then years from 70 on are of the 20th century.
 * Returns 0 for what is no date, or one before 1970.
 */
uint64_t calendar_seconds(const uint8_t reg[RTC_TIME_COUNT], uint8_t status_b,
                          int century);

/*
 * What is known about wall time minus the clock's time, in ns: it is not below
 * `low` and not above `high`; `offset` is what the clock goes by. Owner: CPU 0.
 */
struct calendar {
    bool known;
    uint64_t low;
    uint64_t high;
    uint64_t offset;
    uint64_t checked_ns; /* the clock's time of the last reading */
};

/*
 * The chip has shown `seconds` at some moment between two times of the clock.
 * Returns whether the offset had to be changed by more than 5 ms: then the
 * chip, or the machine, was stopped or set, and the next second's edge is worth
 * looking for.
 */
bool calendar_reading(struct calendar *calendar, uint64_t seconds,
                      uint64_t before_ns, uint64_t after_ns);

#endif
