/* Scenarios in files of their own: rows of the table in scenarios.c. */
#ifndef TORC_WMM_SCENARIOS_H
#define TORC_WMM_SCENARIOS_H

/* timeline.c: one CPU writes the line of the clock, the other reads it. */
void timeline_setup(void);
void timeline_writer(void);
void timeline_reader(void);

/* virtqueue.c: a driver with one or two requests, and a device. */
void virtqueue_setup(void);
void virtqueue_event_setup(void);
void virtqueue_packed_setup(void);
void virtqueue_packed_event_setup(void);
void virtqueue_driver_1(void);
void virtqueue_driver_2(void);
void virtqueue_driver_again(void);
void virtqueue_device_1(void);
void virtqueue_device_2(void);

#endif
