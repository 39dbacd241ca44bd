/* Where the parts of the image are: symbols of link.ld. */
#ifndef TORC_HAL_BAREMETAL_IMAGE_H
#define TORC_HAL_BAREMETAL_IMAGE_H

extern const char image_start[], rodata_start[], data_start[], image_end[];

#endif
