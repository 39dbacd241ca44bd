/*
 * What the firmware says about the machine: its CPUs, interrupt controllers,
 * timers, nodes, how it is powered off, and devices that no bus enumerates.
 */
#ifndef TORC_HAL_BAREMETAL_PLATFORM_H
#define TORC_HAL_BAREMETAL_PLATFORM_H

#include "hal/hal.h"

/* An I/O APIC whose lines follow those of the one before it. */
#define PLATFORM_GSI_FOLLOWS UINT32_MAX

struct platform_info {
    unsigned cpu_count;
    unsigned cpu_ignored; /* CPUs above HAL_CPU_MAX */
    uint32_t apic_id[HAL_CPU_MAX];
    unsigned ioapic_count;
    struct platform_ioapic {
        uint32_t base;
        uint32_t gsi; /* of its first line */
    } ioapic[8];
    struct {
        uint32_t gsi;
        uint16_t flags; /* MPS INTI: bits 0-1 polarity, 2-3 trigger */
        bool set;
    } isa_irq[16];
    bool has_pcie;          /* there is a host bridge of PCI Express */
    uint16_t pm_timer_port; /* 0: none */
    bool pm_timer_32bit;
    uint8_t rtc_century;    /* register of the clock chip, 0: none */
    uint16_t pm1a_control;  /* port, 0: none */
    uint64_t sleep_control; /* address of the reduced-hardware register */
    bool sleep_control_is_port;
    int s5_type;             /* SLP_TYP for power off, -1: unknown */
    struct platform_button { /* the power button; ACPI 6.4, 4.8 */
        uint16_t event; /* port of the PM1a event registers, 0: no button */
        uint8_t event_length; /* of status and enable together */
        uint16_t irq;         /* the SCI, numbered as the FADT does */
        uint16_t command;     /* port of SMI_CMD, 0: none */
        uint8_t enable;       /* what to write there for ACPI mode */
    } button;
    unsigned apic_node_count;
    struct {
        uint32_t apic_id;
        uint8_t node;
    } apic_node[HAL_CPU_MAX];
    unsigned memory_node_count;
    struct {
        uint64_t base;
        uint64_t end;
        uint8_t node;
    } memory_node[HAL_REGION_MAX];
    unsigned device_count;
    struct hal_platform_device device[HAL_CPU_MAX / 8];
};

/* This machine's. Written by CPU 0 at boot, then constant. */
extern struct platform_info platform;

/* Add a CPU that the tables name, once; more than HAL_CPU_MAX are counted. */
void platform_cpu_add(struct platform_info *info, uint32_t apic_id);

/*
 * Make the CPU that runs the first one of the list, wherever the tables have it
 * or even if they do not have it.
 */
void platform_cpu_first(struct platform_info *info, uint32_t apic_id);

#endif
