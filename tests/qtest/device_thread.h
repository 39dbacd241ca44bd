/* A thread of our machine that is the device: it steps a model. One at a time.
 */
#ifndef TORC_TESTS_QTEST_DEVICE_THREAD_H
#define TORC_TESTS_QTEST_DEVICE_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Call step() again and again; it returns whether there was anything to do. */
void device_thread_begin(bool (*step)(void));
void device_thread_end(void);

/* Frames that a model of a card has sent and nobody has taken yet; model.sent
 * puts them there. Room for one is needed before each step. */
void sent_frame(void *arg, const uint8_t *frame, size_t len);
bool sent_has_room(void);
size_t sent_take(uint8_t *frame, size_t size); /* its length; 0: none */
void sent_forget(void);

#endif
