#include <torc/assert.h>
